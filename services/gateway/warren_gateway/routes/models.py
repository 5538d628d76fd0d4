"""Which models there are."""

from typing import Any

from fastapi import APIRouter, Request

from warren_gateway.gateway import of

router = APIRouter()


@router.get("/models")
async def list_models(request: Request) -> dict[str, Any]:
    gateway = of(request)
    gateway.keys.account(request)
    return {"object": "list", "data": [_model(name) for name in gateway.config.models()]}


@router.get("/models/{model:path}")
async def retrieve_model(request: Request, model: str) -> dict[str, Any]:
    gateway = of(request)
    gateway.keys.account(request)
    gateway.router.known(model)
    return _model(model)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "warren"}
