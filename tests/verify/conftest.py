"""Everything of its own for the long runs: a broker and a database that may be killed, two of each service."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import KEY, Service, Stack, models, stack
from tests.rig.upstream import FakeProvider, provider

MODELS = ("words-3", "words-40-50", "words-100-40", "words-250-40", "words-300-100", "think-90000")


@pytest.fixture
def broker() -> Iterator[RabbitMQ]:
    with RabbitMQ() as rabbitmq:
        yield rabbitmq


@pytest.fixture
def database() -> Iterator[Mongod]:
    with Mongod() as mongod:
        yield mongod


@pytest.fixture
async def upstream() -> AsyncIterator[FakeProvider]:
    async with provider() as fake:
        yield fake


@dataclass
class Fleet:
    """Two of each service."""

    stack: Stack
    upstream: FakeProvider
    broker: RabbitMQ
    database: Mongod
    urls: list[str] = field(default_factory=list)
    gateways: list[Service] = field(default_factory=list)
    workers: list[Service] = field(default_factory=list)
    ledgers: list[Service] = field(default_factory=list)


@pytest.fixture
async def fleet(broker: RabbitMQ, database: Mongod, upstream: FakeProvider, tmp_path: Path) -> AsyncIterator[Fleet]:
    url = f"{database.url}verify_{uuid4().hex[:8]}"
    with stack(broker.url, url, models(upstream.url, *MODELS), tmp_path, WARREN_METRICS_PORT="0") as services:
        made = Fleet(services, upstream, broker, database)
        for _ in range(2):
            made.ledgers.append(await services.ledger())
            made.workers.append(await services.worker())
        for _ in range(2):
            gateway, address = await services.gateway()
            made.gateways.append(gateway)
            made.urls.append(address)
        yield made
        assert not services.errors()


@dataclass
class Asked:
    """What a client saw of one request."""

    marker: str
    stream: bool
    status: int = 0
    body: bytes = b""
    began: float = field(default_factory=monotonic)
    seen: float = 0.0
    """When the first output came."""
    ended: float = 0.0

    @property
    def final(self) -> dict[str, Any]:
        """The final object; of a stream, once it has been checked from end to end."""
        if self.stream:
            return check_stream(parse_sse(self.body))
        response: dict[str, Any] = json.loads(self.body)
        return response

    @property
    def words(self) -> list[str]:
        return [word for item in self.final["output"] for part in item["content"] for word in part["text"].split()]

    def whole(self, count: int) -> bool:
        """Whether it shows all words of one call, in order."""
        call = self.words[0].partition("w")[0]
        return self.words == [f"{call}w{number}" for number in range(count)]


def client(seconds: float = 180) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=500)
    return httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=seconds, limits=limits)


async def ask(http: httpx.AsyncClient, url: str, model: str, marker: str, *, stream: bool) -> Asked:
    asked = Asked(marker, stream)
    body = {"model": model, "input": marker, "stream": stream}
    async with http.stream("POST", f"{url}/v1/responses", json=body) as answer:
        asked.status = answer.status_code
        async for piece in answer.aiter_raw():
            asked.body += piece
            if not asked.seen and b"output_text.delta" in asked.body:
                asked.seen = monotonic()
    asked.ended = monotonic()
    return asked


async def crowd(
    http: httpx.AsyncClient, urls: list[str], model: str, count: int, *, stream: bool
) -> "list[asyncio.Task[Asked]]":
    """So many requests at once, spread over the gateways."""
    kind = "stream" if stream else "json"
    return [
        asyncio.create_task(ask(http, urls[at % len(urls)], model, f"<{kind} {at}>", stream=stream))
        for at in range(count)
    ]


async def under_way(upstream: FakeProvider, calls: int) -> None:
    """Wait until so many calls have said something."""
    while sum(call.words > 5 for call in upstream.calls) < calls:
        await asyncio.sleep(0.05)


async def stored(http: httpx.AsyncClient, url: str, asked: Asked) -> None:
    """What was shown is what is kept."""
    answer = await http.get(f"{url}/v1/responses/{asked.final['id']}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == asked.final
