"""What callers ask of budgets and estimates."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from ketbase.accounts.requests import Email
from ketbase.costs.shapes import Shape
from ketbase.ledger.types import AlertAction
from ketbase.money import Money
from ketbase.run.types import MAX_SHOTS
from ketbase.types import Model

MAX_ALERTS = 20
MAX_RECIPIENTS = 10
MAX_BACKENDS = 30


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


class EstimateRequest(Model):
    """The body of `POST /v1/estimate`: a circuit that is there, or the size of one that is not.

    Attributes:
        backends: to compare.
        shots: how often the circuit is run.
        budget_limit: the ceiling that the job would be given.
    """

    circuit_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    circuit: Shape | None = None
    backends: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_BACKENDS)] = ("aer",)
    shots: Annotated[int, Field(ge=1, le=MAX_SHOTS)] = 1_024
    budget_limit: Annotated[Money, Field(examples=["0.50"])] | None = None

    @model_validator(mode="after")
    def _one_circuit(self) -> Self:
        if (self.circuit_id is None) == (self.circuit is None):
            raise ValueError("give either circuit_id or the size of a circuit as circuit")
        return self
