"""A statement's jobs as CSV that a spreadsheet opens without running anything in it."""

import csv
import io
from collections.abc import Iterable

from ketbase.costs.statement import Statement
from ketbase.errors import TooLargeError
from ketbase.ledger.types import CostEvent
from ketbase.types import iso

MAX_BYTES = 5_000_000
"""A Lambda's answer ends at 6 MB."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell that a spreadsheet takes for a formula begins with."""
_COLUMNS = (
    "job_id",
    "ended_at",
    "user_id",
    "user",
    "key_id",
    "kind",
    "backend",
    "circuits",
    "shots",
    "compute_seconds",
    "estimated_usd",
    "reserved_usd",
    "cost_usd",
)


def as_csv(statement: Statement, events: Iterable[CostEvent]) -> str:
    """Write one line for each job, and the total at the end.

    Raises:
        TooLargeError: `STATEMENT_TOO_LARGE`.
    """
    people = {line.id: line.email or line.name for line in statement.by_user}
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\r\n")
    sheet.writerow(_COLUMNS)
    for event in events:
        row = (
            event.job_id,
            iso(event.created_at),
            event.user_id,
            people.get(event.user_id, ""),
            event.key_id or "",
            event.event_type,
            event.backend,
            event.circuits,
            event.shots,
            event.compute_ms / 1_000,
            event.estimated,
            event.reserved,
            event.amount,
        )
        sheet.writerow(map(_safe, row))
        if text.tell() > MAX_BYTES:
            raise TooLargeError(
                "STATEMENT_TOO_LARGE",
                f"{statement.month} has {statement.jobs} jobs, too many for one table; "
                "GET /v1/usage?group_by=job gives them in pages.",
                limit_bytes=MAX_BYTES,
            )
    sheet.writerow(("total", *[""] * (len(_COLUMNS) - 2), statement.total))
    return text.getvalue()


def _safe(cell: object) -> str:
    """Put a quote before what would be a formula, as OWASP advises (CSV injection)."""
    text = str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text
