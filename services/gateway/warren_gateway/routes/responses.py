"""Responses: create, retrieve, delete."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from random import random
from time import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from opentelemetry.trace import SpanKind

from warren import responses, routing, telemetry
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.contracts import Delete, Deleted, Fetch, Fetched, Head, Job, Locate, Located
from warren.errors import (
    InvalidRequest,
    ModelNotFound,
    NotFound,
    PreviousNotFound,
    RequestTooLarge,
)
from warren_gateway.dispatch import Dispatch
from warren_gateway.flight import Flight
from warren_gateway.gateway import Gateway, of

router = APIRouter()

INLINE = 8 * 1024 * 1024
LARGEST = 32 * 1024 * 1024


@router.post("/responses")
async def create(request: Request) -> Response:
    """Create a response, as JSON or, with `stream: true`, as server-sent events."""
    gateway = of(request)
    account = gateway.keys.account(request)
    body = await _body(request)
    wanted = responses.parse(body)
    _check(wanted)
    group = gateway.config.group(wanted.model)
    if not group:
        raise ModelNotFound(
            f"The model '{wanted.model}' does not exist or you do not have access to it.", param="model"
        )
    held = None
    if wanted.previous_response_id is not None:
        held = (await _locate(gateway, account, wanted.previous_response_id)).held
    plan = routing.plan(
        group,
        chances=[1 - random() for _ in group],
        holder=held.deployment if held is not None else None,
    )
    now = time()
    job = Job(
        response_id=gateway.signer.new("resp", account),
        account=account,
        plan=tuple(plan),
        reply_to=gateway.bus.address,
        stream=bool(wanted.stream),
        created_at=now,
        deadline=now + gateway.request_timeout,
        held=held,
        payload=body,
    )
    with telemetry.span("POST /v1/responses", SpanKind.SERVER, response_id=job.response_id):
        flight = gateway.dispatch.launch(job, gateway.config.deployments[plan[0]].provider)
    if job.stream:
        return await _stream(request, gateway.dispatch, flight, wanted.model)
    return await _whole(request, gateway.dispatch, flight, wanted.model)


@router.get("/responses/{response_id}")
async def retrieve(request: Request, response_id: str) -> Response:
    """The response as it was shown when it ended."""
    gateway = of(request)
    account = gateway.keys.account(request)
    if request.query_params.get("stream", "false") != "false":
        raise InvalidRequest(
            "This response cannot be streamed because it was not created with background=true.", param="stream"
        )
    if not gateway.signer.owns(account, response_id):
        raise _unknown(response_id)
    answer = await gateway.ask_ledger(LEDGER_ASK, Fetch(response_id=response_id, account=account))
    assert isinstance(answer, Fetched)
    if not answer.found:
        raise _unknown(response_id)
    return Response(answer.payload, media_type="application/json")


@router.delete("/responses/{response_id}")
async def delete(request: Request, response_id: str) -> dict[str, Any]:
    """Delete a response: its content is gone, also for conversations that it is a part of."""
    gateway = of(request)
    account = gateway.keys.account(request)
    if not gateway.signer.owns(account, response_id):
        raise _unknown(response_id)
    answer = await gateway.ask_ledger(LEDGER_WRITE, Delete(response_id=response_id, account=account))
    assert isinstance(answer, Deleted)
    if not answer.found:
        raise _unknown(response_id)
    return {"id": response_id, "object": "response", "deleted": True}


async def _body(request: Request) -> bytes:
    """The body, if it is small enough. It is not read any further than it may be long."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdigit() else 0
    pieces: list[bytes] = []
    if size <= INLINE:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if size > INLINE:
                break
            pieces.append(piece)
    if size > LARGEST:
        raise RequestTooLarge("The body of a request may have 32 MB at the most.")
    if size > INLINE:
        raise RequestTooLarge("The body of a request may have 8 MB at the most in this version of Warren.")
    return b"".join(pieces)


def _check(wanted: responses.CreateResponse) -> None:
    """What the types cannot say."""
    if wanted.input in ("", []) and wanted.previous_response_id is None:
        raise InvalidRequest("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    if wanted.background:
        raise _not_served("background", "background responses")
    if (wanted.model_extra or {}).get("conversation") is not None:
        raise _not_served("conversation", "conversations")
    if wanted.stream_options is not None and not wanted.stream:
        raise InvalidRequest(
            "'stream_options' is only allowed with 'stream: true'.", param="stream_options", code="invalid_value"
        )


def _not_served(param: str, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"Unsupported parameter: '{param}': this version of Warren does not serve {what}.",
        param=param,
        code="unsupported_parameter",
    )


async def _locate(gateway: Gateway, account: str, previous: str) -> Located:
    if not gateway.signer.owns(account, previous):
        raise PreviousNotFound.of(previous)
    answer = await gateway.ask_ledger(LEDGER_ASK, Locate(response_id=previous, account=account))
    assert isinstance(answer, Located)
    if not answer.found:
        raise PreviousNotFound.of(previous)
    return answer


def _unknown(response_id: str) -> NotFound:
    return NotFound(f"Response with id '{response_id}' not found.")


async def _whole(request: Request, dispatch: Dispatch, flight: Flight, model: str) -> Response:
    """The JSON answer; a client that leaves before it comes takes its request with it."""
    gone = asyncio.create_task(_gone(request.receive, flight))
    try:
        head = await flight.begun()
        body = await flight.whole()
    finally:
        gone.cancel()
        dispatch.leave(flight)
    if head is None and not body:
        return Response(status_code=499)
    headers = _headers(head, model)
    return Response(
        body, head.status if head is not None and head.status else 200, headers, media_type="application/json"
    )


async def _stream(request: Request, dispatch: Dispatch, flight: Flight, model: str) -> Response:
    """The event stream, once it is sure that there will be one; a refusal before that is a plain error."""
    gone = asyncio.create_task(_gone(request.receive, flight))
    try:
        head = await flight.begun()
    except BaseException:
        gone.cancel()
        dispatch.leave(flight)
        raise
    if (head is None and not flight.ended) or (head is not None and head.status not in (None, 200)):
        gone.cancel()
        try:
            body = await flight.whole()
        finally:
            dispatch.leave(flight)
        status = head.status if head is not None and head.status else 499
        return Response(body, status, _headers(head, model), media_type="application/json")
    return _EventStream(dispatch, flight, gone, _headers(head, model))


def _headers(head: Head | None, model: str) -> dict[str, str]:
    headers = {"x-warren-model": model.encode("ascii", "replace").decode()}
    if head is not None:
        headers |= head.headers
        headers["x-warren-attempt"] = str(head.tries)
        if head.deployment is not None:
            headers["x-warren-deployment"] = head.deployment.encode("ascii", "replace").decode()
    return headers


async def _gone(receive: Callable[[], Awaitable[MutableMapping[str, Any]]], flight: Flight) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    flight.abandon()


class _EventStream(Response):
    """Writes what comes as it comes: whole events, several at a time if they came together."""

    def __init__(self, dispatch: Dispatch, flight: Flight, gone: "asyncio.Task[None]", headers: dict[str, str]) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(
            {"cache-control": "no-cache", "x-accel-buffering": "no", "content-type": "text/event-stream; charset=utf-8"}
            | headers
        )
        self._dispatch = dispatch
        self._flight = flight
        self._gone = gone

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while (data := await self._flight.read()) is not None:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            if not self._flight.abandoned:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._gone.cancel()
            self._dispatch.leave(self._flight)
