"""Counted exactly once, whoever dies over it, and however many count at the same time."""

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest

from tests.ledger.making import Clock, call
from tests.ledger.test_charges import ended, reported
from warren.errors import LedgerUnavailable
from warren_ledger.counting import Counting
from warren_ledger.store import Store

pytestmark = pytest.mark.anyio

STEPS = ("find", "uncounted", "put", "facts", "count", "counted", "put again")


class Failing:
    """A store's part that fails at one of its calls: before it has an effect, or after."""

    def __init__(self, part: Any, name: str, *, at: int, after: bool) -> None:
        self._part, self._name, self._left, self._after = part, name, at, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)
        if name != self._name:
            return method

        async def called(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise LedgerUnavailable("It is gone.")
            answer = await method(*arguments)
            if self._left == 0:
                raise LedgerUnavailable("Nobody knows.")
            return answer

        return called


def failing(store: Store, clock: Clock, step: str, *, after: bool) -> Counting:
    counting = Counting(store, clock)
    name, at = step.split(maxsplit=1)[0], 2 if step.endswith("again") else 1
    if name in ("find", "put"):
        counting._entries = Failing(store.entries, name, at=at, after=after)
    else:
        counting._charges = Failing(store.charges, name, at=at, after=after)
    return counting


async def all_counted(store: Store) -> tuple[int, int, Decimal]:
    [(_, tally)] = (await reported(store)).items()
    return tally.requests, tally.calls, tally.cost


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
async def test_who_dies_at_any_step_leaves_it_to_another(store: Store, clock: Clock, step: str, after: bool) -> None:
    await store.put([ended(None, call(None, Decimal("0.01"))) for _ in range(5)])
    with pytest.raises(LedgerUnavailable):
        await failing(store, clock, step, after=after).count()
    await store.put([ended(None, call(None, Decimal("0.01"))) for _ in range(5)])
    clock.ahead += 60
    other = Counting(store, clock)
    while await other.count():
        pass
    assert await all_counted(store) == (10, 10, Decimal("0.10"))


async def test_a_batch_that_is_being_counted_is_left_alone(store: Store, clock: Clock) -> None:
    await store.put([ended(None, call())])
    with pytest.raises(LedgerUnavailable):
        await failing(store, clock, "count", after=False).count()
    other = Counting(store, clock)
    assert await other.count() == 0
    clock.ahead += 60
    assert await other.count() == 2


async def test_who_comes_back_changes_nothing_that_was_done_without_him(store: Store, clock: Clock) -> None:
    await store.put([ended(None, call(None, Decimal(1)))])
    slow, go, stopped = Counting(store, clock), asyncio.Event(), asyncio.Event()
    real = slow._charges

    class Sleeping:
        async def count(self, *arguments: Any) -> None:
            stopped.set()
            await go.wait()
            await real.count(*arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    slow._charges = Sleeping()
    task = asyncio.create_task(slow.count())
    await stopped.wait()
    clock.ahead += 60
    other = Counting(store, clock)
    await other.count()
    await store.put([ended(None, call(None, Decimal(1)))])
    await other.count()
    go.set()
    await task
    assert await other.count() == 0
    assert await all_counted(store) == (2, 2, Decimal(2))


async def test_several_count_while_much_is_written_twice(store: Store, clock: Clock) -> None:
    made = [ended(None, call(None, Decimal("0.001")), call(None, Decimal("0.002"))) for _ in range(300)]
    chance = random.Random(5)

    async def write() -> None:
        for at in range(0, 300, 20):
            await asyncio.gather(store.put(made[at : at + 20]), store.put(chance.sample(made[: at + 20], 20)))

    async def count() -> None:
        one = Counting(store, clock)
        while not over.is_set() or await one.count():
            await one.count()
            await asyncio.sleep(0)

    over = asyncio.Event()
    counters = [asyncio.create_task(count()) for _ in range(3)]
    await write()
    over.set()
    await asyncio.gather(*counters)
    last = Counting(store, clock)
    clock.ahead += 60
    while await last.count():
        pass
    assert await all_counted(store) == (300, 600, Decimal("0.900"))
