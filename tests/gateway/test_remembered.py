"""What a gateway remembers: for how long, what revokes it, and what nobody is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from warren.errors import LedgerUnavailable
from warren_gateway.remembered import AWAY, FRESH, STALE, Remembered

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Told:
    name: str
    times: int
    any: bool = True


class Ledger:
    """Tells how often it was asked; holds its answer back while it is closed, and fails while it is away."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.any = True
        self.away = False
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.memory = Remembered(self._ask, clock=lambda: self.now)

    async def _ask(self, name: str) -> Told:
        self.asked.append(name)
        times = len(self.asked)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        if self.away:
            raise LedgerUnavailable("away")
        return Told(name, times, self.any)


async def test_an_answer_holds_for_a_while() -> None:
    ledger = Ledger()
    assert await ledger.memory.find("a") == Told("a", 1)
    ledger.now = FRESH - 0.1
    assert await ledger.memory.find("a") == Told("a", 1)
    assert await ledger.memory.find("b") == Told("b", 2)
    ledger.now = FRESH
    assert await ledger.memory.find("a") == Told("a", 3)


async def test_a_hundred_who_want_to_know_the_same_ask_once() -> None:
    ledger = Ledger()
    assert set(await asyncio.gather(*(ledger.memory.find("a") for _ in range(100)))) == {Told("a", 1)}


async def test_what_is_revoked_is_asked_for_again() -> None:
    ledger = Ledger()
    await ledger.memory.find("a")
    await ledger.memory.find("b")
    ledger.memory.forget(lambda told: told.name == "a")
    assert await ledger.memory.find("a") == Told("a", 3)
    assert await ledger.memory.find("b") == Told("b", 2)
    ledger.memory.clear()
    assert await ledger.memory.find("b") == Told("b", 4)


async def test_what_is_revoked_while_it_is_asked_for_is_asked_for_again() -> None:
    ledger = Ledger()

    async def revoke() -> None:
        ledger.memory.forget(lambda _: False)

    ledger.meanwhile = revoke
    assert await ledger.memory.find("a") == Told("a", 2)
    assert await ledger.memory.find("a") == Told("a", 2)


async def test_where_there_is_nothing_nobody_asks_for_more() -> None:
    ledger = Ledger()
    ledger.any = False
    await ledger.memory.find("a")
    for name in "bcdef":
        await ledger.memory.find(name)
    assert ledger.asked == ["a"]
    ledger.any = True
    ledger.memory.forget(lambda _: False)
    assert await ledger.memory.find("b") == Told("b", 2)


async def test_while_the_ledger_is_away_what_is_known_holds_on() -> None:
    ledger = Ledger()
    await ledger.memory.find("a")
    ledger.away = True
    ledger.now = STALE - 1
    assert await ledger.memory.find("a") == Told("a", 1)
    with pytest.raises(LedgerUnavailable):
        await ledger.memory.find("b")
    ledger.now = STALE
    with pytest.raises(LedgerUnavailable):
        await ledger.memory.find("a")


async def test_who_is_known_waits_for_a_ledger_that_is_away_only_now_and_then() -> None:
    ledger = Ledger()
    await ledger.memory.find("a")
    ledger.away, ledger.now = True, FRESH
    for _ in range(10):
        assert await ledger.memory.find("a") == Told("a", 1)
    assert ledger.asked == ["a", "a"]
    ledger.away, ledger.now = False, FRESH + AWAY
    assert await ledger.memory.find("a") == Told("a", 3)


async def test_who_tries_keys_does_not_keep_the_ledger_from_its_work() -> None:
    running = most = 0

    async def ask(name: str) -> Told:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return Told(name, 0)

    memory = Remembered(ask)
    await asyncio.gather(*(memory.find(str(n)) for n in range(500)))
    assert most == 32


async def test_no_more_is_remembered_than_there_is_room_for() -> None:
    ledger = Ledger()
    for n in range(10_001):
        await ledger.memory.find(str(n))
    assert await ledger.memory.find("10000") == Told("10000", 10_001)
    assert await ledger.memory.find("0") == Told("0", 10_002)


async def test_who_does_not_wait_any_longer_leaves_the_others_waiting() -> None:
    ledger = Ledger()
    go = asyncio.Event()

    async def wait() -> None:
        await go.wait()

    ledger.meanwhile = wait
    first, second = (asyncio.create_task(ledger.memory.find("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await second == Told("a", 1)
