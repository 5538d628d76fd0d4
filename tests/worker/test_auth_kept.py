"""What is got for a credential: once for all who need it, anew before it ends, and in time."""

import asyncio
from math import inf

import pytest

from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren_worker.auth import kept
from warren_worker.auth.kept import Kept, Lease
from warren_worker.credentials import ClientCredentials

pytestmark = pytest.mark.anyio
ONE = ClientCredentials("https://a", "id", "secret")
OTHER = ClientCredentials("https://b", "id", "secret")


class Source:
    """Gives out a new number each time, good for so long."""

    def __init__(self, life: float = 3600) -> None:
        self.life = life
        self.now = 1000.0
        self.given = 0
        self.fails: Exception | None = None
        self.kept = Kept(lambda: self.now)

    async def obtain(self) -> Lease:
        await asyncio.sleep(0)
        if self.fails is not None:
            raise self.fails
        self.given += 1
        return Lease(self.given, self.now + self.life)

    async def ask(self, credential: ClientCredentials = ONE) -> int:
        value: int = await self.kept.of(credential, self.obtain)
        return value


async def test_who_asks_at_the_same_time_waits_for_one_fetch() -> None:
    source = Source()
    assert await asyncio.gather(*(source.ask() for _ in range(20))) == [1] * 20
    assert await source.ask(OTHER) == 2


async def test_who_gives_up_does_not_stop_it_for_the_others() -> None:
    source = Source()
    first, second = asyncio.create_task(source.ask()), asyncio.create_task(source.ask())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1


@pytest.mark.parametrize(("life", "good", "old"), [(3600, 3400, 3500), (100, 70, 80)])
async def test_another_is_got_before_the_end(life: float, good: float, old: float) -> None:
    source = Source(life)
    await source.ask()
    source.now += good
    assert await source.ask() == 1
    source.now += old - good
    assert await source.ask() == 2


async def test_what_still_lives_will_do_if_there_is_no_other() -> None:
    source = Source()
    await source.ask()
    source.fails = UpstreamUnreachable("nobody there")
    source.now += 3550
    assert await source.ask() == 1
    source.now += 100
    with pytest.raises(UpstreamUnreachable):
        await source.ask()


async def test_a_failure_is_not_kept() -> None:
    source = Source()
    source.fails = UpstreamAuth("no")
    for _ in range(2):
        with pytest.raises(UpstreamAuth):
            await source.ask()
    source.fails = None
    assert await source.ask() == 1


async def test_what_is_not_accepted_is_forgotten_unless_it_is_new_or_the_only_one() -> None:
    source = Source()
    assert not source.kept.forget(ONE)
    await source.ask()
    assert not source.kept.forget(ONE)
    source.now += 6
    assert source.kept.forget(ONE)
    assert not source.kept.forget(ONE)
    assert await source.ask() == 2
    source.life = inf
    await source.ask(OTHER)
    source.now += 6
    assert not source.kept.forget(OTHER)


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_LONGEST", 0.05)

    async def never() -> Lease:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(UpstreamUnreachable):
        await Kept().of(ONE, never)
