from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from pymongo import MongoClient

from tests.ledger.making import Clock
from tests.rig.mongod import ExternalMongod, Mongod
from warren_ledger.store import Store
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.sqlite import SqliteStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(mongod: Mongod | ExternalMongod) -> Iterator[str]:
    """The URL of a database that is not there yet."""
    name = f"warren_test_{token_hex(6)}"
    yield mongod.url + name
    with MongoClient[dict[str, Any]](mongod.url) as client:
        client.drop_database(name)


@pytest.fixture(params=["mongo", "sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, anyio_backend: str
) -> AsyncIterator[Store]:
    """An empty store, of each kind."""
    opened: AbstractAsyncContextManager[Store]
    if request.param == "sqlite":
        opened = SqliteStore.open(tmp_path / "warren.db", now=clock)
    else:
        opened = MongoStore.open(request.getfixturevalue("database"), now=clock)
    async with opened as store:
        yield store


@pytest.fixture
async def mongo(database: str, clock: Clock, anyio_backend: str) -> AsyncIterator[MongoStore]:
    async with MongoStore.open(database, now=clock) as store:
        yield store
