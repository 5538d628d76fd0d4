"""Questions about a request that make no response: how many tokens it has, and the same said in fewer."""

from time import time
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from warren import blobs, ids, requests
from warren.bus import RESUME, jobs
from warren.contracts import Ask, Cancel, Fetched, Knobs
from warren.errors import InvalidRequest
from warren_gateway import creating, queries
from warren_gateway.answering import GONE, unless_gone
from warren_gateway.gateway import of
from warren_gateway.routes.conversations import owned

router = APIRouter(prefix="/responses")

_KEPT = 30.0
"""Seconds after its deadline that a large question is kept."""
_ALONE = Knobs(disable_fallbacks=True)
"""Another model would count otherwise."""
What = Literal["input_tokens", "compact"]


@router.post("/input_tokens")
async def count_input_tokens(request: Request) -> Response:
    """How many tokens a request would have."""
    gateway = of(request)
    account = gateway.keys.account(request)
    queries.only(request.query_params)
    body = await creating.read_body(request)
    wanted = await creating.reading(requests.count, body)
    conversation = wanted.conversation_id
    if wanted.model is None:
        raise _missing("model")
    if not wanted.input and wanted.previous_response_id is None and conversation is None:
        raise _missing("input")
    if conversation is not None:
        owned(gateway, account, conversation)
    return await _ask(request, "input_tokens", account, wanted.model, body, wanted.previous_response_id, conversation)


@router.post("/compact")
async def compact_response(request: Request) -> Response:
    """The conversation so far in fewer tokens: send the output back as input."""
    gateway = of(request)
    account = gateway.keys.account(request)
    queries.only(request.query_params)
    body = await creating.read_body(request)
    wanted = await creating.reading(requests.compact, body)
    if not wanted.input and wanted.previous_response_id is None:
        raise _missing("input")
    return await _ask(request, "compact", account, wanted.model, body, wanted.previous_response_id)


async def _ask(
    request: Request,
    what: What,
    account: str,
    model: str,
    body: bytes,
    previous: str | None,
    conversation: str | None = None,
) -> Response:
    """Bring the question to a worker of a deployment of this model, and its answer back.

    A client that leaves takes its question with it.
    """
    gateway = of(request)
    way = await creating.planned(gateway, account, model, previous, _ALONE)
    now = time()
    asked = Ask(
        what=what,
        response_id=ids.new("cmpr"),
        account=account,
        plan=way.plan,
        created_at=now,
        deadline=now + gateway.request_timeout,
        held=way.held,
        conversation=conversation,
        payload=body,
    )
    if len(body) > blobs.INLINE:
        until = asked.deadline + _KEPT
        blob = await blobs.deposit(gateway.bus, asked.response_id, account, "request", body, until=until)
        asked = asked.model_copy(update={"blob": blob, "payload": b""})
    calling = gateway.bus.call(jobs(way.provider), asked, timeout=gateway.request_timeout)
    answer = await unless_gone(request.receive, calling)
    if answer is None:
        await gateway.bus.tell(RESUME, Cancel(response_id=asked.response_id))
        return Response(status_code=GONE)
    assert isinstance(answer, Fetched)
    return Response(answer.payload, media_type="application/json")


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
