"""Virtual keys, as LiteLLM's `/key/…`: a key is shown once, when it is made. Only the master key may do this."""

from time import time
from typing import Any

from fastapi import APIRouter, Request

from warren import durations, ids, keys
from warren.contracts import AddParty, ChangeParty, Party
from warren.errors import InvalidRequest
from warren.requests.management import GenerateKey, KeyTerms, OneKey, RegenerateKey, SomeKeys, UpdateKey
from warren_gateway import managing, queries
from warren_gateway.gateway import of

router = APIRouter(prefix="/key")

_NAMES = {"key_alias": "alias", "allowed_routes": "routes"}


@router.post("/generate")
async def generate(request: Request) -> dict[str, Any]:
    """Make a key. Without an account it has one of its own: nobody else sees its responses."""
    wanted = await managing.read(request, GenerateKey)
    secret = wanted.key or keys.new()
    id_ = ids.new("key")
    terms = {"account": id_, **{name: value for name, value in _changes(wanted).items() if value is not None}}
    party = Party(what="key", id=id_, hint=keys.hint(secret), **terms)
    state = await managing.write(request, AddParty(party=party, digest=_digest(request, secret)))
    return {"key": secret, **managing.told(state, "such key")}


@router.get("/info")
async def info(request: Request) -> dict[str, Any]:
    """What is known of a key, which is named by itself, by its id, or by its alias."""
    queries.only(request.query_params, {"key", "key_alias"})
    name, alias = request.query_params.get("key"), request.query_params.get("key_alias")
    if not name and not alias:
        raise InvalidRequest("Missing required parameter: 'key'.", param="key", code="missing_required_parameter")
    names = _names(request, name) if name else (f"alias:{alias}",)
    found = managing.told(await managing.find(request, "key", names), "such key")
    return {"key": found["id"], "info": found}


@router.get("/list")
async def list_keys(request: Request) -> dict[str, Any]:
    query = request.query_params
    queries.only(query, managing.LISTED, {"account"})
    made, more = await managing.listed(request, "key", query.get("account") or None)
    return {"keys": made, "has_more": more}


@router.post("/update")
async def update(request: Request) -> dict[str, Any]:
    """Change what is given; null takes a limit away."""
    wanted = await managing.read(request, UpdateKey)
    changes = _changes(wanted)
    if changes.get("account", "") is None:
        raise InvalidRequest("Invalid 'account': a key belongs to one.", param="account", code="invalid_value")
    return managing.told(await managing.change(request, "key", _names(request, wanted.key), changes), "such key")


@router.post("/regenerate")
async def regenerate(request: Request) -> dict[str, Any]:
    """Give a key another secret; the old one is good no more, or for the `grace_period` only."""
    wanted = await managing.read(request, RegenerateKey)
    secret = wanted.new_key or keys.new()
    changes: dict[str, Any] = {"hint": keys.hint(secret)}
    if wanted.duration is not None:
        changes["expires"] = durations.after(wanted.duration, time())
    command = ChangeParty(
        what="key",
        names=_names(request, wanted.key),
        changes=changes,
        digest=_digest(request, secret),
        overlap=None if wanted.grace_period is None else durations.after(wanted.grace_period, time()),
    )
    return {"key": secret, **managing.told(await managing.write(request, command), "such key")}


@router.post("/block")
async def block(request: Request) -> dict[str, Any]:
    return await _block(request, blocked=True)


@router.post("/unblock")
async def unblock(request: Request) -> dict[str, Any]:
    return await _block(request, blocked=False)


@router.post("/delete")
async def delete(request: Request) -> dict[str, Any]:
    """Delete keys; of those that are not there nothing is said. What they have cost stays known."""
    wanted = await managing.read(request, SomeKeys)
    states = [await managing.remove(request, "key", _names(request, name)) for name in wanted.keys]
    return {"deleted_keys": [state.party.id for state in states if state.party is not None]}


async def _block(request: Request, *, blocked: bool) -> dict[str, Any]:
    wanted = await managing.read(request, OneKey)
    state = await managing.change(request, "key", _names(request, wanted.key), {"blocked": blocked})
    return managing.told(state, "such key")


def _changes(wanted: KeyTerms) -> dict[str, Any]:
    given = managing.changes(wanted, _NAMES, frozenset({"key", "duration"}))
    if "duration" in wanted.model_fields_set:
        given["expires"] = None if wanted.duration is None else durations.after(wanted.duration, time())
    return given


def _names(request: Request, name: str) -> tuple[str, ...]:
    """What a key may be found by: its id or its alias, or, of the key itself, its hashes."""
    if keys.well_formed(name):
        return keys.digests(name, of(request).parties.secrets)
    return (name, f"alias:{name}")


def _digest(request: Request, secret: str) -> str:
    return keys.digest(secret, of(request).parties.secrets[0])
