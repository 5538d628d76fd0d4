"""Batches: what has gathered since the last write is written in one go."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

import structlog
from warren.contracts import Claim, Claimed, Message, Outcome

from warren_ledger.patience import until_up
from warren_ledger.store import Store

log = structlog.get_logger(__name__)

_BYTES = 16 * 1024 * 1024
"""A batch is written without what exceeds this: it must not take longer than the store gives it."""
_PACE = 0.005
"""Seconds from the begin of one batch to the next. An outcome that comes alone is written at once; under load there
are fewer and larger batches, and mongod flushes its journal less often."""


class Batcher:
    """Writes outcomes and claims in the order in which they come. While the store is away, all wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[tuple[Outcome | Claim, asyncio.Future[Message]]] = deque()
        self._come = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, store: Store) -> AsyncIterator[Self]:
        """A batcher that writes for as long as this is open."""
        batcher = cls(store)
        writing = asyncio.create_task(batcher._write())
        try:
            yield batcher
        finally:
            writing.cancel()
            await asyncio.wait([writing])

    async def add(self, message: Outcome | Claim) -> Message:
        """The answer to a message, once it is on disk."""
        done: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, done))
        self._come.set()
        return await done

    async def _write(self) -> None:
        while True:
            await self._come.wait()
            began = time.monotonic()
            batch = self._take()
            outcomes = [(message, done) for message, done in batch if isinstance(message, Outcome)]
            claims = [(message, done) for message, done in batch if isinstance(message, Claim)]
            await self._put(outcomes)
            await asyncio.gather(*(self._claim(claim, done) for claim, done in claims))
            await asyncio.sleep(began + _PACE - time.monotonic())

    def _take(self) -> list[tuple[Outcome | Claim, asyncio.Future[Message]]]:
        batch, size = [], 0
        while self._waiting and size < _BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1][0].payload)
        if not self._waiting:
            self._come.clear()
        return batch

    async def _put(self, batch: list[tuple[Outcome, asyncio.Future[Message]]]) -> None:
        if not batch:
            return
        try:
            answers: Sequence[Message] = await until_up(lambda: self._store.put([outcome for outcome, _ in batch]))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end all writing
            if len(batch) == 1:
                _settle(batch[0][1], error)
                return
            for one in batch:  # one of them cannot be written; the others can
                await self._put([one])
        else:
            for (_, done), answer in zip(batch, answers, strict=True):
                _settle(done, answer)

    async def _claim(self, claim: Claim, done: asyncio.Future[Message]) -> None:
        try:
            record = await until_up(lambda: self._store.claim(claim))
        except Exception as error:  # noqa: BLE001 - as above
            _settle(done, error)
        else:
            ended = record is not None
            _settle(done, Claimed(verdict="ended" if ended else "run", payload=(record and record.body) or b""))


def _settle(done: asyncio.Future[Message], answer: Message | Exception) -> None:
    """Answer whoever waits; nobody may, if the message was given back meanwhile."""
    if done.done():
        return
    if isinstance(answer, Exception):
        done.set_exception(answer)
    else:
        done.set_result(answer)
