"""GET /v1/usage: what was used, and what it cost."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from ketbase.costs.usage import GroupBy, UsageQuery, UsageReport
from ketbase.paging import MAX_LIMIT
from ketbase.runtime.http import Caller, Envelope, lambda_handler, requires
from ketbase.runtime.wiring import usage

router = APIRouter(tags=["costs"])


@router.get("/v1/usage")
def report_usage(
    start_date: Annotated[date | None, Query(description="The first of this month, where it is not given")] = None,
    end_date: Annotated[date | None, Query(description="Included; today, where it is not given")] = None,
    group_by: GroupBy = "day",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The most jobs on the page")] = MAX_LIMIT,
    cursor: Annotated[str | None, Query(max_length=100, description="Of the page of jobs before")] = None,
    caller: Caller = requires("usage:read"),
) -> Envelope[UsageReport]:
    """Add up what the organisation used, by day, backend, user, key or job (UTC).

    One report covers at most 366 days and 20,000 sums (one for each day, backend, user and key that was used);
    above that it answers 422 `REPORT_TOO_LARGE`, and fewer days are to be asked for.
    """
    query = UsageQuery(start_date=start_date, end_date=end_date, group_by=group_by, limit=limit, cursor=cursor)
    return Envelope.of(usage().report(caller, query))


handler = lambda_handler(router)
