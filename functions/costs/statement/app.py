"""GET /v1/statements/{month}: a month's statement."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from ketbase.costs.statement import MAX_JOBS, MONTH_OR_CURRENT, Statement
from ketbase.costs.tables import as_csv
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import statement_page, statements

router = APIRouter(tags=["costs"])


@router.get(
    "/v1/statements/{month}",
    response_model=Envelope[Statement],
    responses={200: {"content": {"text/csv": {}, "application/pdf": {}}}},
)
def get_statement(
    month: Annotated[str, Path(pattern=MONTH_OR_CURRENT, description="Such as 2026-01, or `current`")],
    form: Annotated[Literal["json", "csv", "pdf"], Query(alias="format")] = "json",
    caller: Caller = requires("usage:read"),
) -> Envelope[Statement] | Response:
    """Say what the jobs submitted in a month cost: sums as JSON, each job as CSV, a page as PDF.

    JSON and PDF answer 422 `REPORT_TOO_LARGE` for a month of more than 20,000 jobs; ask for CSV then, or for
    `GET /v1/usage` some days at a time.
    """
    statement, events = statements().statement(caller, month, most=None if form == "csv" else MAX_JOBS)
    if form == "json":
        return Envelope.of(statement)
    as_file = {"Content-Disposition": f'attachment; filename="ketbase-{statement.month}.{form}"'}
    if form == "csv":
        return Response(as_csv(statement, events), headers=as_file, media_type="text/csv; charset=utf-8")
    return Response(statement_page()(statement), headers=as_file, media_type="application/pdf")


handler = lambda_handler(router)
