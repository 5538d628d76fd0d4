"""What was spent, as LiteLLM's `/spend/…` and `/global/spend/report`. Only the master key may know.

Sums are those of days in UTC, and know of what was recorded a second ago or earlier.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic_core import from_json

from warren.bus import LEDGER_ASK
from warren.contracts import ListCharges, Page, ReportSpend, UpstreamCall
from warren.costs import Table
from warren.errors import InvalidRequest
from warren.requests.management import RepriceCalls
from warren_gateway import managing, queries, reporting
from warren_gateway.exporting import following
from warren_gateway.gateway import of
from warren_gateway.repricing import Repricer, repriced

router = APIRouter()

_LISTED = frozenset({"response_id", "request_id", "status", "after"})
_BY: dict[str, str] = {"keys": "key", "users": "user", "tags": "tag", "models": "model"}


@router.get("/global/spend/report")
async def report(request: Request) -> Response:
    """By `group_by`, from `start_date` to `end_date`."""
    queries.only(request.query_params, reporting.DATES, reporting.FILTERS, {"group_by"})
    return await _report(request, reporting.groups(request.query_params))


@router.get("/spend/logs")
async def logs(request: Request) -> Response:
    """What single responses have cost, the latest first."""
    query = request.query_params
    queries.only(query, reporting.DATES, reporting.FILTERS.keys() - {"provider", "deployment"}, _LISTED)
    first, last = reporting.days(query)
    where = await _where(request)
    if status := queries.one_of(query, "status", queries.STATUSES):
        where["status"] = status
    if id_ := query.get("response_id") or query.get("request_id"):
        where["response_id"] = id_
    dated = not id_ or "start_date" in query or "end_date" in query
    asked = ListCharges(
        where=where,
        since=reporting.midnight(first) if dated else None,
        until=reporting.midnight(last + timedelta(days=1)) if dated else None,
        after=query.get("after") or None,
        limit=reporting.limit(query, 100),
    )
    return await _told(request, asked, {"object": "list"})


@router.post("/spend/reprice")
async def reprice(request: Request) -> StreamingResponse:
    """Price calls of these days again, as JSON Lines; the last line says that it is all."""
    wanted = await managing.read(request, RepriceCalls)
    first, last = date.fromisoformat(wanted.start_date), date.fromisoformat(wanted.end_date)
    if first > last:
        raise InvalidRequest("Invalid 'start_date': it is after 'end_date'.", param="start_date", code="invalid_value")
    gateway, today = of(request), datetime.now(UTC).date().isoformat()
    table = None if wanted.prices is None else Table.of(wanted.prices, wanted.source, today)
    repricer = Repricer(gateway.config, gateway.prices.apart(table), partial(_wanted, wanted))
    since, until = reporting.midnight(first), reporting.midnight(last + timedelta(days=1))
    lines = repriced(gateway.ask_ledger, repricer, since, until, dry=wanted.dry_run)
    return StreamingResponse(following(await anext(lines), lines), media_type="application/jsonl")


def _wanted(wanted: RepriceCalls, call: UpstreamCall) -> bool:
    if wanted.unpriced and call.cost is not None:
        return False
    return all(getattr(wanted, name) in (None, getattr(call, name)) for name in ("model", "provider", "deployment"))


def _by(dimension: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        queries.only(request.query_params, reporting.DATES, reporting.FILTERS)
        return await _report(request, (dimension,))

    return endpoint


for _name, _dimension in _BY.items():
    router.add_api_route(f"/spend/{_name}", _by(_dimension), methods=["GET"])


async def _report(request: Request, by: tuple[str, ...]) -> Response:
    query = request.query_params
    first, last = reporting.days(query)
    asked = ReportSpend(
        by=by, first=str(first), last=str(last), where=await _where(request), limit=reporting.limit(query, 1000)
    )
    about = {"object": "spend.report", "start_date": asked.first, "end_date": asked.last, "group_by": by}
    return await _told(request, asked, about)


async def _told(request: Request, asked: ReportSpend | ListCharges, about: reporting.Json) -> Response:
    form = queries.one_of(request.query_params, "format", reporting.FORMATS) or "json"
    page = await of(request).ask_ledger(LEDGER_ASK, asked)
    assert isinstance(page, Page)
    more = {"has_more": page.has_more} | ({"last_id": page.last_id} if isinstance(asked, ListCharges) else {})
    body, media = reporting.rendered(from_json(page.payload), form, {**about, **more})
    return Response(body, media_type=media, headers={"x-warren-has-more": str(page.has_more).lower()})


async def _where(request: Request) -> dict[str, str]:
    """The filters. A key is named by its id, its alias or itself; one that is deleted still by its id."""
    where = reporting.filters(request.query_params)
    if name := where.get("key"):
        where["key"] = await managing.key_id(request, name)
    return where
