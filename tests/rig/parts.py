"""A bus and a ledger for tests that put parts together themselves: in memory, and as they really are."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from tests.shared.rabbit_namespace import RabbitNamespace
from warren.bus import Bus
from warren.bus.memory import MemoryBroker
from warren_ledger.ledger import recording
from warren_ledger.store import Store
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.sqlite import SqliteStore


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
    async def ledger(self) -> AsyncIterator[None]:
        """A ledger, while open. What it keeps is there for the next one."""
        async with self._opened() as store, self.bus("ledger") as bus, recording(bus, store, 60):
            yield


@asynccontextmanager
async def parts(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Parts]:
    """`embedded`: the memory bus and SQLite; else RabbitMQ and MongoDB."""
    if kind == "embedded":
        yield Parts(MemoryBroker(), lambda: SqliteStore.open(folder / "warren.db"))
        return
    url = f"{request.getfixturevalue('mongod').url}parts_{uuid4().hex[:8]}"
    async with RabbitNamespace.fresh(request.getfixturevalue("rabbitmq").url) as broker:
        yield Parts(broker, lambda: MongoStore.open(url))
