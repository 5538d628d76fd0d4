"""What the routes that manage keys, end users and accounts have in common."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import Request
from pydantic_core import from_json

from warren import keys, requests
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.contracts import (
    ChangeParty,
    FindParty,
    ListParties,
    Message,
    Page,
    Party,
    PartyKind,
    PartyState,
    RemoveParty,
)
from warren.errors import InvalidRequest, NotFound
from warren.requests.management import Managed
from warren_gateway import queries
from warren_gateway.creating import read_body
from warren_gateway.gateway import of

AnyBody = TypeVar("AnyBody", bound=Managed)
Json = dict[str, Any]

LISTED = frozenset({"limit", "size", "after"})
_MOST = 1000
_EMPTY: Json = {"models": (), "allowed_routes": (), "tags": (), "metadata": {}, "blocked": False}


async def read(request: Request, kind: type[AnyBody]) -> AnyBody:
    """The body of a request.

    Raises:
        InvalidRequest: it is not what it must be, by the name of the field.
    """
    queries.only(request.query_params)
    return requests.managed(kind, await read_body(request))


async def write(request: Request, command: Message) -> PartyState:
    answer = await of(request).ask_ledger(LEDGER_WRITE, command)
    assert isinstance(answer, PartyState)
    return answer


async def find(request: Request, what: PartyKind, names: tuple[str, ...]) -> PartyState:
    answer = await of(request).ask_ledger(LEDGER_ASK, FindParty(what=what, names=names))
    assert isinstance(answer, PartyState)
    return answer


async def key_id(request: Request, name: str) -> str:
    """The id of a key that is named by its id, its alias or itself; of one that is not there, what was given.

    Raises:
        NotFound: this is a key, and none of ours.
    """
    names = keys.digests(name, of(request).parties.secrets) if keys.well_formed(name) else (name, f"alias:{name}")
    party = (await find(request, "key", names)).party
    if party is not None:
        return party.id
    if keys.well_formed(name):
        raise NotFound("There is no such key.")
    return name


async def change(
    request: Request, what: PartyKind, names: tuple[str, ...], changed: Json, *, make: bool = False
) -> PartyState:
    return await write(request, ChangeParty(what=what, names=names, changes=changed, make=make))


async def remove(request: Request, what: PartyKind, names: tuple[str, ...]) -> PartyState:
    return await write(request, RemoveParty(what=what, names=names))


async def listed(request: Request, what: PartyKind, account: str | None = None) -> tuple[list[Json], bool]:
    """A page, and whether there are more."""
    query = request.query_params
    limit = queries.whole(query, "limit") or queries.whole(query, "size") or 100
    if not 1 <= limit <= _MOST:
        raise InvalidRequest(f"Invalid 'limit': Expected a value from 1 to {_MOST}.", param="limit")
    question = ListParties(what=what, account=account, limit=limit, after=query.get("after") or None)
    page = await of(request).ask_ledger(LEDGER_ASK, question)
    assert isinstance(page, Page)
    return [shown(Party.model_validate(one)) for one in from_json(page.payload)], page.has_more


def changes(wanted: Managed, names: Mapping[str, str], without: frozenset[str]) -> Json:
    """What a body gives, by the names that a party has for it; null takes away what was."""
    given = wanted.model_dump(exclude_unset=True, exclude=set(without))
    return {names.get(name, name): _EMPTY.get(name) if value is None else value for name, value in given.items()}


def told(state: PartyState, name: str) -> Json:
    """
    Raises:
        NotFound: it is not there.
    """
    if state.party is None:
        raise NotFound(f"There is no {name}.")
    return shown(state.party, state)


def shown(party: Party, state: PartyState | None = None) -> Json:
    """A party in LiteLLM's words. What it has spent is told of what has a budget."""
    budget = {
        "max_budget": _number(party.max_budget),
        "budget_duration": party.budget_duration,
        "spend": None if state is None else _number(state.spent),
        "total_spend": None if state is None else _number(state.total),
        "reserved": None if state is None else _number(state.reserved),
        "budget_reset_at": None if state is None else _time(state.resets_at),
    }
    common = {"blocked": party.blocked, "metadata": party.metadata, **budget,
              "created_at": _time(party.created_at), "updated_at": _time(party.updated_at)}  # fmt: skip
    match party.what:
        case "end_user":
            return {"user_id": party.id, "alias": party.alias, **common}
        case "account":
            return {"account": party.id, "alias": party.alias, **common}
    return {
        "id": party.id,
        "key_name": party.hint,
        "key_alias": party.alias,
        "account": party.account,
        "models": list(party.models),
        "allowed_routes": list(party.routes),
        "rpm_limit": party.rpm_limit,
        "tpm_limit": party.tpm_limit,
        "max_parallel_requests": party.max_parallel_requests,
        "tags": list(party.tags),
        "expires": _time(party.expires),
        "old_key_expires": _time(max(party.retiring.values(), default=None)),
        **common,
    }


def _number(amount: Any) -> float | None:
    """Money for display."""
    return None if amount is None else float(amount)


def _time(at: float | None) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
