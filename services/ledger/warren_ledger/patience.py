"""Waiting: for what is on its way here, and for a store that is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from warren.errors import LedgerUnavailable

T = TypeVar("T")

log = structlog.get_logger(__name__)

_POLLS = (0.002, 0.05)
"""Seconds between two looks, at first and in the end."""
_RETRIES = (0.1, 2.0)
"""Seconds between two tries of a store, at first and in the end."""


async def until_there(look: Callable[[], Awaitable[T | None]], *, seconds: float) -> T | None:
    """Look until there is something, for so long."""
    end = time.monotonic() + seconds
    pause, longest = _POLLS
    while (found := await look()) is None and time.monotonic() < end:
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, longest)
    return found


async def until_up(work: Callable[[], Awaitable[T]]) -> T:
    """Do something with the store, again and again while it is unavailable."""
    pause, longest = _RETRIES
    while True:
        try:
            return await work()
        except LedgerUnavailable as error:
            log.warning("waiting for the store", reason=error.message)
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)
