"""What one machine measures is shown to Prometheus."""

from ketbase.local.metrics import PrometheusMeter


class NoJobs:
    def depth(self, backend: str) -> int:
        return 0

    def running(self) -> list[object]:
        return []


def test_notices_are_added_up_and_the_ledger_shows_its_last_reconciliation() -> None:
    meter = PrometheusMeter(NoJobs())
    for found in (3, 0):
        meter("NoticesSent", 2, "Count")
        meter("NoticesGivenUp", 1, "Count")
        meter("LedgerDiscrepancies", found, "Count", stage="local")
    lines = meter.page().decode().splitlines()
    assert 'notices_total{end="sent"} 4.0' in lines
    assert 'notices_total{end="given_up"} 2.0' in lines
    assert "ledger_discrepancies 0.0" in lines
