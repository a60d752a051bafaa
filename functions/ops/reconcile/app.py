"""Pipeline step: find where the ledger and the jobs disagree."""

from typing import Any

from ketbase.runtime.observability import measure
from ketbase.runtime.settings import settings
from ketbase.runtime.steps import step
from ketbase.runtime.wiring import reconciler


@step
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Compare this month and the last."""
    report = reconciler().reconcile()
    measure("LedgerDiscrepancies", report.count, stage=settings().stage)
    return report.model_dump(mode="json", include={"organizations", "jobs", "events", "count"})
