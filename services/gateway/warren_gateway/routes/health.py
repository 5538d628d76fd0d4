"""Whether this gateway lives, and whether it may be sent requests. No key is needed."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from warren_gateway.gateway import of

router = APIRouter(prefix="/health")


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
