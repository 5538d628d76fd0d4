"""What goes to the ledger's log, for those who ask for it there: durable and in order, few parts rather than soon."""

import asyncio
from contextlib import suppress

import structlog

from warren.bus import LEDGER_WRITE, Bus
from warren.contracts import Begun, Chunks, Part
from warren.errors import RequestTooLarge
from warren_worker.recording import confirm, register
from warren_worker.relay import Stream

log = structlog.get_logger("warren.worker")

_WINDOW = 0.025
"""Seconds in which parts gather."""
_BATCH = 1024 * 1024


class Journal:
    """All logged streams of a process. While the broker is away they wait, and nothing is lost."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ready: dict[Stream, None] = {}
        self._leaving: frozenset[Stream] = frozenset()
        self._urgent = asyncio.Event()
        self._turn = asyncio.Event()
        self._flushing: asyncio.Task[None] | None = None

    def open(self, response_id: str, attempt: str) -> Stream:
        return Stream(self, LEDGER_WRITE, response_id, attempt, kept=False)

    def ready(self, stream: Stream) -> None:
        self._ready[stream] = None
        if stream.ended:
            self._urgent.set()
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def moved(self, _stream: Stream) -> None:
        if self._flushing is not None:
            await self._turn.wait()

    async def emptied(self, stream: Stream) -> None:
        while stream in self._ready or stream in self._leaving:
            self._urgent.set()
            await self._turn.wait()

    async def begins(self, _stream: Stream, begun: Begun) -> None:
        await register(self._bus, begun)

    async def flushed(self) -> None:
        """Wait until all that was written has left."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def _flush(self) -> None:
        try:
            while self._ready:
                await self._gathered()
                await self._send(self._take())
        finally:
            self._flushing = None
            self._turned()

    async def _gathered(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_WINDOW):
                await self._urgent.wait()
        self._urgent.clear()

    async def _send(self, parts: list[tuple[Part, bytes]]) -> None:
        if parts:
            payload = b"".join(data for _, data in parts)
            try:
                await confirm(self._bus, Chunks(parts=tuple(part for part, _ in parts), payload=payload))
            except RequestTooLarge:
                log.exception("parts are too large for the log", size=len(payload))
        self._turned()

    def _turned(self) -> None:
        self._leaving = frozenset()
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    def _take(self) -> list[tuple[Part, bytes]]:
        """Parts for the next message, of each stream one at the most."""
        parts: list[tuple[Part, bytes]] = []
        leaving = []
        size = 0
        for stream in list(self._ready):
            if parts and size + stream.pending > _BATCH:
                break
            del self._ready[stream]
            if (cut := stream.cut()) is not None:
                parts.append(cut)
                leaving.append(stream)
                size += cut[0].size
        self._leaving = frozenset(leaving)
        self._ready |= dict.fromkeys(stream for stream in leaving if stream.pending)
        if any(stream.ended for stream in self._ready):
            self._urgent.set()
        return parts


class Silence:
    """Where the words of a response go that nobody listens to: its outcome is all there will be."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def open(self, response_id: str, attempt: str) -> Stream:
        return Stream(self, "", response_id, attempt, kept=False)

    def ready(self, stream: Stream) -> None:
        stream.cut()

    async def moved(self, stream: Stream) -> None: ...

    async def emptied(self, stream: Stream) -> None: ...

    async def begins(self, _stream: Stream, begun: Begun) -> None:
        await register(self._bus, begun)
