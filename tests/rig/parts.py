"""A bus and a ledger for tests that put parts together themselves: in memory, and as they really are."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from tests.rig.services import KEY
from tests.shared.rabbit_namespace import RabbitNamespace
from warren.bus import Bus
from warren.bus.memory import MemoryBroker
from warren.config import Config
from warren_gateway.run import gateway
from warren_gateway.settings import HttpSettings
from warren_ledger.ledger import recording
from warren_ledger.store import Store
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.sqlite import SqliteStore
from warren_worker.handler import Worker, working
from warren_worker.upstream import Patience


class Broker(Protocol):
    """What the buses of one test have in common."""

    def open(self, name: str = "") -> AbstractAsyncContextManager[Bus]: ...


class Parts:
    """Buses on one broker, and ledgers on one store."""

    def __init__(self, broker: Broker, opened: Callable[[], AbstractAsyncContextManager[Store]]) -> None:
        self._broker = broker
        self._opened = opened

    def bus(self, name: str = "part") -> AbstractAsyncContextManager[Bus]:
        return self._broker.open(name)

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Store]:
        """A ledger, while open, and what it keeps, which is there for the next one, too."""
        async with self._opened() as store, self.bus("ledger") as bus, recording(bus, store, 60):
            yield store

    @asynccontextmanager
    async def worker(
        self, config: Config, providers: Sequence[str] = (), wrap: Callable[[Bus], Bus] = lambda bus: bus
    ) -> AsyncIterator[Worker]:
        """A worker for these providers, or for all of the configuration's; on its bus, as somebody makes it."""
        wanted = list(providers) or config.providers()
        async with (
            self.bus("worker") as bus,
            working(
                wrap(bus),
                config,
                {},
                reload=lambda: config,
                providers=wanted,
                concurrency=16,
                patience=Patience(),
            ) as worker,
        ):
            yield worker

    @asynccontextmanager
    async def gateway(self, config: Config) -> AsyncIterator[str]:
        """A gateway, and its URL."""
        settings = HttpSettings(port=0, drain=3)
        async with self.bus("gateway") as bus, gateway(bus, config, settings, KEY) as url:
            yield url


@asynccontextmanager
async def parts(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Parts]:
    """`embedded`: the memory bus and SQLite; else RabbitMQ and MongoDB."""
    if kind == "embedded":
        yield Parts(MemoryBroker(), lambda: SqliteStore.open(folder / "warren.db"))
        return
    url = f"{request.getfixturevalue('mongod').url}parts_{uuid4().hex[:8]}"
    async with RabbitNamespace.fresh(request.getfixturevalue("rabbitmq").url) as broker:
        yield Parts(broker, lambda: MongoStore.open(url))
