"""Reservations, settlements, and what stands in an organisation's books."""

from typing import Literal

from pydantic import Field

from ketbase.money import Money
from ketbase.types import Model, Moment

type Whose = Literal["organization", "user", "key"]
type AlertAction = Literal["email", "slack", "pause_new_jobs", "pause_jobs"]


class Reservation(Model):
    """What was set aside for a job, and in whose books.

    Attributes:
        month: `2026-01`, UTC; the month in which the job was submitted pays for it, whenever it ends.
        amount: the ceiling; the job costs at most this.
    """

    job_id: str
    organization_id: str
    user_id: str
    key_id: str | None
    month: str
    amount: Money


class Charge(Model):
    """What some work used.

    Attributes:
        compute_ms: how long functions computed, in milliseconds.
    """

    amount: Money = Money()
    circuits: int = 0
    shots: int = 0
    compute_ms: int = 0

    def __add__(self, other: "Charge") -> "Charge":
        return Charge(
            amount=self.amount + other.amount,
            circuits=self.circuits + other.circuits,
            shots=self.shots + other.shots,
            compute_ms=self.compute_ms + other.compute_ms,
        )


PREDICTIONS = "prediction"
"""The type of the cost events of served models."""


class CostEvent(Model):
    """What one finished job cost, or the predictions of a model on one day.

    Attributes:
        job_id: of the job, or of the model.
        event_type: the job's kind, or `prediction`.
        month: which month paid.
        amount: what was settled, at most what was reserved.
    """

    job_id: str
    organization_id: str
    user_id: str
    key_id: str | None
    event_type: str
    backend: str
    month: str
    estimated: Money
    reserved: Money
    amount: Money
    circuits: int
    shots: int
    compute_ms: int
    created_at: Moment

    @property
    def jobs(self) -> int:
        """How many jobs it is of."""
        return 0 if self.event_type == PREDICTIONS else 1


class Standing(Model):
    """One account in one month.

    Attributes:
        limit: `None` where there is none.
        spent: settled.
        reserved: set aside for jobs that are not over.
        jobs: how many jobs were settled.
    """

    whose: Whose
    id: str
    month: str
    limit: Money | None
    spent: Money
    reserved: Money

    @property
    def remaining(self) -> Money | None:
        """What can still be reserved; `None` where there is no limit."""
        return None if self.limit is None else max(self.limit - self.spent - self.reserved, Money())


class BudgetAlert(Model):
    """What happens when a share of the month's limit is spent.

    Attributes:
        threshold: per cent of the limit.
        recipients: addresses; none given, the owners and admins who want mail.
        webhook: of Slack, sealed.
    """

    threshold: int = Field(ge=1, le=100)
    action: AlertAction
    recipients: tuple[str, ...] = ()
    webhook: str | None = None


class Budget(Model):
    """What an organisation may spend in a month."""

    monthly_limit: Money
    alerts: tuple[BudgetAlert, ...] = ()
    updated_at: Moment | None = None
