"""What a process itself takes: memory, CPU time, open files; and how late its event loop is."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from warren.telemetry import instruments

_BEAT = 0.1
"""Seconds from one look at the event loop to the next."""
_PAGE = resource.getpagesize()
_MEMORY, _DESCRIPTORS = Path("/proc/self/statm"), Path("/proc/self/fd")


@asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """While open, these figures are there to be asked for; where there is no /proc, as far as they can be had."""
    async with AsyncExitStack() as stack:
        stack.enter_context(instruments.MEMORY.told(_memory))
        stack.enter_context(instruments.CPU_TIME.told(_cpu_time))
        stack.enter_context(instruments.DESCRIPTORS.told(_descriptors))
        task = asyncio.create_task(_watch_loop())
        stack.callback(task.cancel)
        yield


async def _watch_loop() -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + _BEAT
        await asyncio.sleep(_BEAT)
        instruments.LOOP_LAG.record(max(0.0, clock() - due))


def _memory() -> Iterator[tuple[float]]:
    if _MEMORY.exists():
        yield (int(_MEMORY.read_text().split()[1]) * _PAGE,)


def _cpu_time() -> Iterator[tuple[float]]:
    times = os.times()
    yield (times.user + times.system,)


def _descriptors() -> Iterator[tuple[float]]:
    if _DESCRIPTORS.exists():
        yield (sum(1 for _ in _DESCRIPTORS.iterdir()),)
