"""What the ops page shows of the whole: traffic, queues, processes, deployments and money. For operators."""

from datetime import UTC, datetime, timedelta
from time import time

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic_core import from_json

from warren.bus import LEDGER_ASK
from warren.contracts import Page, ReportSpend
from warren_gateway import overview, queries, reporting
from warren_gateway.fresh import answered
from warren_gateway.gateway import Gateway, of

router = APIRouter(prefix="/ops")

_DAYS = ("1", "7", "30")
_ROWS = 50
_BY: dict[str, tuple[str, ...]] = {
    "days": ("day",),
    "models": ("model",),
    "deployments": ("deployment",),
    "keys": ("account", "key"),
    "users": ("account", "user"),
    "tags": ("tag",),
}


@router.get("/overview")
async def whole(request: Request) -> Response:
    """How it goes at the moment, and how it went in the last `window` seconds."""
    queries.only(request.query_params, {"window"})
    window = int(queries.one_of(request.query_params, "window", tuple(map(str, overview.STEPS))) or 900)
    gateway, now = of(request), time()
    states = await gateway.states()
    told = {
        **overview.traffic(gateway.watch.traffic, now, window),
        "states": states,
        "queues": await _queues(gateway),
        "processes": [overview.process(one) for one in gateway.board.processes(now)],
        "deployments": [overview.deployment(one, gateway.board, now) for one in gateway.config.deployments.values()],
    }
    return answered(request, told)


@router.get("/spend")
async def spend(request: Request) -> Response:
    """What was spent in the last `days`, today included, told apart in several ways."""
    queries.only(request.query_params, {"days"})
    days = int(queries.one_of(request.query_params, "days", _DAYS) or 1)
    last = datetime.now(UTC).date()
    first = last - timedelta(days=days - 1)
    told: reporting.Json = {"first": str(first), "last": str(last)}
    for name, by in _BY.items():
        asked = ReportSpend(by=by, first=str(first), last=str(last), limit=_ROWS)
        page = await of(request).ask_ledger(LEDGER_ASK, asked)
        assert isinstance(page, Page)
        told[name] = {"data": from_json(page.payload), "has_more": page.has_more}
    return answered(request, told)


async def _queues(gateway: Gateway) -> list[reporting.Json]:
    names = gateway.queues
    depths = await gateway.watch.depths(gateway.bus, names)
    return [
        {"name": name, "ready": depth and depth.ready, "consumers": depth and depth.consumers}
        for name, depth in depths.items()
    ]
