"""Responses: create, retrieve, cancel, delete."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic_core import from_json, to_json

from warren import objects, telemetry
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.contracts import CancelBackground, Delete, Deleted, Fetch, Fetched, Opened, Tail, Tailed
from warren.errors import IdempotencyKeyReused, InvalidRequest, NotFound, WarrenError
from warren.requests import CreateResponse
from warren_gateway import answering, creating, idempotency, measured, queries
from warren_gateway.admitting import admit, permit
from warren_gateway.creating import Prepared, launch, prepare, read_body, reading, start
from warren_gateway.gateway import REQUEST_ID, RESPONSE, Gateway, of
from warren_gateway.orders import order
from warren_gateway.tail import Piece, follow, obfuscated

router = APIRouter()

_STREAMING = frozenset({"stream", "starting_after", "include_obfuscation"})
_REPLAYED = {"idempotent-replayed": "true"}


@router.post("/responses")
async def create(request: Request) -> Response:
    """Create a response, as JSON or, with `stream: true`, as server-sent events."""
    gateway = of(request)
    account = gateway.keys.account(request)
    key = idempotency.key(request)
    body = await read_body(request)
    made = await reading(partial(order, headers=request.headers), body)
    wanted = made.wanted
    mode: measured.Mode = "background" if wanted.background else "stream" if wanted.stream else "json"
    asked = measured.asked(request.scope, gateway.config, wanted.model, mode)
    permit(gateway, request, wanted.model, made.knobs)
    called = request.headers.get("x-request-id", "")
    called = called if REQUEST_ID.fullmatch(called) else ""
    prepared = await prepare(gateway, account, made, keyed=key is not None, request_id=called)
    standing = None
    try:
        prepared = await admit(gateway, request, wanted, prepared)
    except WarrenError as refusal:
        if key is not None and refusal.status < 500:
            # What its key stands for was paid for when it was asked first, maybe with all that there was.
            standing = await _standing(gateway, prepared, key)
        if standing is None:
            raise
    asked.provider = prepared.provider
    request.scope[RESPONSE] = prepared.job.response_id
    if prepared.job.detached:
        return await _detached(request, gateway, wanted, prepared, key, asked, standing)
    telemetry.say(model=wanted.model, previous_response_id=wanted.previous_response_id)
    flight = await launch(gateway, prepared)
    asked.posted(flight)
    if prepared.job.stream:
        return await answering.stream(request, gateway.dispatch, flight, wanted.model)
    return await answering.whole(request, gateway.dispatch, flight, wanted.model)


async def _detached(
    request: Request,
    gateway: Gateway,
    wanted: CreateResponse,
    prepared: Prepared,
    key: str | None,
    asked: measured.Asked,
    standing: Opened | None,
) -> Response:
    """Start what runs whoever listens, unless the same key stands for something already, and show it."""
    job = prepared.job
    background = bool(wanted.background)
    telemetry.say(
        model=wanted.model,
        previous_response_id=wanted.previous_response_id,
        response_id=job.response_id,
        account=job.account,
        stream=job.stream,
        background=background,
    )
    if standing is None:
        fingerprint = None if key is None else await reading(idempotency.fingerprint, job.request)
        opened = await start(gateway, prepared, background=background, key=key, fingerprint=fingerprint)
    else:
        opened = standing
    if opened.verdict == "other":
        raise IdempotencyKeyReused("This Idempotency-Key was used for another request.", param="Idempotency-Key")
    asked.posted()
    known = opened.verdict == "known"
    more = _REPLAYED if known else {}
    if background and not job.stream:
        queued = await _fetched(gateway, job.account, opened.response_id) if known else await _queued(prepared)
        said = answering.headers(None, wanted.model) | more
        return Response(queued, 200, said, media_type="application/json")
    pieces = follow(gateway.bus, gateway.logs, opened.response_id, job.account)
    if background:
        return answering.Following(pieces, answering.headers(None, wanted.model) | more)
    return await answering.followed(request, pieces, wanted.model, more, streams=job.stream)


async def _standing(gateway: Gateway, prepared: Prepared, key: str) -> Opened | None:
    return await creating.standing(gateway, prepared, key, await reading(idempotency.fingerprint, prepared.job.request))


async def _queued(prepared: Prepared) -> bytes:
    """What is shown of a response that nobody has begun."""
    job = prepared.job
    asked = await reading(from_json, job.request)
    blank = objects.blank(asked, response_id=job.response_id, created_at=job.created_at)
    return to_json(blank | {"status": "queued"}, inf_nan_mode="null")


@router.get("/responses/{response_id}")
async def retrieve(request: Request, response_id: str) -> Response:
    """The response as it was shown when it ended; one that runs in the background, as it stands, or its stream."""
    gateway = of(request)
    account = gateway.keys.account(request)
    query = request.query_params
    queries.only(query, queries.INCLUDED, _STREAMING)
    queries.include(query)
    stream = _flag(query.get("stream"), "stream")
    after = queries.whole(query, "starting_after")
    obfuscation = _flag(query.get("include_obfuscation"), "include_obfuscation")
    if after is not None and not stream:
        raise InvalidRequest(
            "'starting_after' is only allowed with 'stream=true'.", param="starting_after", code="invalid_value"
        )
    if after is not None and after < 0:
        raise InvalidRequest(
            "Invalid 'starting_after': Expected a value >= 0.", param="starting_after", code="integer_below_min_value"
        )
    if not gateway.owns(account, response_id, "resp"):
        raise _unknown(response_id)
    if not stream:
        return Response(await _fetched(gateway, account, response_id), media_type="application/json")
    pieces = await _log(gateway, account, response_id, -1 if after is None else after)
    return answering.Following(pieces if obfuscation is None else obfuscated(pieces, wanted=obfuscation), {})


@router.post("/responses/{response_id}/cancel")
async def cancel(request: Request, response_id: str) -> Response:
    """End a background response; one that has ended already stays as it is."""
    gateway = of(request)
    account = gateway.keys.account(request)
    if not gateway.owns(account, response_id, "resp"):
        raise _unknown(response_id)
    answer = await gateway.ask_ledger(LEDGER_WRITE, CancelBackground(response_id=response_id, account=account))
    assert isinstance(answer, Fetched)
    if not answer.found:
        raise _unknown(response_id)
    return Response(answer.payload, media_type="application/json")


@router.delete("/responses/{response_id}")
async def delete(request: Request, response_id: str) -> dict[str, Any]:
    """Delete a response: its content is gone, also for conversations that it is a part of."""
    gateway = of(request)
    account = gateway.keys.account(request)
    if not gateway.owns(account, response_id, "resp"):
        raise _unknown(response_id)
    answer = await gateway.ask_ledger(LEDGER_WRITE, Delete(response_id=response_id, account=account))
    assert isinstance(answer, Deleted)
    if not answer.found:
        raise _unknown(response_id)
    return {"id": response_id, "object": "response", "deleted": True}


async def _fetched(gateway: Gateway, account: str, response_id: str) -> bytes:
    answer = await gateway.ask_ledger(LEDGER_ASK, Fetch(response_id=response_id, account=account))
    assert isinstance(answer, Fetched)
    if not answer.found:
        raise _unknown(response_id)
    return answer.payload


async def _log(gateway: Gateway, account: str, response_id: str, after: int) -> AsyncGenerator[Piece]:
    """What this response's log holds behind this event, if it is one that can be followed."""
    question = Tail(response_id=response_id, account=account, after=max(-1, after - 1))  # this one may be the last
    tailed = await gateway.ask_ledger(LEDGER_ASK, question)
    assert isinstance(tailed, Tailed)
    if not tailed.found:
        await _fetched(gateway, account, response_id)  # it may have run in the foreground
    for name, given in (("background", tailed.background), ("stream", tailed.stream)):
        if not given:
            raise InvalidRequest(
                f"This response cannot be streamed because it was not created with {name}=true.", param="stream"
            )
    return follow(gateway.bus, gateway.logs, response_id, account, after=after, first=tailed)


def _flag(text: str | None, name: str) -> bool | None:
    """OpenAI takes the two literals only."""
    match text:
        case None:
            return None
        case "true" | "false":
            return text == "true"
    raise InvalidRequest(
        f"Invalid value: '{text[:200]}'. Supported values are: 'true' and 'false'.", param=name, code="invalid_value"
    )


def _unknown(response_id: str) -> NotFound:
    return NotFound(f"Response with id '{response_id}' not found.")
