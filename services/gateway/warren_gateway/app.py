"""The HTTP application: its routes, and how every failure looks."""

from collections.abc import Awaitable, Callable, MutableMapping
from secrets import token_hex
from time import monotonic
from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import warren
from warren.errors import Cancelled, DeadlineExceeded, Interrupted, NotFound, WarrenError
from warren_gateway import measured, openapi
from warren_gateway.auth import authenticated, mastered, operating
from warren_gateway.gateway import REQUEST_ID, RESPONSE, Gateway
from warren_gateway.routes import (
    asks,
    conversations,
    export,
    health,
    items,
    keys,
    lists,
    models,
    ops,
    page,
    recent,
    responses,
    spend,
    spenders,
    websocket,
)

log = structlog.get_logger("warren.gateway")

PREFIXES = ("/v1", "", "/openai/v1")
"""Where clients of OpenAI, LiteLLM and Azure look for the API."""
ROUTERS = (responses, asks, lists, conversations, items, models)
MANAGEMENT = (keys, spenders, spend, export)
"""Served at the root only, as LiteLLM does; every one of their routes needs the master key."""
LITELLM = {
    b"x-request-id": b"x-litellm-call-id",
    b"x-warren-deployment": b"x-litellm-model-id",
    b"x-warren-retries": b"x-litellm-attempted-retries",
    b"x-warren-fallbacks": b"x-litellm-attempted-fallbacks",
    b"x-warren-response-cost": b"x-litellm-response-cost",
    b"x-warren-key-spend": b"x-litellm-key-spend",
}
"""What LiteLLM calls our headers, for those who switch that on. It tells the address of who answers, too."""
_SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}
"""FastAPI would make spans of its own beside ours, and put queries and the words of exceptions into them."""


def build(gateway: Gateway) -> FastAPI:
    app = FastAPI(title="Warren", version=warren.__version__, docs_url=None, redoc_url=None, telemetry=_SILENT)
    app.state.gateway = gateway
    app.openapi = lambda: openapi.document(gateway.config.models())  # type: ignore[method-assign]
    for prefix in PREFIXES:
        for module in ROUTERS:
            app.include_router(module.router, prefix=prefix, dependencies=[Depends(authenticated)])
        app.include_router(websocket.router, prefix=prefix)  # it asks for a key itself
    for module in MANAGEMENT:
        app.include_router(module.router, dependencies=[Depends(mastered)], include_in_schema=False)
    app.include_router(ops.router, dependencies=[Depends(operating)], include_in_schema=False)
    app.include_router(recent.router, dependencies=[Depends(authenticated)], include_in_schema=False)
    app.include_router(page.router, include_in_schema=False)  # it holds no data, and asks for a key itself
    app.include_router(health.router)
    app.add_exception_handler(WarrenError, _failed)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_middleware(_Stamp)
    return app


def failure(error: WarrenError) -> Response:
    headers = {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after)))}
    return Response(to_json(error.body()), error.status, headers, media_type="application/json")


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, WarrenError)
    if not isinstance(error, Interrupted | DeadlineExceeded):  # which the ledger counts
        gateway: Gateway = request.app.state.gateway
        gateway.watch.refused(error)
    measured.failed(request.scope, error)
    return failure(error)


def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"Invalid URL ({request.method} {request.scope['path']})"
    missing = NotFound(message, status=error.status_code if error.status_code in (404, 405) else 404)
    measured.failed(request.scope, missing)
    answer = failure(missing)
    answer.headers.update(error.headers or {})  # what may be done instead
    return answer


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Stamp:
    """Names every answer, times it, and is the last to see an exception: a bug is logged once and told to nobody."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = monotonic()
        begun = False
        http = measured.Http(scope)
        given = _given_id(scope)
        request_id = given or b"req_" + token_hex(16).encode()

        async def stamped(message: MutableMapping[str, Any]) -> None:
            nonlocal begun, request_id
            if message["type"] == "http.response.start":
                begun = True
                http.status = message["status"]
                if (made := scope.get(RESPONSE)) and not given:
                    request_id = b"req_" + made.partition("_")[2].encode()  # who has the one finds the other
                took = f"{(monotonic() - started) * 1000:.0f}".encode()
                message["headers"] += [(b"x-request-id", request_id), (b"openai-processing-ms", took)]
                if scope["app"].state.gateway.config.rules.litellm_headers:
                    message["headers"] += [(LITELLM[n], value) for n, value in message["headers"] if n in LITELLM]
            await send(message)

        try:
            await self._app(scope, receive, stamped)
        except ClientDisconnect:  # in the middle of its request; there is nobody to answer
            measured.failed(scope, Cancelled("The client is gone."))
        except Exception as error:
            measured.failed(scope, error)
            log.exception("request failed", request_id=request_id.decode())
            if begun:
                raise
            await failure(WarrenError("The server had an error while processing your request."))(
                scope, receive, stamped
            )
        finally:
            gateway: Gateway = scope["app"].state.gateway
            gateway.room.release(scope)
            http.over(gateway.config)


def _given_id(scope: Scope) -> bytes:
    """What the client calls this request, if it calls it anything that may be repeated."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value.decode("latin-1")):
            return bytes(value)
    return b""
