"""What was got for a credential and is good for a time: a token, keys."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from time import time
from typing import Any

from warren.errors import UpstreamUnreachable, WarrenError
from warren_worker.credentials import Credential

_LONGEST = 30.0
"""Seconds that getting one may take."""
_EARLY = 120.0
"""Seconds before its end that another is got; of what lives shorter, at a quarter of its life before it."""
_FRESH = 5.0
"""Seconds in which another would be no better."""


@dataclass(frozen=True, slots=True)
class Lease:
    value: Any
    until: float
    """In seconds since 1970; infinity of what does not end."""


class Kept:
    """Who needs the same at the same time waits for one who gets it; who gives up waiting does not stop him."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._leases: dict[Credential, tuple[float, Lease]] = {}  # with the time since when
        self._getting: dict[Credential, asyncio.Task[Lease]] = {}

    async def of(self, credential: Credential, obtain: Callable[[], Awaitable[Lease]]) -> Any:
        """What is kept for the credential, or else what `obtain` gives.

        Raises:
            WarrenError: that of `obtain`, or it took too long, and what is kept is too old.
        """
        since, lease = self._leases.get(credential, (0.0, None))
        now = self._clock()
        if lease is not None and now < lease.until - min(_EARLY, (lease.until - since) / 4):
            return lease.value
        try:
            return (await asyncio.shield(self._got(credential, obtain))).value
        except WarrenError:
            if lease is None or now >= lease.until:
                raise
            return lease.value

    def forget(self, credential: Credential) -> bool:
        """Somebody does not accept it. Gives whether another may be better: not if this one is new, or has no end."""
        since, lease = self._leases.get(credential, (0.0, None))
        if lease is None or lease.until == inf or self._clock() < since + _FRESH:
            return False
        del self._leases[credential]
        return True

    def _got(self, credential: Credential, obtain: Callable[[], Awaitable[Lease]]) -> "asyncio.Task[Lease]":
        task = self._getting.get(credential)
        if task is None:
            task = self._getting[credential] = asyncio.create_task(_bounded(obtain))
            task.add_done_callback(lambda done: self._settle(credential, done))
        return task

    def _settle(self, credential: Credential, done: "asyncio.Task[Lease]") -> None:
        del self._getting[credential]
        if not done.cancelled() and done.exception() is None:
            self._leases[credential] = self._clock(), done.result()


async def _bounded(obtain: Callable[[], Awaitable[Lease]]) -> Lease:
    try:
        async with asyncio.timeout(_LONGEST):
            return await obtain()
    except TimeoutError:
        raise UpstreamUnreachable("Who gives credentials for this provider takes too long.") from None
