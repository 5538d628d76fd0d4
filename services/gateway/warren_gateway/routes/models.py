"""Which models there are."""

from typing import Any

from fastapi import APIRouter, Request

from warren import scopes
from warren.errors import ModelNotFound
from warren_gateway.gateway import Gateway, of

router = APIRouter()


@router.get("/models")
async def list_models(request: Request) -> dict[str, Any]:
    gateway = of(request)
    return {"object": "list", "data": [_model(name) for name in _allowed(gateway, request, gateway.config.models())]}


@router.get("/models/{model:path}")
async def retrieve_model(request: Request, model: str) -> dict[str, Any]:
    gateway = of(request)
    gateway.router.known(model)
    if not _allowed(gateway, request, [model]):
        raise ModelNotFound(f"The model '{model}' does not exist or you do not have access to it.", param="model")
    return _model(model)


def _allowed(gateway: Gateway, request: Request, models: list[str]) -> list[str]:
    """Those that the caller's key is for."""
    key = gateway.keys.caller(request).key
    return models if key is None else [name for name in models if scopes.allows_model(key.models, name)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "warren"}
