"""GET /docs: the API's documentation, to read and to try."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ketbase.runtime.docs import documentation_page, documentation_policy
from ketbase.runtime.http import lambda_handler

router = APIRouter(tags=["documentation"], include_in_schema=False)


@router.get("/docs", response_class=HTMLResponse)
def show_documentation() -> HTMLResponse:
    """Show the documentation page."""
    return HTMLResponse(documentation_page(), headers={"Content-Security-Policy": documentation_policy()})


handler = lambda_handler(router)
