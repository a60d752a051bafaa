"""GET /v1/models/{model_id}/card: a model's card, as JSON or as a page."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response

from ketbase.models.cards import ModelCard
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import card_page, cards

router = APIRouter(tags=["models"])


@router.get(
    "/v1/models/{model_id}/card",
    response_model=Envelope[ModelCard],
    responses={200: {"content": {"text/html": {}}}},
)
def get_card(
    model_id: str,
    form: Annotated[
        Literal["json", "html"] | None, Query(alias="format", description="By Accept, where it is not said")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    caller: Caller = requires("models:read"),
) -> Any:
    """Read how good a model is beside classical ones, where it comes from, and what it costs."""
    card = cards().card(caller, model_id)
    if (form or ("html" if "text/html" in accept else "json")) == "json":
        return Envelope.of(card)
    return Response(card_page()(card), media_type="text/html; charset=utf-8")


handler = lambda_handler(router)
