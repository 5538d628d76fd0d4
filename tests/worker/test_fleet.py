"""What workers and gateways know of each other: limits, failures, cooldowns, loads. On both buses and both stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest
from pydantic_core import to_json

from tests.rig.parts import Parts, parts
from warren import config
from warren.bus import LEDGER_ASK, LEDGER_WRITE, Delivery
from warren.config import Config
from warren.contracts import Cooldown, Message, Survey, Surveyed, UpstreamCall, Usage
from warren.errors import Limited, UpstreamError, UpstreamQuotaExceeded, UpstreamRateLimited, WarrenError
from warren.hearing import Hearing
from warren.routing import cooling
from warren.routing.board import Board
from warren_worker.fleet import Fleet

pytestmark = pytest.mark.anyio
SOON = 10.0


@pytest.fixture(params=["embedded", "services"])
async def made(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Parts]:
    async with parts(request.param, request, tmp_path) as made:
        yield made


def configuration(count: int = 2, **params: Any) -> Config:
    entries = [
        {
            "model_name": "m",
            "litellm_params": {"model": "openai/m", "api_key": "k", **params},
            "model_info": {"id": name},
        }
        for name in "abcdef"[:count]
    ]
    return config.parse(to_json({"model_list": entries}).decode())


@asynccontextmanager
async def fleets(made: Parts, count: int, given: Config) -> AsyncIterator[list[Fleet]]:
    """So many workers, as far as they know each other."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            bus = await stack.enter_async_context(made.bus("worker"))
            fleet = Fleet(bus, given, slots=8)
            await stack.enter_async_context(bus.inbox(_deaf, restored=fleet.restored))
            await stack.enter_async_context(fleet.open())
            opened.append(fleet)
        yield opened


@asynccontextmanager
async def gateway(made: Parts, given: Config) -> AsyncIterator[Board]:
    """What a gateway knows."""
    board = Board(cooling.terms(given.rules, given.deployments.values()).get)
    async with made.bus("gateway") as bus, Hearing(bus, board).open():
        yield board


def _deaf(_message: Message) -> Message | None:
    return None


async def call(
    fleet: Fleet,
    deployment: str = "a",
    error: WarrenError | None = None,
    *,
    status: int | None = 200,
    likely: int = 0,
    used: int | None = None,
    during: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """A call that ends like this."""
    async with fleet.calling(deployment, likely) as watch:
        if during is not None:
            await during()
        usage = None if used is None else Usage(input_tokens=used // 2, output_tokens=used - used // 2)
        made = UpstreamCall(
            call_id="att.1",
            deployment=deployment,
            provider="openai",
            model="m",
            started_at=time(),
            seconds=0.5,
            first_event_seconds=0.25 if error is None else None,
            status=status,
            error=None if error is None else error.code,
            usage=usage,
        )
        watch.over(made, error)


async def granted(fleet: Fleet, count: int, **more: Any) -> int:
    """How many of so many calls at once are made."""
    done = await asyncio.gather(*(call(fleet, **more) for _ in range(count)), return_exceptions=True)
    assert all(one is None or isinstance(one, Limited) for one in done), done
    return sum(one is None for one in done)


async def until(true: Callable[[], bool], seconds: float = SOON) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_cooldown_holds_here_at_once_and_everywhere_within_a_second(made: Parts) -> None:
    given = configuration()
    async with made.ledger(), fleets(made, 3, given) as (one, *others), gateway(made, given) as board:
        await until(lambda: len(board.workers(time())) == 3)  # all of them listen
        began = monotonic()
        await call(one, error=UpstreamRateLimited("no", retry_after=3), status=429)
        assert one.board.cooling("a", time()) > 2
        await until(lambda: all(known.cooling("a", time()) > 1 for known in (board, *(o.board for o in others))))
        assert monotonic() - began < 1
        assert one.board.cooling("b", time()) == 0


async def test_failures_that_different_workers_see_add_up(made: Parts) -> None:
    given = configuration()
    async with made.ledger(), fleets(made, 2, given) as (one, two), gateway(made, given) as board:
        await until(lambda: len(board.workers(time())) == 2)
        for fleet in (one, two, one, two):
            await call(fleet, error=UpstreamError("no"), status=None)
        await until(lambda: min(known.cooling("a", time()) for known in (one.board, two.board, board)) > 0)


async def test_who_comes_later_learns_of_a_long_cooldown_and_not_of_a_short_one(made: Parts) -> None:
    given = configuration(3)
    async with made.ledger(), fleets(made, 1, given) as (one,):
        await call(one, "a", UpstreamQuotaExceeded("no", retry_after=600), status=429)
        await call(one, "b", UpstreamRateLimited("no", retry_after=3), status=429)
    async with fleets(made, 1, given) as (two,), gateway(made, given) as board, made.ledger():
        await until(lambda: two.board.cooling("a", time()) > 500 and board.cooling("a", time()) > 500)
        assert two.board.why("a") == "insufficient_quota"
        assert two.board.cooling("b", time()) == board.cooling("b", time()) == 0


async def test_what_was_told_while_the_broker_was_away_is_asked_for_when_it_is_back(made: Parts) -> None:
    async with made.ledger(), made.bus() as bus, fleets(made, 1, configuration()) as (one,):
        await asyncio.sleep(0.5)  # it has asked
        await bus.call(LEDGER_WRITE, Cooldown(deployment="a", until=time() + 600))
        assert one.board.cooling("a", time()) == 0
        one.restored()
        await until(lambda: one.board.cooling("a", time()) > 500)


async def test_all_know_what_all_have_to_do(made: Parts) -> None:
    given, go = configuration(), asyncio.Event()
    async with made.ledger(), fleets(made, 2, given) as (one, two), gateway(made, given) as board:
        for fleet in (one, two):
            await call(fleet, used=100)
        runs = [asyncio.create_task(call(fleet, during=go.wait)) for fleet in (one, one, two)]
        await until(lambda: board.load("a", time())[:3] == (3, 5, 200))
        await until(lambda: one.board.load("a", time())[:3] == (3, 5, 200))
        assert board.load("a", time())[3:] == (0.25, 0.01, 2)
        go.set()
        await asyncio.gather(*runs)
        await until(lambda: board.load("a", time()).in_flight == 0)


async def test_a_minute_has_as_many_requests_as_it_may_whoever_makes_them(made: Parts) -> None:
    async with made.ledger(), made.ledger(), fleets(made, 2, configuration(rpm=7)) as workers:
        counts = await asyncio.gather(*(granted(fleet, 10) for fleet in workers))
        assert sum(counts) == 7
        with pytest.raises(Limited) as refused:
            await call(workers[0])
        assert 50 < (refused.value.retry_after or 0) <= 62
        assert (refused.value.status, refused.value.code) == (429, "deployment_limit_reached")
        await call(workers[0], "b")


async def test_tokens_count_as_they_are_likely_to_be_and_then_as_they_were(made: Parts) -> None:
    async with made.ledger(), fleets(made, 1, configuration(tpm=100)) as (one,):
        await call(one, likely=60, used=20)
        await until_granted(one, likely=70, used=70)
        with pytest.raises(Limited):
            await call(one, likely=20)
        with pytest.raises(Limited) as never:
            await call(one, "b", likely=101)
        assert never.value.retry_after is None


async def until_granted(fleet: Fleet, **more: Any) -> None:
    """What was used is told behind the call's back."""
    async with asyncio.timeout(SOON):
        while not await granted(fleet, 1, **more):
            await asyncio.sleep(0.01)


async def test_as_many_run_at_a_time_as_may(made: Parts) -> None:
    go = asyncio.Event()
    async with made.ledger(), fleets(made, 2, configuration(max_parallel_requests=3)) as (one, two):
        runs = [asyncio.create_task(call(fleet, during=go.wait)) for fleet in (one, two, one)]
        await until(lambda: one.meter.in_flight + two.meter.in_flight == 3)
        assert await granted(two, 5) == 0
        go.set()
        await asyncio.gather(*runs)
        await until_granted(two)


async def test_a_call_that_is_given_up_gives_its_place_back(made: Parts) -> None:
    async with made.ledger(), fleets(made, 1, configuration(max_parallel_requests=1)) as (one,):
        run = asyncio.create_task(call(one, during=asyncio.Event().wait))
        await until(lambda: one.meter.in_flight == 1)
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        await until_granted(one)
        assert one.meter.in_flight == 0


async def test_without_limits_nobody_is_asked_and_without_a_ledger_nobody_waits_for_long(made: Parts) -> None:
    asked: list[Message] = []

    async def dumb(delivery: Delivery) -> Message | None:
        if isinstance(delivery.message, Survey):
            return Surveyed()
        asked.append(delivery.message)
        await asyncio.sleep(5)
        return None

    limited, free = configuration(rpm=1), configuration()
    given = Config({"a": limited.deployments["a"], "b": free.deployments["b"]})
    async with made.bus("ledger") as bus, bus.serve(LEDGER_ASK, dumb, limit=8), fleets(made, 1, given) as (one,):
        await call(one, "b")
        assert asked == []
        began = monotonic()
        assert await granted(one, 3) == 3
        assert monotonic() - began < 3
