"""Batches: what has gathered since the last write is written in one go."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from warren.contracts import Claim, Claimed, Message, Outcome
from warren_ledger.patience import until_up
from warren_ledger.store import Store

_BYTES = 16 * 1024 * 1024
"""A batch is written without what exceeds this: it must not take longer than the store gives it."""
_GATHER = 0.008
"""Seconds for which outcomes gather before they are written. Under load this halves what each costs the ledger and
mongod, which flushes its journal for every batch; at rest it leaves the cores to the answer that is on its way."""


Waiter = asyncio.Future[Message]


class Batcher:
    """Writes outcomes, and claims behind all outcomes that came before them. While the store is away, all wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[tuple[Outcome | Claim, Waiter]] = deque()
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
        done: Waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((message, done))
        self._come.set()
        return await done

    async def _write(self) -> None:
        while True:
            await self._come.wait()
            await asyncio.sleep(_GATHER)
            batch = self._take()
            await self._put([(message, done) for message, done in batch if isinstance(message, Outcome)])
            await self._claim([(message, done) for message, done in batch if isinstance(message, Claim)])

    def _take(self) -> list[tuple[Outcome | Claim, Waiter]]:
        batch, size = [], 0
        while self._waiting and size < _BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1][0].payload)
        if not self._waiting:
            self._come.clear()
        return batch

    async def _put(self, batch: Sequence[tuple[Outcome, Waiter]]) -> None:
        if not batch:
            return
        try:
            answers = await until_up(lambda: self._store.put([outcome for outcome, _ in batch]))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end all writing
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            for one in batch:  # one of them cannot be written; the others can
                await self._put([one])
        else:
            for (_, done), answer in zip(batch, answers, strict=True):
                _settle(done, answer)

    async def _claim(self, batch: Sequence[tuple[Claim, Waiter]]) -> None:
        try:
            records = await until_up(lambda: asyncio.gather(*(self._store.claim(claim) for claim, _ in batch)))
        except Exception as error:  # noqa: BLE001 - as above
            for _, done in batch:
                _fail(done, error)
        else:
            for (_, done), record in zip(batch, records, strict=True):
                ended = Claimed(verdict="ended", payload=record.body or b"") if record else Claimed(verdict="run")
                _settle(done, ended)


# A waiter may be gone: its message was given back.


def _settle(done: Waiter, answer: Message) -> None:
    if not done.done():
        done.set_result(answer)


def _fail(done: Waiter, error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
