"""Budgets and estimates as the API shows them."""

from typing import Literal

from pydantic import Field

from ketbase.costs.quotes import CostLine
from ketbase.ledger.types import AlertAction
from ketbase.money import Money
from ketbase.types import Model, Moment

type Paused = Literal["none", "new_jobs", "all_jobs"]


class AlertView(Model):
    """One alert of a budget.

    Attributes:
        webhook: its host and last four characters.
        status: of this month.
        triggered_at: when it went off this month.
    """

    threshold: int
    action: AlertAction
    recipients: tuple[str, ...] = ()
    webhook: str | None = None
    status: Literal["not_triggered", "triggered"]
    triggered_at: Moment | None = None


class BudgetView(Model):
    """What an organisation may spend this month, and did.

    Attributes:
        current_spend: what ended jobs cost.
        reserved: set aside for jobs that are not over.
        remaining: what can still be set aside.
        percentage_used: `current_spend` of the limit.
        projected_monthly_spend: at the month's end, if it goes on as until now.
        paused: which jobs an alert holds back at this moment.
    """

    month: str = Field(examples=["2026-01"])
    monthly_limit: Money
    current_spend: Money
    reserved: Money
    remaining: Money
    percentage_used: float
    projected_monthly_spend: Money
    paused: Paused
    alerts: tuple[AlertView, ...]
    updated_at: Moment | None


class Problem(Model):
    """Why something cannot be done."""

    code: str
    message: str


class BackendEstimate(Model):
    """What a run would cost on one backend.

    Attributes:
        estimated_cost: expected.
        reserved_cost: the ceiling that would be set aside.
        lines: what both are made of.
        expected_seconds: of computing.
        within_budget: whether the organisation's month has room for the ceiling.
        problem: why it cannot run there; the costs are `None` then.
    """

    backend: str
    estimated_cost: Money | None = None
    reserved_cost: Money | None = None
    lines: tuple[CostLine, ...] = ()
    expected_seconds: float | None = None
    within_budget: bool | None = None
    problem: Problem | None = None


class Estimate(Model):
    """What a run would cost on each of some backends, in the order asked for.

    Attributes:
        remaining_budget: what the organisation can still set aside this month.
    """

    shots: int
    remaining_budget: Money | None
    estimates: tuple[BackendEstimate, ...]
