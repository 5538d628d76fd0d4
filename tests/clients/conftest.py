"""A Warren for clients of all kinds: whatever they are, they find a model that does what it is asked.

It runs apart from the tests' event loop, so that clients may block.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ, free_ports
from tests.rig.services import KEY, embedded, models, ready, stack
from tests.rig.tap import tapped
from tests.rig.upstream import FakeProvider, provider_in_thread

MODEL = "agent"
OTHERS = ("words-20", "words-40-50", "words-400-50", "refuse", "reason", "custom", "cite", "remember", "length",
          "status-429-1", "status-401-9", "short-3", "cut-3", "gpt-5")  # fmt: skip


@dataclass(frozen=True)
class Warren:
    """A running Warren, as a client is told of it."""

    url: str
    upstream: FakeProvider
    key: str = KEY

    def openai(self, **options: object) -> OpenAI:
        return OpenAI(base_url=self.url, api_key=self.key, max_retries=0, **options)  # type: ignore[arg-type]

    def async_openai(self, **options: object) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=self.url, api_key=self.key, max_retries=0, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeProvider]:
    with provider_in_thread() as fake:
        yield fake


@pytest.fixture(scope="session")
def warren(upstream: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warren]:
    """All in one process: what most clients are tried with."""
    with alone(upstream, tmp_path_factory.mktemp("clients")) as url:
        yield Warren(url, upstream)


@pytest.fixture(scope="module", params=["embedded", "services"])
def either(
    request: pytest.FixtureRequest, upstream: FakeProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warren]:
    """In both of its forms. Not for the session: on one broker there is one stack at a time."""
    if request.param == "embedded":
        yield request.getfixturevalue("warren")
        return
    rabbitmq: RabbitMQ | ExternalRabbitMQ = request.getfixturevalue("rabbitmq")
    mongod: Mongod | ExternalMongod = request.getfixturevalue("mongod")
    folder = tmp_path_factory.mktemp("clients")
    database = f"{mongod.url}clients_{uuid4().hex[:8]}"
    with stack(rabbitmq.url, database, models(upstream.url, MODEL, *OTHERS), folder) as services:

        async def start() -> str:
            await services.ledger()
            await services.worker()
            return (await services.gateway())[1]

        with tapped(asyncio.run(start())) as url:
            yield Warren(f"{url}/v1", upstream)


@contextmanager
def alone(upstream: FakeProvider, folder: Path, **params: object) -> Iterator[str]:
    """The base URL of a Warren in one process."""
    (port,) = free_ports(1)
    service = embedded(models(upstream.url, MODEL, *OTHERS, **params), folder, port)
    try:
        asyncio.run(ready(f"http://127.0.0.1:{port}"))
        with tapped(f"http://127.0.0.1:{port}") as url:
            yield f"{url}/v1"
    finally:
        service.kill()
