"""A budget as it is set, and as it is shown."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ketbase.accounts.requests import Email
from ketbase.ledger.types import AlertAction
from ketbase.money import Money
from ketbase.types import Model, Moment

MAX_ALERTS = 20
MAX_RECIPIENTS = 10

type Paused = Literal["none", "new_jobs", "all_jobs"]


class AlertRequest(Model):
    """One alert of a budget.

    Attributes:
        threshold: per cent of the monthly limit.
        recipients: who gets the mail; the owners and admins who want mail where none is named.
        webhook: of `slack`: an address, or what was shown of the one that is there; the organisation's own where
            none is given.
    """

    threshold: Annotated[int, Field(ge=1, le=100)]
    action: AlertAction
    recipients: Annotated[tuple[Email, ...], Field(max_length=MAX_RECIPIENTS)] = ()
    webhook: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | None = None

    @model_validator(mode="after")
    def _belongs_to_the_action(self) -> Self:
        if self.webhook is not None and self.action != "slack":
            raise ValueError("a webhook goes with the action slack")
        if self.recipients and self.action == "slack":
            raise ValueError("recipients get mail; the action slack has a webhook")
        return self


class UpdateBudget(Model):
    """The body of `PUT /v1/budget`.

    Attributes:
        monthly_limit: US dollars.
    """

    monthly_limit: Annotated[Money, Field(examples=["5000.00"])]
    alerts: Annotated[tuple[AlertRequest, ...], Field(max_length=MAX_ALERTS)] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.monthly_limit < Money():
            raise ValueError("a monthly limit is not negative")
        kinds = [(alert.threshold, alert.action) for alert in self.alerts]
        if len(set(kinds)) < len(kinds):
            raise ValueError("a budget has one alert of an action at a threshold")
        return self


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
