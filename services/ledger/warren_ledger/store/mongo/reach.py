"""How MongoDB is reached: within a time, and with every failure named for what it is."""

import asyncio
import inspect
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
import structlog
from pymongo.errors import BulkWriteError, DocumentTooLarge, PyMongoError
from pymongo.monitoring import (
    TopologyClosedEvent,
    TopologyDescriptionChangedEvent,
    TopologyListener,
    TopologyOpenedEvent,
)

from warren.errors import LedgerUnavailable

log = structlog.get_logger(__name__)

Document = dict[str, Any]

READ = 2.0
WRITE = 5.0
"""Seconds. A write that takes longer may have happened: it is tried again under the same ids."""
_INDEX = 3600.0
"""Seconds for one index: of a large collection it takes minutes."""
_DUPLICATE = 11000
_SHAKY = 10.0
"""Seconds after which every write has been tried again that failed while there was no primary."""


class Primary(TopologyListener):
    """Hears of the server that is written to; the driver calls it from a thread of its own."""

    def __init__(self) -> None:
        self._there: bool | None = None
        """None: nothing is known yet."""
        self._back_at = float("-inf")

    @property
    def shaky(self) -> bool:
        """Whether it is away, or was moments ago."""
        return self._there is False or time.monotonic() < self._back_at + _SHAKY

    def opened(self, event: TopologyOpenedEvent) -> None:
        pass

    def description_changed(self, event: TopologyDescriptionChangedEvent) -> None:
        there = event.new_description.has_writable_server()
        if there and self._there is False:
            self._back_at = time.monotonic()
        if there or self._there is not None:
            self._there = there

    def closed(self, event: TopologyClosedEvent) -> None:
        pass


@contextmanager
def reaching(seconds: float) -> Iterator[None]:
    """Give the calls inside so long, all together; what goes wrong in them is the store's failure."""
    try:
        with pymongo.timeout(seconds):
            yield
    except DocumentTooLarge:
        raise
    except PyMongoError as error:
        # The driver's own text may quote what was to be written.
        raise LedgerUnavailable(f"The ledger cannot reach its store ({type(error).__name__}).") from None


async def index(collection: Any, keys: Any, **options: Any) -> None:
    """Make an index, as soon as the server is there, however much it has to be made of."""
    while True:
        try:
            with reaching(READ):
                await collection.database.command("ping")
            with reaching(_INDEX):
                await collection.create_index(keys, **options)
        except LedgerUnavailable as error:
            log.warning("waiting for MongoDB", reason=error.message)
            await asyncio.sleep(1)
        else:
            return


async def insert(collection: Any, documents: list[Document]) -> set[str]:
    """Write what is not there yet; the ids that were."""
    if not documents:
        return set()
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        problems = error.details["writeErrors"]
        if error.details.get("writeConcernErrors") or any(one["code"] != _DUPLICATE for one in problems):
            raise
        return {documents[one["index"]]["_id"] for one in problems}
    return set()


async def settle(value: Any) -> Any:
    """What Motor returns and PyMongo lets us await."""
    return await value if inspect.isawaitable(value) else value
