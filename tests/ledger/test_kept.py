"""What is kept beside items: there for whoever rebuilds, gone with what it belongs to, shown to nobody."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.ledger.making import ACCOUNT, Clock, fresh, message, outcome
from warren import ids
from warren.blobs import deposit
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.bus.memory import MemoryBroker, MemoryBus
from warren.contracts import (
    Delete,
    Enter,
    Fetch,
    FetchConversation,
    ListItems,
    Message,
    OpenConversation,
    Outcome,
    Rebuild,
    Rebuilt,
    Recorded,
)
from warren_ledger import recall
from warren_ledger.ledger import recording
from warren_ledger.store import KEEP, Store

pytestmark = pytest.mark.anyio

SECRET = json.dumps([{"by": "them", "signature": "a signature \u2028"}], ensure_ascii=False)


@dataclass
class Rig:
    bus: MemoryBus
    store: Store

    async def write(self, message: Message) -> Any:
        return await self.bus.call(LEDGER_WRITE, message, timeout=5)

    async def ask(self, message: Message) -> Any:
        return await self.bus.call(LEDGER_ASK, message)

    async def kept(self, **asked: Any) -> dict[str, str]:
        answer = await self.ask(Rebuild(**{"account": ACCOUNT, **asked}))
        assert isinstance(answer, Rebuilt)
        return answer.kept


@pytest.fixture
async def rig(store: Store, anyio_backend: str) -> AsyncIterator[Rig]:
    broker = MemoryBroker()
    async with broker.open() as inside, broker.open() as outside, recording(inside, store, 600):
        yield Rig(outside, store)


def thought(**changes: Any) -> Outcome:
    """An outcome with a thought beside which something is kept."""
    id_, item_id = changes.pop("response_id", None) or fresh(), ids.new("rs")
    output = [{"type": "reasoning", "id": item_id, "summary": []}, message("yes", "assistant")]
    body = json.dumps({"id": id_, "status": "completed", "output": output}).encode()
    more: dict[str, Any] = {name: changes.pop(name) for name in ("conversation", "item_ids") if name in changes}
    made = outcome(id_, body=body, **changes)
    return made.model_copy(update={"kept": {item_id: SECRET}, "item_ids": (item_id,), **more})


def item_of(one: Outcome) -> str:
    (id_,) = one.kept
    return id_


async def test_a_chain_brings_what_is_kept_beside_its_items(rig: Rig) -> None:
    first = thought()
    second = thought(previous=first.response_id)
    third = outcome(previous=second.response_id)
    for one in (first, second, third):
        await rig.write(one)
    assert await rig.kept(response_id=third.response_id) == first.kept | second.kept
    assert await rig.kept(response_id=first.response_id) == first.kept


async def test_who_has_the_items_is_given_what_is_kept_beside_them(rig: Rig) -> None:
    await rig.write(one := thought())
    assert await rig.kept(kept=(item_of(one), "msg_1", "rs_unknown")) == one.kept
    assert await rig.kept(references=(item_of(one),)) == one.kept


async def test_what_is_on_its_way_is_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "_MOMENT", 30.0)
    one = thought()
    asking = asyncio.create_task(rig.kept(kept=(item_of(one),)))
    await asyncio.sleep(0.1)
    await rig.write(one)
    assert await asking == one.kept


async def test_nobody_waits_for_what_is_old_or_no_thought(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "_MOMENT", 3600.0)
    await rig.write(one := outcome())
    assert await rig.kept(kept=("rs_1", ids.new("msg")), response_id=one.response_id) == {}


async def test_nobody_waits_long_for_what_was_never_stored(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "_MOMENT", 0.05)
    assert await rig.kept(kept=(ids.new("rs"),)) == {}


async def test_no_other_account_is_given_it(rig: Rig) -> None:
    await rig.write(one := thought())
    assert await rig.kept(account="other", kept=(item_of(one), "rs_1")) == {}


async def test_it_goes_with_its_response(rig: Rig) -> None:
    await rig.write(one := thought())
    await rig.write(Delete(response_id=one.response_id, account=ACCOUNT))
    await rig.write(one)  # the same message, late
    assert await rig.store.lists.beside(ACCOUNT, [item_of(one)]) == {}
    record = await rig.store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert record.beside is None


async def test_it_expires_with_its_response(rig: Rig, clock: Clock) -> None:
    await rig.write(one := thought())
    assert await rig.store.lists.beside(ACCOUNT, [item_of(one)]) == one.kept
    clock.ahead = KEEP.total_seconds() + 60
    assert await rig.store.lists.beside(ACCOUNT, [item_of(one)]) == {}


async def test_of_an_attempt_that_lost_nothing_is_kept(rig: Rig) -> None:
    await rig.write(first := thought(attempt="a"))
    late = thought(response_id=first.response_id, attempt="b")
    assert await rig.write(late) == Recorded(won=False, status="completed")
    assert await rig.store.lists.beside(ACCOUNT, [item_of(late)]) == {}
    assert await rig.kept(response_id=first.response_id) == first.kept


async def test_items_without_anything_are_told_from_those_that_are_not_there(rig: Rig) -> None:
    one = thought()
    plain = ids.new("msg")
    await rig.write(one.model_copy(update={"item_ids": (item_of(one), plain)}))
    assert await rig.store.lists.beside(ACCOUNT, [item_of(one), plain, "msg_x"]) == {**one.kept, plain: None}


async def test_what_is_not_to_be_stored_is_not_kept(rig: Rig) -> None:
    await rig.write(one := thought(store=False))
    assert await rig.store.lists.beside(ACCOUNT, [item_of(one)]) == {}


async def test_a_response_in_a_blob_has_it_beside_itself(rig: Rig) -> None:
    one = thought()
    until = time.time() + 60
    blob = await deposit(rig.bus, one.response_id, ACCOUNT, "outcome", one.payload, until=until)
    await rig.write(one.model_copy(update={"blob": blob, "payload": b""}))
    assert await rig.kept(response_id=one.response_id) == one.kept


@pytest.mark.parametrize("store_it", [True, False])
async def test_a_conversation_brings_it_whatever_becomes_of_its_response(rig: Rig, store_it: bool) -> None:
    id_ = ids.new("conv")
    await rig.write(OpenConversation(conversation_id=id_, account=ACCOUNT, created_at=1.0, payload=b"[]"))
    one = thought(conversation=id_, store=store_it)
    entering = Enter(conversation_id=id_, account=ACCOUNT, response_id=one.response_id, until=time.time() + 60)
    await rig.write(entering)
    await rig.write(one)
    assert await rig.kept(conversation=id_) == one.kept
    await rig.write(Delete(response_id=one.response_id, account=ACCOUNT))
    assert await rig.kept(conversation=id_) == one.kept
    assert await rig.kept(kept=(item_of(one),)) == one.kept


async def test_nobody_is_shown_it(rig: Rig) -> None:
    id_ = ids.new("conv")
    await rig.write(OpenConversation(conversation_id=id_, account=ACCOUNT, created_at=1.0, payload=b"[]"))
    one = thought(conversation=id_)
    entering = Enter(conversation_id=id_, account=ACCOUNT, response_id=one.response_id, until=time.time() + 60)
    await rig.write(entering)
    await rig.write(one)
    shown = [
        await rig.ask(Fetch(response_id=one.response_id, account=ACCOUNT)),
        await rig.ask(FetchConversation(conversation_id=id_, account=ACCOUNT)),
        await rig.ask(ListItems(conversation_id=id_, account=ACCOUNT)),
    ]
    for answer in shown:
        assert answer.found
        assert b"signature" not in answer.payload
