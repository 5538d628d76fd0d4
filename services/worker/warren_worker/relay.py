"""What goes back to the gateways: the parts of each stream, kept for a while, many streams to a message.

Everything that is ready for one gateway at one tick of the loop travels in one message; that, not the broker, decides
what a token costs.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable
from time import monotonic
from typing import Protocol

from warren.bus import Bus
from warren.contracts import Begun, Chunks, Flag, Head, Part, Want

PART = 4 * 1024 * 1024
"""Bytes after which a part is full; one event may be more."""
_BATCH = 64 * 1024
_BEHIND = 1024 * 1024
_KEPT_PER_STREAM = 4 * 1024 * 1024
_KEPT_ENDED = 16 * 1024 * 1024
_OVERHEAD = 2048
"""Bytes that a stream takes beside what it says."""
_KEPT_SECONDS = 60.0


class Carrier(Protocol):
    """Brings parts to whoever is to have them."""

    def ready(self, stream: "Stream") -> None:
        """There is something to cut."""

    async def moved(self, stream: "Stream") -> None:
        """Wait until something has left; it need not be of this stream."""

    async def emptied(self, stream: "Stream") -> None:
        """Wait until all of this stream has left."""

    async def begins(self, stream: "Stream", begun: Begun) -> None:
        """Tell who would record this call, and wait until that has left."""


class Stream:
    """One attempt's way back to the client. What is written goes out at the next tick and is kept for `Resume`."""

    def __init__(
        self, carrier: Carrier, gateway: str, response_id: str, attempt: str, *, kept: bool = True, sequence: int = 0
    ) -> None:
        self.gateway = gateway
        self.response_id = response_id
        self.attempt = attempt
        self.head: Head | None = None
        self.ended = False
        self.superseded = False
        """Another attempt has taken over: what this one said last is not how its response ended."""
        self.written_at = monotonic()
        self.kept = 0
        self.pending = 0
        """Bytes that were written and not cut yet."""
        self.sequence = sequence
        """Number of the event that would come next."""
        self._carrier = carrier
        self._keeps = kept
        self._parts: deque[tuple[Part, bytes]] = deque()
        self._number = 0
        self._pending: list[tuple[bytes, int, int, int]] = []

    def write(self, data: bytes, first: int = 0, last: int = -1, flags: Flag = Flag.NONE) -> None:
        """Send these bytes: whole events, numbered `first` to `last`, or a JSON answer."""
        self._pending.append((data, first, last, int(flags)))
        self.pending += len(data)
        if last >= first:
            self.sequence = last + 1
        self.ended = self.ended or bool(flags & Flag.LAST)
        self.written_at = monotonic()
        self._carrier.ready(self)

    async def caught_up(self) -> None:
        """Wait while more has been written than should wait for the broker."""
        while self.pending > _BEHIND:
            await self._carrier.moved(self)

    async def emptied(self) -> None:
        """Wait until all that was written has left."""
        await self._carrier.emptied(self)

    async def begins(self, begun: Begun) -> None:
        """A call is about to be made: on return somebody knows of it, whatever becomes of this process."""
        await self._carrier.begins(self, begun)

    def cut(self) -> tuple[Part, bytes] | None:
        """What was written since the last cut, as one part: all of it, as long as that is not too much for one."""
        if not self._pending:
            return None
        writes = self._pending if self.pending <= PART else self._fill()
        self._pending = self._pending[len(writes) :]
        data = b"".join([write[0] for write in writes])
        numbered = [write for write in writes if write[2] >= write[1]]
        flags = 0
        for write in writes:
            flags |= write[3]
        part = Part(
            self.response_id,
            self.attempt,
            self._number,
            numbered[0][1] if numbered else 0,
            numbered[-1][2] if numbered else -1,
            len(data),
            flags,
            self.head if self._number == 0 or flags & Flag.LAST else None,
        )
        self.pending -= len(data)
        self._number += 1
        if self._keeps:
            self._keep(part, data)
        return part, data

    def _fill(self) -> list[tuple[bytes, int, int, int]]:
        """The writes that go into the next part, one at least."""
        size = 0
        for count, write in enumerate(self._pending):
            size += len(write[0])
            if count and size > PART:
                return self._pending[:count]
        return self._pending

    def _keep(self, part: Part, data: bytes) -> None:
        self._parts.append((part, data))
        self.kept += len(data)
        while self.kept > _KEPT_PER_STREAM and len(self._parts) > 1:
            self.kept -= len(self._parts.popleft()[1])

    def since(self, number: int) -> Iterable[tuple[Part, bytes]]:
        """The parts from this number on; an echo if there are none, or if the first of them are not kept any more."""
        found = [(part, data) for part, data in self._parts if part.number >= number]
        return found if found and found[0][0].number == number else [(self.echo(), b"")]

    def echo(self) -> Part:
        return Part(self.response_id, self.attempt, self._number, 0, -1, 0, int(Flag.ECHO), self.head)


class Relay:
    """All streams of a process."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._streams: dict[str, Stream] = {}
        self._ended: OrderedDict[str, tuple[float, Stream]] = OrderedDict()
        self._ended_size = 0
        self._ready: dict[str, dict[str, Stream]] = {}
        self._again: dict[str, deque[tuple[Part, bytes]]] = {}
        self._begun: dict[str, _Begun] = {}
        self._flushing: dict[str, asyncio.Task[None]] = {}

    def open(self, gateway: str, response_id: str, attempt: str) -> Stream:
        stream = self._streams[response_id] = Stream(self, gateway, response_id, attempt)
        return stream

    def close(self, stream: Stream) -> None:
        """Nothing more will be written. What was is kept for a minute, or less if there is much of it."""
        if self._streams.get(stream.response_id) is stream:
            del self._streams[stream.response_id]
        self._flush_now(stream)
        if (before := self._ended.pop(stream.response_id, None)) is not None:
            self._ended_size -= before[1].kept + _OVERHEAD
        self._ended[stream.response_id] = (monotonic(), stream)
        self._ended_size += stream.kept + _OVERHEAD
        while self._ended and (
            self._ended_size > _KEPT_ENDED or monotonic() - next(iter(self._ended.values()))[0] > _KEPT_SECONDS
        ):
            _, (_, oldest) = self._ended.popitem(last=False)
            self._ended_size -= oldest.kept + _OVERHEAD

    def has_ended(self, response_id: str) -> bool:
        """Whether an attempt of this process brought this response to its end, not long ago."""
        ended = self._ended.get(response_id)
        return ended is not None and ended[1].ended and not ended[1].superseded

    def ready(self, stream: Stream) -> None:
        self._ready.setdefault(stream.gateway, {})[stream.response_id] = stream
        self._wake(stream.gateway)

    def resume(self, to: str, wants: Iterable[Want]) -> None:
        """Send parts again. Of what this process knows nothing it says nothing."""
        for want in wants:
            stream = self._streams.get(want.response_id)
            if stream is None and want.response_id in self._ended:
                stream = self._ended[want.response_id][1]
            if stream is None or stream.head is None:  # it only waits for leave to run: that is no sign of life
                continue
            number = want.number if want.attempt in (None, stream.attempt) else 0
            waiting = self._again.get(to, ())  # what of this stream waits there is part of what is wanted, or known
            others = deque(one for one in waiting if one[0].response_id != want.response_id)
            self._again[to] = others
            others.extend(stream.since(number))
        if to in self._again:
            self._wake(to)

    def announce(self) -> None:
        """Tell every gateway how far its streams are: what was posted while the broker was away is lost."""
        now = monotonic()
        ended = [stream for at, stream in self._ended.values() if now - at < _KEPT_SECONDS / 2]
        for stream in (*self._streams.values(), *ended):
            if stream.head is None:
                continue
            self._flush_now(stream)
            self._again.setdefault(stream.gateway, deque()).append((stream.echo(), b""))
        for gateway in self._again:
            self._wake(gateway)

    async def moved(self, stream: Stream) -> None:
        await self.flushed(stream.gateway)

    async def emptied(self, stream: Stream) -> None:
        await self.flushed(stream.gateway)

    async def begins(self, stream: Stream, begun: Begun) -> None:
        waiting = self._begun.setdefault(stream.gateway, _Begun())
        waiting.told.append(begun)
        self._wake(stream.gateway)
        await waiting.left.wait()

    async def flushed(self, gateway: str | None = None) -> None:
        """Wait until what is being sent to this gateway, or to all, has been sent."""
        flushing = [task for to, task in self._flushing.items() if gateway in (None, to)]
        if flushing:
            await asyncio.wait(flushing)

    def _flush_now(self, stream: Stream) -> None:
        """Cut what is pending, so that it is kept and numbered; it goes out with the next message."""
        waiting = self._ready.get(stream.gateway, {})
        if waiting.pop(stream.response_id, None) is not None:
            while (cut := stream.cut()) is not None:
                self._again.setdefault(stream.gateway, deque()).append(cut)
                self._wake(stream.gateway)

    def _wake(self, gateway: str) -> None:
        if gateway not in self._flushing:
            self._flushing[gateway] = asyncio.create_task(self._flush(gateway))

    async def _flush(self, gateway: str) -> None:
        try:
            while True:
                begun, parts = self._begun.pop(gateway, None), self._take(gateway)
                if begun is None and not parts:
                    return
                await self._post(gateway, parts, begun or _Begun())
        finally:
            del self._flushing[gateway]

    async def _post(self, gateway: str, parts: list[tuple[Part, bytes]], begun: "_Begun") -> None:
        payload = b"".join(data for _, data in parts)
        chunks = Chunks(parts=tuple(part for part, _ in parts), begun=tuple(begun.told), payload=payload)
        try:
            await self._bus.post(gateway, chunks)
        finally:
            begun.left.set()

    def _take(self, gateway: str) -> list[tuple[Part, bytes]]:
        """Parts for the next message: those asked for again first, so that each stream stays in order."""
        parts: list[tuple[Part, bytes]] = []
        size = 0
        again = self._again.get(gateway, deque())
        while again and (not parts or size + again[0][0].size <= _BATCH):
            parts.append(again.popleft())
            size += parts[-1][0].size
        if not again:
            self._again.pop(gateway, None)
        waiting = {} if again else self._ready.get(gateway, {})
        while waiting and (not parts or size + next(iter(waiting.values())).pending <= _BATCH):
            stream = waiting.pop(next(iter(waiting)))
            if (cut := stream.cut()) is not None:
                parts.append(cut)
                size += cut[0].size
            if stream.pending:
                waiting[stream.response_id] = stream
        if not self._ready.get(gateway):
            self._ready.pop(gateway, None)
        return parts


class _Begun:
    """Calls of which a gateway is told in the same message."""

    def __init__(self) -> None:
        self.told: list[Begun] = []
        self.left = asyncio.Event()
