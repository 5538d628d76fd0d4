"""What the ops page shows of single responses and conversations.

Who has a virtual key sees those of his account. The master key sees of all accounts what is known of them, and what was
said in its own and in those that WARREN_OPS_CONTENT names.
"""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic_core import from_json

import warren
from warren.bus import LEDGER_ASK
from warren.contracts import Fetched, Inspect, ListCharges, ListConversations, Page, Rebuild, Rebuilt
from warren.errors import Forbidden, InvalidRequest, NotFound
from warren_gateway import managing, queries, transcript
from warren_gateway.auth import Caller
from warren_gateway.fresh import answered
from warren_gateway.gateway import Gateway, of

router = APIRouter(prefix="/ops")
Json = dict[str, Any]

_SAME = ("model", "deployment", "provider", "account", "user", "tag", "error")
_TIMES = ("since", "until")
_FILTERS = frozenset({*_SAME, *_TIMES, "key", "status", "search", "after", "limit"})
_MOST = 200


@router.get("/session")
async def session(request: Request) -> Response:
    """Who asks, and what there is to be seen for him."""
    queries.only(request.query_params)
    gateway, caller = of(request), of(request).keys.caller(request)
    operator = caller.key is None
    told: Json = {
        "operator": operator,
        "account": caller.account,
        "key": None if caller.key is None else caller.key.alias or caller.key.hint,
        "readable": sorted({caller.account, *(gateway.readable if operator else ())}),
        "version": warren.__version__,
        "trace_url": gateway.trace_url if operator else None,
    }
    if operator:
        deployments = gateway.config.deployments.values()
        told |= {
            "models": sorted({one.group for one in deployments}),
            "deployments": sorted(one.id for one in deployments),
            "providers": sorted({one.provider for one in deployments}),
        }
    return answered(request, told)


@router.get("/responses")
async def recent(request: Request) -> Response:
    """Responses that have ended, the latest first; of any account for operators."""
    query, caller = request.query_params, of(request).keys.caller(request)
    queries.only(query, _FILTERS)
    where = {name: value for name in _SAME if (value := query.get(name))}
    if status := queries.one_of(query, "status", queries.STATUSES):
        where["status"] = status
    if name := query.get("key"):
        where["key"] = await managing.key_id(request, name)
    if caller.key is not None:
        if where.get("account", caller.account) != caller.account:
            raise Forbidden("This API key may see the responses of its own account only.", param="account")
        where["account"] = caller.account
    page = await _page(request, where)
    return answered(request, page)


@router.get("/responses/{response_id}")
async def one(request: Request, response_id: str) -> Response:
    """All that is known of a response but what was said: its calls, what they took, and what they cost."""
    queries.only(request.query_params)
    gateway, caller = of(request), of(request).keys.caller(request)
    known = await _known(gateway, caller, response_id)
    return answered(request, {**known, "readable": _may_read(gateway, caller, known["account"])})


@router.get("/responses/{response_id}/transcript")
async def said(request: Request, response_id: str) -> Response:
    """What was said up to a response and with it."""
    queries.only(request.query_params)
    gateway, caller = of(request), of(request).keys.caller(request)
    account = (await _known(gateway, caller, response_id))["account"]
    _read(gateway, caller, account)
    return await _transcript(request, Rebuild(account=account, response_id=response_id))


@router.get("/conversations")
async def conversations(request: Request) -> Response:
    """The conversations of an account that may be read, by their ids."""
    query, caller = request.query_params, of(request).keys.caller(request)
    queries.only(query, {"account", "after", "limit"})
    account = query.get("account") or caller.account
    _read(of(request), caller, account)
    asked = ListConversations(account=account, limit=_limit(request), after=query.get("after") or None)
    page = await of(request).ask_ledger(LEDGER_ASK, asked)
    assert isinstance(page, Page)
    return answered(
        request,
        {"data": from_json(page.payload), "account": account, "has_more": page.has_more, "last_id": page.last_id},
    )


@router.get("/conversations/{conversation_id}")
async def conversation(request: Request, conversation_id: str) -> Response:
    """What was said in a conversation of an account that may be read."""
    queries.only(request.query_params, {"account"})
    gateway, caller = of(request), of(request).keys.caller(request)
    account = request.query_params.get("account") or caller.account
    _read(gateway, caller, account)
    if not gateway.owns(account, conversation_id, "conv"):
        raise NotFound(f"Conversation with id '{conversation_id}' not found.")
    return await _transcript(request, Rebuild(account=account, conversation=conversation_id))


def _may_read(gateway: Gateway, caller: Caller, account: str) -> bool:
    """Whether this caller may see what was said in this account."""
    if account == caller.account:
        return True
    return caller.key is None and not gateway.readable.isdisjoint({account, "*"})


def _read(gateway: Gateway, caller: Caller, account: str) -> None:
    if not _may_read(gateway, caller, account):
        raise Forbidden("What was said in this account is not shown here: WARREN_OPS_CONTENT does not name it.")


async def _known(gateway: Gateway, caller: Caller, response_id: str) -> Json:
    """
    Raises:
        NotFound: there is no such response, or it is not the caller's to see.
    """
    account = None if caller.key is None else caller.account
    answer = await gateway.ask_ledger(LEDGER_ASK, Inspect(response_id=response_id, account=account))
    assert isinstance(answer, Fetched)
    if not answer.found:
        raise NotFound(f"Response with id '{response_id}' not found.")
    known: Json = from_json(answer.payload)
    return known


async def _page(request: Request, where: dict[str, str]) -> Json:
    query = request.query_params
    since, until = (_time(request, name) for name in _TIMES)
    page = Page(found=True, payload=b"[]")
    for search in _searches(query.get("search", "").strip()):
        asked = ListCharges(
            where={**where, **search}, since=since, until=until, after=query.get("after") or None, limit=_limit(request)
        )
        answer = await of(request).ask_ledger(LEDGER_ASK, asked)
        assert isinstance(answer, Page)
        page = answer
        if page.last_id is not None:
            break
    rows = [_row(row) for row in from_json(page.payload)]
    return {"data": rows, "has_more": page.has_more, "last_id": page.last_id}


def _searches(text: str) -> list[dict[str, str]]:
    """What may be meant, the likeliest first: an id or how one begins, a request's id, or an end user."""
    if not text:
        return [{}]
    if text.startswith("resp_"):
        return [{"prefix": text}]
    request = [{"request_id": text}]
    if text.startswith("req_"):  # ours is that of the response that was made for it
        request.append({"prefix": f"resp_{text.removeprefix('req_')}"})
    return [*request, {"user": text}]


def _row(line: Json) -> Json:
    """A line of the list: how many calls there were is enough."""
    return {**line, "calls": len(line["calls"])}


def _limit(request: Request) -> int:
    limit = queries.whole(request.query_params, "limit")
    if limit is None:
        return 50
    if not 1 <= limit <= _MOST:
        raise InvalidRequest(f"Invalid 'limit': Expected a value from 1 to {_MOST}.", param="limit")
    return limit


def _time(request: Request, name: str) -> float | None:
    at = queries.whole(request.query_params, name)
    return None if at is None else float(at)


async def _transcript(request: Request, asked: Rebuild) -> Response:
    answer = await of(request).ask_ledger(LEDGER_ASK, asked)
    assert isinstance(answer, Rebuilt)
    if not answer.found:
        raise NotFound("Nothing of what was said is stored.")
    told = await asyncio.to_thread(transcript.read, answer.history)
    return answered(request, {**told, "hole": answer.hole})
