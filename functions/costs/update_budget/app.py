"""PUT /v1/budget: set the budget."""

from fastapi import APIRouter

from ketbase.costs.budget import BudgetView, UpdateBudget
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import budgets

router = APIRouter(tags=["costs"])


@router.put("/v1/budget")
def update_budget(body: UpdateBudget, caller: Caller = requires("billing:write")) -> Envelope[BudgetView]:
    """Set the monthly limit and the alerts, from this month on."""
    return Envelope.of(budgets().update(caller, body))


handler = lambda_handler(router)
