"""Batches: what has gathered since the last write is written in one go."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, Self, TypeVar

from warren import telemetry
from warren.bus import LOGGED, Bus
from warren.contracts import Chunks, Claim, Claimed, Logged, Message, Outcome, Recorded
from warren_ledger import measured
from warren_ledger.patience import until_up
from warren_ledger.store import Store
from warren_ledger.traced import told, writing
from warren_ledger.watch import Watch

_BYTES = 16 * 1024 * 1024
"""A batch is written without what exceeds this: it must not take longer than the store gives it."""
_GATHER = 0.008
"""Seconds for which outcomes gather before they are written. Under load this halves what each costs the ledger and
mongod, which flushes its journal for every batch; at rest it leaves the cores to the answer that is on its way."""


Waits = Outcome | Claim | Chunks | None
"""None only wants to know when all before it is written."""
One = TypeVar("One", Outcome, Chunks)


class Waiter(asyncio.Future[Message | None]):
    """Waits for the answer to a message, which came in this span."""

    def __init__(self) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.span = telemetry.current()


class Settles(Protocol):
    """What an outcome means for its conversation."""

    async def settle(self, outcome: Outcome, won: bool) -> None: ...


class Charges(Protocol):
    """What the calls of an outcome cost whom; of those that are `known` another one has told before."""

    async def settle(self, outcome: Outcome, answer: Recorded) -> None: ...


class Batcher:
    """Writes outcomes and parts of logs, and claims behind all outcomes that came before them. While the store is
    away, all wait.
    """

    def __init__(
        self, bus: Bus, store: Store, conversations: Settles, charging: Charges, watch: Watch | None = None
    ) -> None:
        self._watch = watch or Watch()
        self._bus = bus
        self._store = store
        self._conversations = conversations
        self._charging = charging
        self._waiting: deque[tuple[Waits, Waiter]] = deque()
        self._come = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, bus: Bus, store: Store, conversations: Settles, charging: Charges, watch: Watch | None = None
    ) -> AsyncIterator[Self]:
        """A batcher that writes for as long as this is open."""
        batcher = cls(bus, store, conversations, charging, watch)
        writing = asyncio.create_task(batcher._write())
        try:
            yield batcher
        finally:
            tasks = [writing, *batcher._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    @property
    def waiting(self) -> int:
        """Messages that are not written yet."""
        return len(self._waiting)

    async def add(self, message: Outcome | Claim | Chunks) -> Message | None:
        """The answer to a message, once it is on disk."""
        if isinstance(message, Outcome):
            told(message)
        return await self._add(message)

    async def _add(self, message: Waits) -> Message | None:
        done = Waiter()
        self._waiting.append((message, done))
        self._come.set()
        return await done

    async def caught_up(self) -> None:
        """Wait until all that has come before is on disk."""
        await self._add(None)

    async def record(self, outcome: Outcome) -> Recorded:
        """Whether this outcome is the record."""
        answer = await self.add(outcome)
        assert isinstance(answer, Recorded)
        return answer

    async def _write(self) -> None:
        while True:
            await self._come.wait()
            await asyncio.sleep(_GATHER)
            batch = self._take()
            await asyncio.gather(
                self._each([(message, done) for message, done in batch if isinstance(message, Chunks)], self._append),
                self._each([(message, done) for message, done in batch if isinstance(message, Outcome)], self._put),
            )
            await self._claim([(message, done) for message, done in batch if isinstance(message, Claim)])
            for message, done in batch:
                if message is None:
                    _settle(done, None)

    def _take(self) -> list[tuple[Waits, Waiter]]:
        batch: list[tuple[Waits, Waiter]] = []
        size = 0
        while self._waiting and size < _BYTES:
            message, done = self._waiting.popleft()
            batch.append((message, done))
            size += 0 if message is None else len(message.payload)
            size += sum(map(len, message.kept.values())) if isinstance(message, Outcome) else 0
        if not self._waiting:
            self._come.clear()
        return batch

    async def _each(
        self, batch: Sequence[tuple[One, Waiter]], write: Callable[[Sequence[tuple[One, Waiter]]], Awaitable[None]]
    ) -> None:
        """Write them together; if that cannot be, one by one: it is one of them that cannot be written."""
        if not batch:
            return
        try:
            await write(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end all writing
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            for one in batch:
                await self._each([one], write)

    async def _put(self, batch: Sequence[tuple[Outcome, Waiter]]) -> None:
        outcomes = [outcome for outcome, _ in batch]
        with writing(self._store.system, [done.span for _, done in batch]):
            answers = await until_up(lambda: self._stored(outcomes))
        measured.recorded(outcomes, answers)
        for (outcome, done), answer in zip(batch, answers, strict=True):
            self._watch.written(outcome, won=answer.won)
            if not answer.won:
                telemetry.say(done.span, superseded=True)
            if outcome.conversation is None and not outcome.payer.owes:
                _settle(done, answer)
            else:
                self._spawn(self._finish(outcome, done, answer))

    async def _stored(self, outcomes: Sequence[Outcome]) -> Sequence[Recorded]:
        with measured.Write():
            return await self._store.put(outcomes)

    async def _finish(self, outcome: Outcome, done: Waiter, answer: Recorded) -> None:
        """An outcome is answered when its conversation is as it makes it, and it is charged."""
        try:
            if outcome.payer.owes:
                await until_up(lambda: self._charging.settle(outcome, answer))
            if outcome.conversation is not None:
                await until_up(lambda: self._conversations.settle(outcome, answer.won))
        except Exception as error:  # noqa: BLE001 - it goes back to its queue
            _fail(done, error)
        else:
            _settle(done, answer)

    async def _append(self, batch: Sequence[tuple[Chunks, Waiter]]) -> None:
        entries = [entry for chunks, _ in batch for entry in chunks.split()]
        grown = await until_up(lambda: self._store.runs.append(entries))
        for _, done in batch:
            _settle(done, None)
        if grown:
            self._spawn(self._bus.tell(LOGGED, Logged(response_ids=tuple(grown))))

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

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a broadcast that failed: who listens looks for himself, too


# A waiter may be gone: its message was given back.


def _settle(done: Waiter, answer: Message | None) -> None:
    if not done.done():
        done.set_result(answer)


def _fail(done: Waiter, error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
