"""What a gateway remembers of what the ledger has told it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, Protocol, TypeVar

from warren.errors import LedgerUnavailable

FRESH = 10.0
"""Seconds for which an answer holds unless it is revoked: no revocation that was lost lives longer."""
STALE = 600.0
"""Seconds for which it holds while the ledger cannot be asked; nothing can be revoked then, either."""
AWAY = 2.0
"""Seconds for which nobody waits for the ledger again once it has not answered, where something is remembered."""
_MOST = 10_000
_AT_A_TIME = 32
"""Questions at a time: whoever tries keys does not keep the ledger from its work."""
_TRIES = 5


class Told(Protocol):
    """An answer. `any`: whether there is anything to be found at all."""

    @property
    def any(self) -> bool: ...


T = TypeVar("T", bound=Told)


class Remembered(Generic[T]):
    """Answers by what was asked, those that found nothing among them. Each is asked for once at a time."""

    def __init__(self, ask: Callable[[str], Awaitable[T]], *, clock: Callable[[], float] = monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._known: OrderedDict[str, tuple[T, float]] = OrderedDict()
        self._none: tuple[T, float] | None = None
        """An answer that holds for whatever is asked."""
        self._asking: dict[str, asyncio.Task[T]] = {}
        self._places = asyncio.Semaphore(_AT_A_TIME)
        self._revocations = 0
        self._away_until = 0.0

    async def find(self, name: str) -> T:
        """
        Raises:
            LedgerUnavailable: it cannot be asked, and what is remembered is too old, or nothing.
        """
        good = STALE if self._clock() < self._away_until else FRESH
        for known, holds in ((self._none, FRESH), (self._known.get(name), good)):
            if known is not None and self._clock() - known[1] < holds:
                return known[0]
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.create_task(self._answer(name))
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(asking)

    def forget(self, which: Callable[[T], bool]) -> None:
        """These answers do not hold any more; nor do those that are on their way."""
        self._revocations += 1
        self._none = None
        for name in [name for name, (told, _) in self._known.items() if which(told)]:
            del self._known[name]

    def clear(self) -> None:
        self.forget(lambda _: True)

    async def _answer(self, name: str) -> T:
        told = None
        for _ in range(_TRIES):
            before = self._revocations
            try:
                async with self._places:
                    told = await self._ask(name)
            except LedgerUnavailable:
                self._away_until = self._clock() + AWAY
                known = self._known.get(name)
                if known is not None and self._clock() - known[1] < STALE:
                    return known[0]
                raise
            if before == self._revocations:
                self._keep(name, told)
                return told
        assert told is not None
        return told

    def _keep(self, name: str, told: T) -> None:
        if not told.any:
            self._none = told, self._clock()
            return
        self._known[name] = told, self._clock()
        self._known.move_to_end(name)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
