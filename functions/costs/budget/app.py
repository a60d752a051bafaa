"""GET /v1/budget: the budget, and what is left of it."""

from fastapi import APIRouter

from ketbase.costs.budget import BudgetView
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import budgets

router = APIRouter(tags=["costs"])


@router.get("/v1/budget")
def get_budget(caller: Caller = requires("usage:read")) -> Envelope[BudgetView]:
    """Show this month's limit, what is spent and reserved, and which alerts went off."""
    return Envelope.of(budgets().get(caller))


handler = lambda_handler(router)
