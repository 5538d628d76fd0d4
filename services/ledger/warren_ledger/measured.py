"""What metrics tell of outcomes, and of what the store holds besides."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import structlog

from warren.contracts import Outcome, Recorded
from warren.errors import LedgerUnavailable
from warren.telemetry import instruments
from warren.telemetry.measuring import OTHER, SWITCH, code, coded
from warren_ledger.budgets import Budgets
from warren_ledger.requestlog import RequestLog
from warren_ledger.store import Store

log = structlog.get_logger("warren.ledger")

ROUND = 10.0
"""Seconds from one look at the store to the next."""
_POSTS = 1000
"""Posts to sinks that are counted, of 500 requests each at the most."""
_RESPONSE = "resp_"
"""How the ids of responses begin; what health checks and questions cost comes as an outcome, too."""


class Write:
    """One write of outcomes: what it takes while this is open."""

    __slots__ = ("_began",)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _where: TracebackType | None) -> None:
        instruments.WRITE_DURATION.record(time.monotonic() - self._began, None if error is None else code(error))


def recorded(outcomes: Sequence[Outcome], answers: Iterable[Recorded]) -> None:
    """These are on disk."""
    if not SWITCH.on:
        return
    now = time.time()
    instruments.BATCH_SIZE.record(len(outcomes))
    for outcome, answer in zip(outcomes, answers, strict=True):
        instruments.LEDGER_LAG.record(max(0.0, now - outcome.ended_at))
        if not outcome.response_id.startswith(_RESPONSE):
            continue
        if answer.won:
            failed = None if outcome.error is None else coded(outcome.error)
            instruments.OUTCOMES.add(1, outcome.status, failed)
        elif not outcome.superseded:
            instruments.SUPERSEDED.add(1)


@asynccontextmanager
async def watching(store: Store, budgets: Budgets, requests: RequestLog) -> AsyncIterator[None]:
    """While open, look at what the store holds, if somebody wants to know."""
    if not SWITCH.on:
        yield
        return
    looks = _Looks(store, budgets, requests)
    async with AsyncExitStack() as stack:
        stack.enter_context(instruments.RESERVATIONS.told(lambda: looks.reservations))
        stack.enter_context(instruments.BUDGET_USED.told(lambda: looks.used))
        stack.enter_context(instruments.SINKS_PENDING.told(lambda: looks.pending))
        task = asyncio.create_task(looks.run())
        stack.push_async_callback(asyncio.wait, [task])
        stack.callback(task.cancel)
        yield


class _Looks:
    """What was seen at the last look; nothing while the store is away."""

    def __init__(self, store: Store, budgets: Budgets, requests: RequestLog) -> None:
        self.reservations: list[tuple[float]] = []
        self.used: list[tuple[float, str]] = []
        self.pending: list[tuple[float, str]] = []
        self._entries = store.entries
        self._budgets = budgets
        self._requests = requests

    async def run(self) -> None:
        while True:
            try:
                await self._look()
            except LedgerUnavailable:
                self.reservations, self.used, self.pending = [], [], []
            except Exception:
                log.exception("the store cannot be looked at")
            await asyncio.sleep(ROUND)

    async def _look(self) -> None:
        held = await self._budgets.holding()
        used = [(used, name.removeprefix("deployment:")) for name, used in (await self._budgets.used()).items()]
        pending = dict.fromkeys(self._requests.kinds.values(), 0)
        for entry in await self._entries.page("outbox", limit=_POSTS):
            kind = self._requests.kinds.get(entry.state["sink"], OTHER)
            pending[kind] = pending.get(kind, 0) + len(entry.state["ids"])
        self.reservations, self.used = [(held,)], used
        self.pending = [(number, kind) for kind, number in pending.items()]
