"""Questions about a request that make no response: how many tokens it has, and the same said in fewer."""

from time import time
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from warren import blobs, ids, requests
from warren.bus import RESUME, Bus, jobs
from warren.contracts import Ask, Cancel, Fetched, Knobs, Payer
from warren.errors import InvalidRequest, LedgerUnavailable, Overloaded, RequestTooLarge
from warren.requests import Compact, CountTokens
from warren_gateway import creating, queries
from warren_gateway.admitting import Asked, pay, permit
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
    return await _ask(request, "input_tokens", account, wanted, wanted.model, body, conversation)


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
    return await _ask(request, "compact", account, wanted, wanted.model, body)


async def _ask(
    request: Request,
    what: What,
    account: str,
    wanted: CountTokens | Compact,
    model: str,
    body: bytes,
    conversation: str | None = None,
) -> Response:
    """Bring the question to a worker of a deployment of this model, and its answer back.

    A client that leaves takes its question with it.
    """
    gateway = of(request)
    permit(gateway, request, model)
    way = await creating.planned(gateway, account, model, wanted.previous_response_id, _ALONE)
    now, id_, payer, plan = time(), ids.new("cmpr"), Payer(), way.plan
    if what == "compact":  # counting is free
        wish = Asked(id_, plan, now + gateway.request_timeout, len(body))
        paid = await pay(gateway, request, wanted, wish)
        payer, plan = paid.payer, paid.plan
    provider = way.provider if plan[0] == way.plan[0] else gateway.config.deployments[plan[0]].provider
    asked = Ask(
        what=what,
        response_id=id_,
        account=account,
        plan=plan,
        payer=payer,
        created_at=now,
        deadline=now + gateway.request_timeout,
        held=way.held,
        conversation=conversation,
        payload=body,
    )
    try:
        asked = await _light(gateway.bus, asked)
        calling = gateway.bus.call(jobs(provider), asked, timeout=gateway.request_timeout)
        answer = await unless_gone(request.receive, calling)
    except (LedgerUnavailable, Overloaded, RequestTooLarge):  # nobody has it
        await gateway.dispatch.unreserve(id_, payer)
        raise
    if answer is None:
        await gateway.bus.tell(RESUME, Cancel(response_id=asked.response_id))
        return Response(status_code=GONE)
    assert isinstance(answer, Fetched)
    return Response(answer.payload, media_type="application/json")


async def _light(bus: Bus, asked: Ask) -> Ask:
    """The question as it travels, a large body left with the ledger."""
    if len(asked.payload) <= blobs.INLINE:
        return asked
    until = asked.deadline + _KEPT
    blob = await blobs.deposit(bus, asked.response_id, asked.account, "request", asked.payload, until=until)
    return asked.model_copy(update={"blob": blob, "payload": b""})


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
