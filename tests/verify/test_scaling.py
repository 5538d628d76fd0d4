"""More workers serve more, in proportion; pools of workers come and go by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import Service, Stack, models, stack
from tests.rig.upstream import FakeProvider, provider
from tests.verify.conftest import client

pytestmark = pytest.mark.anyio

SLOTS = 8
"""Requests that each worker runs at a time; the provider takes a second for each."""
WORKERS = (1, 2, 4, 8)
_LOOK = 6.0


async def test_throughput_grows_with_the_number_of_workers(
    broker: RabbitMQ, database: Mongod, upstream: FakeProvider, tmp_path: Path
) -> None:
    config = models(upstream.url, "think-1000")
    url = f"{database.url}scaling_{uuid4().hex[:8]}"
    with stack(broker.url, url, config, tmp_path) as services:
        await services.ledger()
        _, gateway = await services.gateway()
        async with client() as http, _crowd(http, gateway, 2 * SLOTS * WORKERS[-1]):
            rates = []
            started = 0
            for workers in WORKERS:
                await asyncio.gather(*(services.worker("--concurrency", str(SLOTS)) for _ in range(workers - started)))
                started = workers
                await asyncio.sleep(2.5)  # all slots are taken, and what they began with is over
                rates.append(await _rate(upstream))
                most = _most(upstream, _LOOK)
                assert 0.9 * SLOTS * workers <= most <= SLOTS * workers, "every slot is used, and none twice"
            print(f"{WORKERS} workers of {SLOTS} slots: {', '.join(f'{rate:.1f}/s' for rate in rates)}")
            for workers, rate in zip(WORKERS, rates, strict=True):
                assert 0.85 < rate / (SLOTS * workers) <= 1.1
        assert not services.errors()


@asynccontextmanager
async def _crowd(http: httpx.AsyncClient, url: str, clients: int) -> AsyncIterator[None]:
    """So many clients, each of which asks again when it has its answer."""

    async def one() -> None:
        while True:
            answer = await http.post(f"{url}/v1/responses", json={"model": "think-1000", "input": "x"})
            assert answer.status_code == 200, answer.text

    asking = [asyncio.create_task(one()) for _ in range(clients)]
    try:
        yield
        assert not [task for task in asking if task.done()], "somebody was refused"
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def _rate(upstream: FakeProvider) -> float:
    """Answers in a second."""

    def answered() -> int:
        return sum(call.finished for call in upstream.calls)

    before, began = answered(), monotonic()
    await asyncio.sleep(_LOOK)
    return (answered() - before) / (monotonic() - began)


def _most(upstream: FakeProvider, seconds: float) -> int:
    """The most calls at a time, in the seconds behind us."""
    since = monotonic() - seconds
    calls = [call for call in upstream.calls if call.ended is None or call.ended > since]
    steps = sorted(
        [(call.started, 1) for call in calls] + [(call.ended, -1) for call in calls if call.ended is not None]
    )
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


async def test_pools_of_workers_come_and_go_by_themselves(broker: RabbitMQ, database: Mongod, tmp_path: Path) -> None:
    async with provider() as failing, provider() as sound:
        with stack(broker.url, f"{database.url}pools_{uuid4().hex[:8]}", _two(failing, sound), tmp_path) as services:
            await services.ledger()
            _, url = await services.gateway()
            await services.worker("--providers", "openai", "--concurrency", "4")
            async with client() as http:
                lonely = await _ask(http, url, "one", 5)
                assert lonely == ["failed"] * 5, "nobody works for the other provider"
                first = await services.worker("--providers", "groq", "--concurrency", "16")
                assert await _ask(http, url, "two", 20) == ["completed"] * 20
                await _changing(services, http, url, first)
            for marker in ("two", "three"):
                asked, answered = len(failing.asked(marker)), len(sound.asked(marker))
                assert asked == answered == 20, "each asked once here, and answered once there"
            assert not services.errors()


async def _changing(services: Stack, http: httpx.AsyncClient, url: str, first: Service) -> None:
    """One worker of a pool takes the place of another while requests are handed on to it."""
    asking = asyncio.create_task(_ask(http, url, "three", 20))
    await services.worker("--providers", "groq", "--concurrency", "16")
    assert await first.stop() == 0
    assert await asking == ["completed"] * 20


def _two(failing: FakeProvider, sound: FakeProvider) -> dict[str, object]:
    """A model whose deployment always fails, and one of another provider to fall back to."""
    config = models(failing.url, "status-500-99999")
    config["model_list"].append(
        {
            "model_name": "other",
            "litellm_params": {"model": "groq/words-20-50", "api_base": sound.url, "api_key": "k"},
        }
    )
    config["router_settings"] = {
        "num_retries": 0,
        "allowed_fails": 99999,
        "fallbacks": [{"status-500-99999": ["other"]}],
    }
    return config


async def _ask(http: httpx.AsyncClient, url: str, marker: str, count: int) -> list[str]:
    """How so many streams end that are sent one shortly after the other."""

    async def one(at: int) -> str:
        await asyncio.sleep(0.1 * at)
        body = {"model": "status-500-99999", "input": f"{marker} {at}", "stream": True}
        answer = await http.post(f"{url}/v1/responses", json=body)
        return str(check_stream(parse_sse(answer.content))["status"]) if answer.status_code == 200 else "failed"

    return await asyncio.gather(*(one(at) for at in range(count)))
