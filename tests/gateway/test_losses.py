"""Calls of workers that die, recorded by the gateway that waited for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from time import time

import pytest

from tests.ledger.making import call
from warren import ids
from warren.bus import LEDGER_WRITE, Delivery
from warren.bus.memory import MemoryBroker, MemoryBus
from warren.contracts import Begun, Chunks, Claim, Flag, Message, Outcome, Part, Ping, Pong
from warren_gateway.dispatch import Dispatch, dispatching
from warren_gateway.losses import GRACE

pytestmark = pytest.mark.anyio


class Rig:
    """A gateway, a worker that lives until it is told not to, and what the ledger is sent."""

    def __init__(self, broker: MemoryBroker, dispatch: Dispatch, worker: MemoryBus, alive: AsyncExitStack) -> None:
        self.broker = broker
        self.dispatch = dispatch
        self.worker = worker
        self.recorded: list[Outcome] = []
        self._alive = alive

    async def begin(self, *, deadline: float = 60, worker: str | None = None) -> Begun:
        attempt = ids.new("att")
        begun = Begun(
            response_id=ids.new("resp"),
            account="acme",
            attempt=attempt,
            worker=worker or self.worker.address,
            model="m",
            created_at=time(),
            deadline=time() + deadline,
            calls=(call(f"{attempt}.1"),),
        )
        self.dispatch.receive(Chunks(parts=(), begun=(begun,)))
        return begun

    async def die(self) -> None:
        await self._alive.aclose()

    async def take(self, delivery: Delivery) -> None:
        assert isinstance(delivery.message, Outcome)
        self.recorded.append(delivery.message)

    async def look(self, grace: float = 0) -> list[str]:
        """The attempts that are recorded once it has looked."""
        await self.dispatch.losses.look(grace)
        await asyncio.sleep(0.05)
        return [outcome.attempt for outcome in self.recorded]


def answer(message: Message) -> Message:
    assert isinstance(message, Ping)
    return Pong()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    broker = MemoryBroker()
    async with AsyncExitStack() as alive, broker.open() as bus, broker.open() as ledger:
        worker = await alive.enter_async_context(broker.open())
        await alive.enter_async_context(worker.inbox(answer))
        async with dispatching(bus) as dispatch:
            made = Rig(broker, dispatch, worker, alive)
            async with ledger.serve(LEDGER_WRITE, made.take):
                yield made


async def test_a_call_of_a_worker_that_dies_is_recorded(rig: Rig) -> None:
    begun = await rig.begin()
    assert await rig.look() == []
    await rig.die()
    assert await rig.look(GRACE) == [], "it may be reconnecting"
    assert await rig.look() == [begun.attempt]
    (recorded,) = rig.recorded[0].calls
    assert (recorded.call_id, recorded.lost) == (begun.calls[0].call_id, True)
    assert await rig.look() == [begun.attempt], "once"


async def test_an_attempt_that_has_shown_its_end_has_recorded_it(rig: Rig) -> None:
    begun = await rig.begin()
    part = Part(begun.response_id, begun.attempt, 0, 0, -1, 0, int(Flag.LAST))
    rig.dispatch.receive(Chunks(parts=(part,)))
    await rig.die()
    assert await rig.look() == []


async def test_an_attempt_that_has_handed_its_job_on_has_recorded_it(rig: Rig) -> None:
    begun = await rig.begin()
    rig.dispatch.receive(Claim(response_id=begun.response_id, account="acme", attempt="b", handed=begun.attempt))
    await rig.die()
    assert await rig.look() == []


async def test_what_nobody_has_told_of_long_behind_its_deadline_is_recorded(rig: Rig) -> None:
    begun = await rig.begin(deadline=-1000)
    assert await rig.look() == [begun.attempt]


async def test_a_gateway_that_leaves_records_what_it_alone_knows(rig: Rig) -> None:
    async with rig.broker.open() as bus, dispatching(bus) as leaving:
        rig.dispatch = leaving
        begun = await rig.begin()
        await rig.die()
    await asyncio.sleep(0.05)
    assert [outcome.attempt for outcome in rig.recorded] == [begun.attempt]
