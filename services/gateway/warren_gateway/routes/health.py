"""Whether this gateway lives, and whether it may be sent requests: without a key. How deployments do: with one."""

from time import time
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from warren.deployments import Deployment
from warren.routing.board import Board
from warren_gateway.auth import operating
from warren_gateway.gateway import of

Json = dict[str, Any]

router = APIRouter(prefix="/health")


@router.get("", dependencies=[Depends(operating)])
async def deployments(request: Request) -> Json:
    """What background checks found, as LiteLLM tells it, and who is left alone at the moment. Nothing is asked for it.

    What was not checked counts as healthy unless it is left alone.
    """
    gateway = of(request)
    now, board = time(), gateway.board
    told = [_told(one, board, now) for one in gateway.config.deployments.values()]
    well = [one for one in told if one["healthy"]]
    ill = [one for one in told if not one["healthy"]]
    return {
        "healthy_endpoints": well,
        "unhealthy_endpoints": ill,
        "healthy_count": len(well),
        "unhealthy_count": len(ill),
    }


def _told(one: Deployment, board: Board, now: float) -> Json:
    check, cooling = board.check(one.id), board.cooling(one.id, now)
    return {
        "model": f"{one.provider}/{one.model}",
        "model_name": one.group,
        "model_id": one.id,
        "healthy": not cooling and (check is None or check.up),
        "checked_at": None if check is None else int(check.at),
        "seconds": None if check is None else round(check.seconds, 3),
        "error": None if check is None else check.code,
        "cooldown": round(cooling, 1),
        "cooldown_error": board.why(one.id) if cooling else None,
    }


@router.get("/liveliness")
@router.get("/liveness", include_in_schema=False)
async def live() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readiness")
async def ready(request: Request) -> JSONResponse:
    """200 while requests can be taken. A ledger or store that is down degrades the service, it does not end it."""
    gateway = of(request)
    states = await gateway.states()
    if gateway.draining or states["bus"] != "up":
        return JSONResponse({"status": "draining" if gateway.draining else "unavailable", **states}, 503)
    well = states["ledger"] == states["store"] == "up"
    return JSONResponse({"status": "healthy" if well else "degraded", **states})
