"""Keys, end users and accounts, as the ledger keeps them."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic_core import from_json

from tests.ledger.making import call
from tests.ledger.test_charges import ended
from warren import ids
from warren.bus import LEDGER_ASK, LEDGER_WRITE, PARTIES, Bus
from warren.bus.memory import MemoryBroker
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
    PartyState,
    Payer,
    RemoveParty,
    Revoked,
)
from warren.errors import InvalidRequest
from warren_ledger.ledger import recording
from warren_ledger.store import Store
from warren_ledger.store.mongo import MongoStore

pytestmark = pytest.mark.anyio


class Ledger:
    """A ledger that is asked over the bus, and what it has told everybody."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.told: list[Message] = []

    async def add(self, party: Party, digest: str = "") -> PartyState:
        return await self._write(AddParty(party=party, digest=digest))

    async def change(self, what: Any, name: str, *, digest: str = "", make: bool = False, **changes: Any) -> PartyState:
        return await self._write(ChangeParty(what=what, names=(name,), changes=changes, digest=digest, make=make))

    async def regenerate(self, name: str, digest: str, overlap: float | None = None) -> PartyState:
        return await self._write(
            ChangeParty(what="key", names=(name,), changes={"hint": digest}, digest=digest, overlap=overlap)
        )

    async def remove(self, what: Any, *names: str) -> PartyState:
        return await self._write(RemoveParty(what=what, names=names))

    async def identify(self, *digests: str) -> Identified:
        answer = await self._bus.call(LEDGER_ASK, Identify(digests=digests))
        assert isinstance(answer, Identified)
        return answer

    async def find(self, what: Any, name: str) -> PartyState:
        answer = await self._bus.call(LEDGER_ASK, FindParty(what=what, names=(name,)))
        assert isinstance(answer, PartyState)
        return answer

    async def list(self, what: Any, **more: Any) -> tuple[list[str], bool]:
        answer = await self._bus.call(LEDGER_ASK, ListParties(what=what, **more))
        assert isinstance(answer, Page)
        return [Party.model_validate(one).id for one in from_json(answer.payload)], answer.has_more

    async def _write(self, message: Message) -> PartyState:
        answer = await self._bus.call(LEDGER_WRITE, message)
        assert isinstance(answer, PartyState)
        return answer


@pytest.fixture
async def ledger(store: Store) -> AsyncIterator[Ledger]:
    if isinstance(store, MongoStore):
        await store.entries.prepare()
    broker = MemoryBroker()
    async with broker.open() as there, broker.open() as here, recording(there, store, 600):
        made = Ledger(here)
        async with here.listen([PARTIES], made.told.append):
            yield made


def key(**more: Any) -> Party:
    return Party(what="key", **{"id": ids.new("key"), "account": "acme", "hint": "sk-...abcd", **more})


async def test_a_key_is_known_by_any_of_its_hashes_and_by_its_id(ledger: Ledger) -> None:
    assert await ledger.identify("d0") == Identified(any=False)
    one = key(alias="ci", metadata={"$where": {"a.b": 1}}, max_budget=Decimal("0.1"), models=("m",))
    made = await ledger.add(one, "d1")
    assert made.party is not None
    assert made.party.created_at > 0
    expected = one.model_copy(update={"created_at": made.party.created_at, "updated_at": made.party.updated_at})
    assert made.party == expected
    assert await ledger.identify("d0", "d1") == Identified(key=expected)
    assert (await ledger.find("key", one.id)).party == expected
    assert await ledger.identify("d2") == Identified()


async def test_a_hash_and_an_alias_stand_for_one_key(ledger: Ledger) -> None:
    await ledger.add(key(alias="ci"), "d1")
    for other, digest in ((key(), "d1"), (key(alias="ci"), "d2")):
        with pytest.raises(InvalidRequest) as refused:
            await ledger.add(other, digest)
        assert refused.value.code == "already_exists"
    two = key()
    await ledger.add(two, "d3")
    with pytest.raises(InvalidRequest):
        await ledger.change("key", two.id, alias="ci")


async def test_a_key_that_is_told_of_again_is_the_one_that_was_made(ledger: Ledger) -> None:
    one = key(alias="ci")
    made = await ledger.add(one, "d1")
    assert await ledger.add(one, "d1") == made
    await ledger.change("key", one.id, alias="other")
    with pytest.raises(InvalidRequest):
        await ledger.add(one, "d1")


async def test_what_is_changed_is_told_and_the_rest_stays(ledger: Ledger) -> None:
    one = key(alias="ci", rpm_limit=5)
    await ledger.add(one, "d1")
    changed = await ledger.change("key", "d1", blocked=True, max_budget="2.50", metadata={"a": 1})
    assert changed.party is not None
    assert (changed.party.blocked, changed.party.max_budget, changed.party.rpm_limit) == (True, Decimal("2.50"), 5)
    assert (await ledger.identify("d1")).key == changed.party
    assert (await ledger.change("key", "unknown", blocked=True)).party is None
    assert ledger.told == [Revoked(what="key", ids=(one.id,))] * 2


async def test_a_new_hash_takes_the_place_of_the_old_one(ledger: Ledger) -> None:
    one = key()
    await ledger.add(one, "d1")
    await ledger.change("key", one.id, digest="d2", hint="sk-...efgh")
    assert (await ledger.identify("d1")).key is None
    found = (await ledger.identify("d2")).key
    assert found is not None
    assert (found.id, found.hint) == (one.id, "sk-...efgh")


async def test_changes_at_the_same_time_are_all_made(ledger: Ledger) -> None:
    one = key()
    await ledger.add(one, "d1")
    await asyncio.gather(
        ledger.change("key", one.id, rpm_limit=1),
        ledger.change("key", one.id, tpm_limit=2),
        ledger.change("key", one.id, blocked=True),
        ledger.change("key", one.id, tags=["a"]),
    )
    found = (await ledger.find("key", one.id)).party
    assert found is not None
    assert (found.rpm_limit, found.tpm_limit, found.blocked, found.tags) == (1, 2, True, ("a",))


async def test_what_is_removed_is_gone_and_told(ledger: Ledger) -> None:
    one = key()
    await ledger.add(one, "d1")
    assert (await ledger.remove("key", "d1")).party is not None
    assert (await ledger.remove("key", "d1")).party is None
    assert await ledger.identify("d1") == Identified(any=False)
    assert ledger.told == [Revoked(what="key", ids=(one.id,))] * 2


async def test_an_account_comes_with_its_keys(ledger: Ledger) -> None:
    await ledger.add(key(), "d1")
    made = await ledger.change("account", "acme", make=True, max_budget=5)
    assert made.party is not None
    assert (await ledger.identify("d1")).account == made.party
    assert ledger.told[-1] == Revoked(what="account", ids=("acme",))


async def test_an_end_user_can_be_made_by_what_is_said_of_him(ledger: Ledger) -> None:
    assert (await ledger.find("end_user", "alice")) == PartyState(any=False)
    await asyncio.gather(*(ledger.change("end_user", name, make=True, blocked=True) for name in ("alice", "bob")))
    found = await ledger.find("end_user", "alice")
    assert found.party is not None
    assert found.party.blocked
    assert (await ledger.find("end_user", "eve")) == PartyState(any=True)


async def test_what_cannot_be_is_refused_by_name(ledger: Ledger) -> None:
    await ledger.add(key(), "d1")
    with pytest.raises(InvalidRequest) as refused:
        await ledger.change("key", "d1", rpm_limit="many")
    assert refused.value.param == "rpm_limit"


async def test_lists_go_on_behind_the_last_one(ledger: Ledger) -> None:
    made = sorted(key(id=ids.new("key"), account="acme" if n % 2 else "other").id for n in range(5))
    for n, id_ in enumerate(made):
        await ledger.add(key(id=id_, account="acme" if n % 2 else "other"), f"d{n}")
    assert await ledger.list("key", limit=3) == (made[:3], True)
    assert await ledger.list("key", limit=3, after=made[2]) == (made[3:], False)
    assert await ledger.list("key", account="acme") == (made[1::2], False)
    assert await ledger.list("account") == ([], False)


async def test_an_old_secret_is_good_for_as_long_as_it_overlaps(ledger: Ledger) -> None:
    one = key()
    await ledger.add(one, "first")
    now = time.time()
    for _ in range(2):  # the same message may come twice
        await ledger.regenerate(one.id, "second", overlap=now + 60)
    for digest, expires in (("first", now + 60), ("second", None)):
        told = (await ledger.identify(digest)).key
        assert told is not None
        assert (told.id, told.expires) == (one.id, expires)
    await ledger.regenerate(one.id, "third", overlap=now + 90)
    until = [(await ledger.identify(digest)).key for digest in ("first", "second", "third")]
    assert [told and told.expires for told in until] == [now + 60, now + 90, None]
    await ledger.regenerate(one.id, "fourth")
    assert [(await ledger.identify(digest)).key is None for digest in ("first", "second", "third")] == [True] * 3


async def test_an_old_secret_does_not_outlive_its_key(ledger: Ledger) -> None:
    one = key(expires=time.time() + 30)
    await ledger.add(one, "first")
    await ledger.regenerate(one.id, "second", overlap=time.time() + 60)
    told = (await ledger.identify("first")).key
    assert told is not None
    assert told.expires == one.expires
    await ledger.change("key", one.id, blocked=True)
    told = (await ledger.identify("first")).key
    assert told is not None
    assert told.blocked


async def test_what_was_ever_spent_is_told(ledger: Ledger, store: Store) -> None:
    one = key()
    await ledger.add(one, "first")
    await ledger.change("account", one.account, make=True)
    payer = Payer(key=one.id, end_user="alice")
    made = [ended(None, call(None, Decimal("0.25")), payer=payer, account=one.account) for _ in range(3)]
    await store.put(made)
    async with asyncio.timeout(10):
        while (await ledger.find("key", one.id)).total != Decimal("0.75"):
            await asyncio.sleep(0.05)
    assert (await ledger.find("account", one.account)).total == Decimal("0.75")
