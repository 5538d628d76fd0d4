"""Calls of workers that die over what runs detached: the ledger records them."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from tests.ledger.making import ACCOUNT, call, fresh, outcome
from warren import ids
from warren.bus import LEDGER_ASK, LEDGER_WRITE, Bus
from warren.bus.memory import MemoryBroker, MemoryBus
from warren.contracts import Begun, Message, Payer, Ping, Pong, Reservation, Reserve
from warren_ledger.batch import Batcher
from warren_ledger.budgets import Budgets
from warren_ledger.charging import Charging
from warren_ledger.conversations import Conversations
from warren_ledger.ledger import recording
from warren_ledger.losses import GRACE, Losses
from warren_ledger.permits import Permits
from warren_ledger.store import Store

pytestmark = pytest.mark.anyio
KEY = "key:key_1"


@dataclass
class Rig:
    store: Store
    losses: Losses
    budgets: Budgets
    worker: MemoryBus
    alive: AsyncExitStack
    at_it: set[str] = field(default_factory=set)
    """Attempts that the worker is at."""

    async def begin(self, *costs: str, attempt: str | None = None, response_id: str | None = None) -> Begun:
        attempt = attempt or ids.new("att")
        begun = Begun(
            response_id=response_id or fresh(),
            account=ACCOUNT,
            attempt=attempt,
            worker=self.worker.address,
            model="gpt",
            created_at=time.time(),
            deadline=time.time() + 60,
            payer=Payer(key="key_1", budgets=(KEY,)),
            calls=tuple(call(f"{attempt}.{at + 1}", Decimal(cost)) for at, cost in enumerate(costs or ("0.5",))),
        )
        await self.losses.begin(begun)
        self.at_it.add(attempt)
        return begun

    async def look(self, begun: Begun, *, unseen: float | None = None) -> bool:
        """Look at it, as if its worker had not been seen for so long; whether there is still something to look at."""
        entry = await self.store.entries.find("calls", begun.attempt)
        if entry is not None:
            if unseen is not None:
                entry = replace(entry, state={**entry.state, "unseen": time.time() - unseen})
            await self.losses.look(entry)
        return await self.store.entries.find("calls", begun.attempt) is not None

    def answer(self, message: Message) -> Message:
        assert isinstance(message, Ping)
        return Pong(states={"run": "up" if message.attempt in self.at_it else "unknown"})


@pytest.fixture
async def rig(store: Store) -> AsyncIterator[Rig]:
    broker = MemoryBroker()
    budgets = Budgets(store.entries)
    charging = Charging(budgets, Permits(store.notes))
    async with AsyncExitStack() as alive, broker.open() as bus:
        worker = await alive.enter_async_context(broker.open())
        async with Batcher.open(bus, store, Conversations(store), charging) as batcher:
            made = Rig(store, Losses(bus, store.entries, batcher), budgets, worker, alive)
            await alive.enter_async_context(worker.inbox(made.answer))
            yield made


async def test_a_call_of_a_worker_that_dies_is_recorded_and_paid_once(rig: Rig) -> None:
    begun = await rig.begin("0.25", "0.5")
    assert await rig.look(begun)
    await rig.alive.aclose()
    assert await rig.look(begun), "it may be reconnecting"
    assert await rig.store.calls(begun.response_id, ACCOUNT) == []
    again = await rig.store.entries.find("calls", begun.attempt)
    assert not await rig.look(begun, unseen=GRACE)
    first, last = await rig.store.calls(begun.response_id, ACCOUNT)
    assert (first, last.lost, last.call_id) == (begun.calls[0], True, begun.calls[1].call_id)
    assert again is not None
    await rig.losses.look(replace(again, state={**again.state, "unseen": 1.0}))  # another ledger was at it, too
    book = await rig.budgets.book(KEY)
    assert book is not None
    assert book.spent == sum(one.cost or 0 for one in (first, last))


async def test_what_its_worker_is_not_at_any_more_it_has_recorded(rig: Rig) -> None:
    begun = await rig.begin()
    rig.at_it.clear()
    assert not await rig.look(begun)
    assert await rig.store.calls(begun.response_id, ACCOUNT) == []


async def test_another_call_of_an_attempt_takes_the_place_of_the_one_before(rig: Rig) -> None:
    first = await rig.begin("0.25")
    both = await rig.begin("0.25", "0.5", attempt=first.attempt, response_id=first.response_id)
    await rig.losses.begin(first)  # it comes once more
    await rig.alive.aclose()
    await rig.look(both, unseen=GRACE)
    assert len(await rig.store.calls(both.response_id, ACCOUNT)) == 2


@pytest.mark.parametrize("lost_first", [True, False])
async def test_of_a_lost_call_and_the_same_from_its_worker_the_first_counts(store: Store, lost_first: bool) -> None:
    id_, call_id = fresh(), f"{ids.new('att')}.1"
    told = [call(call_id, Decimal("0.5")), call(call_id, Decimal("0.125"), lost=True)]
    outcomes = [outcome(id_, calls=(one,)).model_copy(update={"superseded": one.lost}) for one in told]
    if lost_first:
        outcomes.reverse()
    (first,) = await store.put(outcomes[:1])
    (second,) = await store.put(outcomes[1:])
    assert (first.known, second.known) == (frozenset(), frozenset({call_id}))
    assert await store.calls(id_, ACCOUNT) == [*outcomes[0].calls]
    (again,) = await store.put(outcomes[:1])
    assert again.known == frozenset(), "it is what is on record"


async def test_a_budget_pays_for_it_once_whichever_comes_first(store: Store) -> None:
    broker, id_, call_id = MemoryBroker(), fresh(), f"{ids.new('att')}.1"
    payer = {"payer": Payer(key="key_1", budgets=(KEY,))}
    real = outcome(id_, calls=(call(call_id, Decimal("0.5")),)).model_copy(update=payer)
    lost = real.model_copy(update={"superseded": True, "calls": (call(call_id, Decimal("0.125"), lost=True),)})
    wanted = Reservation(budget=KEY, amount=Decimal(1), limit=Decimal(10))
    async with broker.open() as there, broker.open() as here, recording(there, store, 600):
        bus: Bus = here
        await bus.call(LEDGER_ASK, Reserve(response_id=id_, until=time.time() + 60, reservations=(wanted,)))
        for one in (lost, real, lost, real):
            await bus.call(LEDGER_WRITE, one)
    book = await Budgets(store.entries).book(KEY)
    assert book is not None
    assert [book.spent, book.held] == [Decimal("0.125"), 0]
