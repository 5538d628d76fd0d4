"""Permits: a deployment that has limits is called when the ledger, which counts for all workers, says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import structlog

from warren import ids
from warren.bus import LEDGER_ASK, Bus
from warren.contracts import Limits, Permit, Permitted, Release
from warren.errors import BusUnavailable, CallTimeout, LedgerUnavailable, Limited, Overloaded, WarrenError

log = structlog.get_logger("warren.worker")

PATIENCE = 1.0
"""Seconds that a call waits for leave. The provider has limits of its own: without an answer it is made."""
_LATER = 5.0
"""Seconds that there are for what no call waits for."""
_RENEWALS = 3
"""In the time of a lease."""
_QUIET = 10.0
"""Seconds from one line about a ledger that does not answer to the next."""


class Permission:
    """Leave to make one call."""

    def __init__(self) -> None:
        self.tokens: int | None = None
        """What it used, if that is known."""


class Permits:
    """Asks for leave, keeps it while a call runs, and gives it back."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()
        self._told_at = -_QUIET

    @asynccontextmanager
    async def held(self, deployment: str, limits: Limits, tokens: int) -> AsyncIterator[Permission]:
        """Leave for a call that is likely to use so many tokens, while it runs.

        Raises:
            Limited: there is no room for it.
        """
        asked = Permit(permit_id=ids.new("permit"), deployment=deployment, limits=limits, tokens=tokens)
        try:
            answer = await self._ask(asked)
        except asyncio.CancelledError:
            self._over(asked, None)
            raise
        if answer is not None and not answer.granted:
            raise Limited(_refusal(answer), retry_after=answer.retry_after)
        renewing = asyncio.create_task(self._renew(asked, answer.seconds if answer is not None else 0.0))
        permission = Permission()
        try:
            yield permission
        finally:
            renewing.cancel()
            self._over(asked, permission.tokens)

    async def flushed(self) -> None:
        """Wait until what was used is told."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _ask(self, asked: Permit) -> Permitted | None:
        """The ledger's word; None if it gives none now."""
        try:
            answer = await self._bus.call(LEDGER_ASK, asked, timeout=PATIENCE)
        except (CallTimeout, BusUnavailable, Overloaded, LedgerUnavailable) as error:
            if monotonic() - self._told_at >= _QUIET:
                self._told_at = monotonic()
                log.warning("limits cannot be kept: the ledger does not answer", error=error.code)
            return None
        return answer if isinstance(answer, Permitted) else None

    async def _renew(self, asked: Permit, seconds: float) -> None:
        """Make the lease longer for as long as the call runs."""
        if not asked.limits.parallel:
            return
        longer = asked.model_copy(update={"granted": True})
        while seconds > 0:
            await asyncio.sleep(seconds / _RENEWALS)
            with suppress(WarrenError):
                await self._bus.call(LEDGER_ASK, longer, timeout=_LATER)

    def _over(self, asked: Permit, tokens: int | None) -> None:
        over = Release(permit_id=asked.permit_id, deployment=asked.deployment, tokens=tokens)
        task = asyncio.create_task(self._tell(over))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, over: Release) -> None:
        """If this fails the lease runs out by itself."""
        with suppress(WarrenError):
            await self._bus.call(LEDGER_ASK, over, timeout=_LATER)


def _refusal(answer: Permitted) -> str:
    if answer.retry_after is None:
        return "This request is larger than what may be asked of the model in a minute."
    return "As much is asked of this model as may be."
