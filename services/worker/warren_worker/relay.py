"""What goes back to the gateways: the parts of each stream, kept for a while, many streams to a message.

Everything that is ready for one gateway at one tick of the loop travels in one message; that, not the broker, decides
what a token costs.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable
from time import monotonic

from warren.bus import Bus
from warren.contracts import Chunks, Flag, Head, Part, Want

_BATCH = 64 * 1024
_BEHIND = 1024 * 1024
_KEPT_PER_STREAM = 4 * 1024 * 1024
_KEPT_ENDED = 16 * 1024 * 1024
_OVERHEAD = 2048
"""Bytes that a stream takes beside what it says."""
_KEPT_SECONDS = 60.0


class Stream:
    """One attempt's way back to the client. What is written goes out at the next tick and is kept for `Resume`."""

    def __init__(self, relay: "Relay", gateway: str, response_id: str, attempt: str) -> None:
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
        self._relay = relay
        self._parts: deque[tuple[Part, bytes]] = deque()
        self._number = 0
        self._pending: list[bytes] = []
        self._first = 0
        self._last = -1
        self._flags = Flag.NONE

    def write(self, data: bytes, first: int = 0, last: int = -1, flags: Flag = Flag.NONE) -> None:
        """Send these bytes: whole events, numbered `first` to `last`, or a JSON answer."""
        if not self._pending:
            self._first = first
        self._pending.append(data)
        self.pending += len(data)
        self._last = last
        self._flags |= flags
        self.ended = self.ended or bool(flags & Flag.LAST)
        self.written_at = monotonic()
        self._relay.ready(self)

    async def caught_up(self) -> None:
        """Wait while more has been written than should wait for the broker."""
        while self.pending > _BEHIND:
            await self._relay.flushed(self.gateway)

    @property
    def sequence(self) -> int:
        """Number of the event that would come next; 0 while none has been written."""
        return self._last + 1

    def cut(self) -> tuple[Part, bytes] | None:
        """All that was written since the last cut, as one part."""
        if not self._pending:
            return None
        data = b"".join(self._pending)
        part = Part(
            self.response_id,
            self.attempt,
            self._number,
            self._first,
            self._last,
            len(data),
            int(self._flags),
            self.head if self._number == 0 or self._flags & Flag.LAST else None,
        )
        self._pending = []
        self.pending = 0
        self._flags = Flag.NONE
        self._number += 1
        self._parts.append((part, data))
        self.kept += len(data)
        while self.kept > _KEPT_PER_STREAM and len(self._parts) > 1:
            self.kept -= len(self._parts.popleft()[1])
        return part, data

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

    async def flushed(self, gateway: str | None = None) -> None:
        """Wait until what is being sent to this gateway, or to all, has been sent."""
        flushing = [task for to, task in self._flushing.items() if gateway in (None, to)]
        if flushing:
            await asyncio.wait(flushing)

    def _flush_now(self, stream: Stream) -> None:
        """Cut what is pending, so that it is kept and numbered; it goes out with the next message."""
        waiting = self._ready.get(stream.gateway, {})
        if waiting.pop(stream.response_id, None) is not None and (cut := stream.cut()) is not None:
            self._again.setdefault(stream.gateway, deque()).append(cut)
            self._wake(stream.gateway)

    def _wake(self, gateway: str) -> None:
        if gateway not in self._flushing:
            self._flushing[gateway] = asyncio.create_task(self._flush(gateway))

    async def _flush(self, gateway: str) -> None:
        try:
            while parts := self._take(gateway):
                payload = b"".join(data for _, data in parts)
                await self._bus.post(gateway, Chunks(parts=tuple(part for part, _ in parts), payload=payload))
        finally:
            del self._flushing[gateway]

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
            if (cut := waiting.pop(next(iter(waiting))).cut()) is not None:
                parts.append(cut)
                size += cut[0].size
        if not self._ready.get(gateway):
            self._ready.pop(gateway, None)
        return parts
