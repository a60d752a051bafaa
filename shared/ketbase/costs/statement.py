"""A month's statement: what an organisation owes, by day, backend and user."""

from datetime import date

from ketbase.money import Money
from ketbase.types import Model, Moment

CURRENT = "current"
MAX_JOBS = 20_000
"""The most jobs that a statement of sums is made of while its reader waits."""
MONTH_OR_CURRENT = rf"^(20\d\d-(0[1-9]|1[0-2])|{CURRENT})$"


class StatementLine(Model):
    """A sum over some jobs.

    Attributes:
        name: for people; where there is none, the id.
        email: of a user.
    """

    id: str
    name: str
    email: str | None = None
    jobs: int
    circuits: int
    shots: int
    cost: Money


class DayLine(Model):
    """What one day's jobs cost."""

    date: date
    jobs: int
    cost: Money


class Statement(Model):
    """What the jobs that were submitted in one month (UTC) cost.

    Attributes:
        open: set aside for jobs of the month that are not over; the total may still grow by as much.
        final: whether it will not change any more.
        by_day: every day of the month, by the day on which jobs ended; those that ended later stand on the last.
    """

    month: str
    organization_id: str
    organization: str
    monthly_limit: Money | None
    total: Money
    open: Money
    final: bool
    jobs: int
    circuits: int
    shots: int
    compute_seconds: float
    by_day: tuple[DayLine, ...]
    by_backend: tuple[StatementLine, ...]
    by_user: tuple[StatementLine, ...]
    created_at: Moment
