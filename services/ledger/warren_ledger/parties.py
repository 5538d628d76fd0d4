"""Parties: the keys, end users and accounts that there are. Whoever remembers one is told when it changes."""

import time
from collections.abc import Sequence
from decimal import Decimal

from pydantic import ValidationError
from pydantic_core import to_json

from warren.bus import PARTIES, Bus
from warren.contracts import (
    AddParty,
    ChangeParty,
    FindParty,
    Identified,
    Identify,
    ListParties,
    Message,
    Page,
    Party,
    PartyKind,
    PartyState,
    RemoveParty,
    Reserve,
    Revoked,
)
from warren.errors import InvalidRequest
from warren_ledger.budgets import Budgets
from warren_ledger.store import Store
from warren_ledger.store.charges import Question
from warren_ledger.store.entries import Entry, Shelf
from warren_ledger.tallies import day, periods

_SHELVES: dict[PartyKind, Shelf] = {"key": "virtual_keys", "end_user": "end_users", "account": "accounts"}
_SUMS: dict[PartyKind, tuple[str, str]] = {
    "key": ("keys", "key"), "end_user": ("users", "end_user"), "account": ("users", "account"),
}  # fmt: skip
_BEGINNING = "2025-01-01"
"""Nothing was spent before."""
_DAY = 86_400
_TRIES = 20


class Parties:
    """Handlers for what is asked and said about parties. Nothing waits for a store that is away: whoever manages keys
    hears of it, and tries again.
    """

    def __init__(self, bus: Bus, store: Store, budgets: Budgets) -> None:
        self._bus = bus
        self._entries = store.entries
        self._charges = store.charges
        self._budgets = budgets

    async def answer(self, message: Message) -> Message:
        match message:
            case Identify(digests=digests):
                return await self._identify(digests)
            case FindParty(what=what, names=names):
                state = await self._state(what, await self._find(what, names))
                return (
                    state if state.party is None else state.model_copy(update={"total": await self._total(state.party)})
                )
            case ListParties():
                return await self._list(message)
            case Reserve():
                return await self._budgets.reserve(message)
        raise InvalidRequest(f"The ledger does not answer a {message.kind}.")

    async def write(self, message: Message) -> Message:
        match message:
            case AddParty(party=party, digest=digest):
                return await self._add(party, digest)
            case ChangeParty():
                return await self._change(message)
            case RemoveParty(what=what, names=names):
                return await self._remove(what, names)
        raise InvalidRequest(f"The ledger does not write a {message.kind}.")

    async def _identify(self, digests: Sequence[str]) -> Identified:
        entry = await self._find("key", digests)
        if entry is None:
            return Identified(any=await self._entries.any("virtual_keys"))
        key = _as_named(_party(entry), digests)
        account = await self._entries.find("accounts", key.account)
        return Identified(key=key, account=None if account is None else _party(account))

    async def _find(self, what: PartyKind, names: Sequence[str]) -> Entry | None:
        if what == "key":
            return await self._entries.named("virtual_keys", names)
        return await self._entries.find(_SHELVES[what], names[0])

    async def _state(self, what: PartyKind, entry: Entry | None) -> PartyState:
        if entry is None:
            return PartyState(any=await self._entries.any(_SHELVES[what]))
        party = _party(entry)
        book = await self._budgets.book(f"{what}:{party.id}")
        if book is None:
            return PartyState(party=party)
        return PartyState(party=party, spent=book.spent, reserved=book.held, resets_at=book.resets_at)

    async def _total(self, party: Party) -> Decimal:
        """What it has ever spent, by the sums of days."""
        view, name = _SUMS[party.what]
        asked = Question(view=view, by=(), periods=periods(_BEGINNING, day(time.time() + _DAY)), where={name: party.id})
        return sum((tally.cost for _, tally in await self._charges.report(asked)), Decimal(0))

    async def _list(self, asked: ListParties) -> Page:
        found = await self._entries.page(
            _SHELVES[asked.what], account=asked.account, after=asked.after, limit=asked.limit + 1
        )
        parties = [_party(entry) for entry in found[: asked.limit]]
        return Page(
            found=True,
            has_more=len(found) > asked.limit,
            first_id=parties[0].id if parties else None,
            last_id=parties[-1].id if parties else None,
            payload=to_json(parties),
        )

    async def _add(self, party: Party, digest: str) -> PartyState:
        now = time.time()
        party = party.model_copy(update={"created_at": now, "updated_at": now})
        if not await self._entries.put(_entry(party, digest)):
            before = await self._find(party.what, [party.id])
            if before is None or before.version or _digest(before) != digest or not digest:
                raise _taken(party)
            party = _party(before)  # this message has come before
        await self._tell(party)
        return PartyState(party=party)

    async def _change(self, asked: ChangeParty) -> PartyState:
        for _ in range(_TRIES):
            entry = await self._find(asked.what, asked.names)
            if entry is None:
                if not asked.make:
                    return PartyState()
                return await self._add(_changed(Party(what=asked.what, id=asked.names[0]), asked.changes), "")
            party = _changed(_party(entry), {**asked.changes, "updated_at": time.time()})
            if asked.digest not in ("", _digest(entry)):  # else it is the same message again
                party = party.model_copy(update={"retiring": _retiring(party, _digest(entry), asked)})
            if await self._entries.put(_entry(party, asked.digest or _digest(entry), entry.version + 1)):
                await self._tell(party)
                return await self._state(asked.what, _entry(party))
            now = await self._find(asked.what, asked.names)
            if now is not None and now.version == entry.version:
                raise _taken(party)
        raise InvalidRequest("Too many change this at the same time.", status=409, code="conflict")

    async def _remove(self, what: PartyKind, names: Sequence[str]) -> PartyState:
        entry = await self._find(what, names)
        if entry is None:
            return PartyState()
        await self._entries.remove(_SHELVES[what], entry.id)
        await self._tell(_party(entry))
        return PartyState(party=_party(entry))

    async def _tell(self, party: Party) -> None:
        await self._bus.tell(PARTIES, Revoked(what=party.what, ids=(party.id,)))


def _entry(party: Party, digest: str = "", version: int = 0) -> Entry:
    names: tuple[str, ...] = ()
    if party.what == "key":
        alias = () if party.alias is None else (f"alias:{party.alias}",)
        names = (party.id, digest, *alias, *party.retiring)
    return Entry(
        shelf=_SHELVES[party.what],
        id=party.id,
        version=version,
        account=party.account,
        names=names,
        state=party.model_dump(),
    )


def _party(entry: Entry) -> Party:
    return Party.model_validate(entry.state)


def _digest(entry: Entry) -> str:
    return entry.names[1] if len(entry.names) > 1 else ""


def _as_named(key: Party, digests: Sequence[str]) -> Party:
    """A key by one of its hashes: by one that is retiring, it expires when that does."""
    until = [key.retiring[digest] for digest in digests if digest in key.retiring]
    if not until:
        return key
    return key.model_copy(update={"expires": min(until if key.expires is None else [*until, key.expires])})


def _retiring(key: Party, digest: str, asked: ChangeParty) -> dict[str, float]:
    """The hashes that go on naming a key, if anything is to overlap."""
    if asked.overlap is None:
        return {}
    now = time.time()
    all_ = key.retiring | {digest: asked.overlap}
    return {name: until for name, until in all_.items() if until > now and name != asked.digest}


def _changed(party: Party, changes: dict[str, object]) -> Party:
    """
    Raises:
        InvalidRequest: a party cannot be like that.
    """
    try:
        return Party.model_validate({**party.model_dump(), **changes, "what": party.what, "id": party.id})
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise InvalidRequest(f"Invalid '{name}'.", param=name, code="invalid_value") from None


def _taken(party: Party) -> InvalidRequest:
    name = {"key": "key_alias", "end_user": "user_id", "account": "account"}[party.what]
    raise InvalidRequest(f"This {name} is taken, or the key is there already.", param=name, code="already_exists")
