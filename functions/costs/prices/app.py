"""GET /v1/costs/prices: the table of prices."""

from fastapi import APIRouter

from ketbase.costs.prices import PriceTable
from ketbase.runtime.http import Envelope, lambda_handler, requires
from ketbase.runtime.wiring import prices

router = APIRouter(tags=["costs"])


@router.get("/v1/costs/prices", dependencies=[requires("backends:read")])
def list_prices() -> Envelope[PriceTable]:
    """Show what compute, workflow steps and backends cost, each with its source and day."""
    return Envelope.of(prices().table)


handler = lambda_handler(router)
