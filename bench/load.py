"""The load, in a process of its own: `python -m bench.load` reads a `Load` as JSON and prints what it has `Seen`.

It speaks HTTP/1.1 on kept connections and checks the text of every answer; streams are kept and checked in full after
the measurement, numbers of the events included.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from itertools import count
from time import perf_counter
from typing import Any, Literal, cast

import uvloop

from bench.replies import model, prompt, text

_DELTA = b"event: response.output_text.delta\n"
_END = b"\r\n0\r\n\r\n"
_GRACE = 30.0
"""Seconds that an answer may take after the last request was sent."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to ask. `kind`: `closed` keeps `clients` requests under way, `open` sends `rate` a second, come what may."""

    port: int
    model: str
    """What is asked for; its end names a model of `bench.replies`."""
    kind: Literal["closed", "open"] = "closed"
    clients: int = 1
    rate: float = 0.0
    stream: bool = False
    seconds: float = 5.0
    warm: float = 1.0
    """Seconds before the measurement, with the same load."""
    requests: int = 0
    """End after so many instead, for a closed loop."""
    size: int = 0
    """Bytes of prose that each prompt has besides."""
    key: str = "bench"


@dataclass(slots=True)
class Seen:
    """What came of it. Latencies are in milliseconds and of requests that were sent while it was measured."""

    sent: int = 0
    """All requests, those before the measurement included."""
    seconds: float = 0.0
    answered: int = 0
    """Within the seconds measured."""
    errors: int = 0
    deltas: int = 0
    """Within the seconds measured."""
    all_deltas: int = 0
    p50: float = 0.0
    p99: float = 0.0
    first_p50: float = 0.0
    """To the first delta of a stream."""
    first_p99: float = 0.0
    slip: float = 0.0
    """p99 of how much later than due a request was sent."""
    problem: str = ""
    """The first error."""


@dataclass(slots=True)
class _Reply:
    status: int = 0
    body: bytes = b""
    deltas: int = 0
    first: float = 0.0


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told
        self._transport: asyncio.Transport | None = None
        self._reply = _Reply()
        self._pieces: list[bytes] = []
        self._size = 0
        self._awaited: asyncio.Future[_Reply] | None = None
        self._length: int | None = None

    @property
    def open(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(ConnectionResetError(f"the connection was lost: {exc or 'closed'}"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def ask(self, request: bytes) -> "asyncio.Future[_Reply]":
        assert self._transport is not None
        self._reply = _Reply()
        self._pieces = []
        self._size = 0
        self._length = None
        self._awaited = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._awaited

    def data_received(self, data: bytes) -> None:
        if self._awaited is None:
            return
        if not self._reply.status:
            data = b"".join((*self._pieces, data))
            self._pieces = []
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._pieces = [head]
                return
            self._begin(head)
        self._pieces.append(data)
        self._size += len(data)
        if self._length is None:
            self._count(data)
            tail = data if len(data) >= len(_END) else b"".join(self._pieces[-len(_END) :])
            if tail.endswith(_END):
                self._finish()
        elif self._size >= self._length:
            self._finish()

    def _begin(self, head: bytes) -> None:
        self._reply.status = int(head[9:12])
        _, found, rest = head.lower().partition(b"content-length:")
        self._length = int(rest.partition(b"\r\n")[0]) if found else None

    def _count(self, data: bytes) -> None:
        """Count the deltas, also one whose name was cut in two."""
        deltas = data.count(_DELTA)
        if len(self._pieces) > 1:
            seam = len(_DELTA) - 1
            deltas += (self._pieces[-2][-seam:] + data[:seam]).count(_DELTA)
        if deltas:
            if not self._reply.deltas:
                self._reply.first = perf_counter()
            self._reply.deltas += deltas
            self._told(deltas)

    def _finish(self) -> None:
        assert self._awaited is not None
        awaited, self._awaited = self._awaited, None
        self._reply.body = b"".join(self._pieces)
        self._pieces = []
        if not awaited.done():
            awaited.set_result(self._reply)


@dataclass(slots=True)
class _Run:
    load: Load
    seen: Seen = field(default_factory=Seen)
    free: deque[_Connection] = field(default_factory=deque)
    numbers: "count[int]" = field(default_factory=count)
    begin: float = 0.0
    end: float = 0.0
    took: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    slips: list[float] = field(default_factory=list)
    streams: list[tuple[int, bytes]] = field(default_factory=list)

    async def go(self) -> Seen:
        load, seen = self.load, self.seen
        self.begin = perf_counter() + load.warm
        self.end = self.begin + load.seconds if not load.requests else float("inf")
        tasks = await self._closed() if load.kind == "closed" else await self._open()
        _, late = await asyncio.wait(tasks, timeout=_GRACE if not load.requests else None)
        for task in late:
            task.cancel()
            self._wrong("no answer")
        await asyncio.gather(*tasks, return_exceptions=True)
        seen.seconds = load.seconds if not load.requests else perf_counter() - self.begin
        for number, body in self.streams:
            if problem := _of_stream(body, number, self._words):
                self._wrong(problem)
        seen.p50, seen.p99 = _quantiles(self.took)
        seen.first_p50, seen.first_p99 = _quantiles(self.first)
        seen.slip = _quantiles(self.slips)[1]
        return seen

    @property
    def _words(self) -> int:
        return model(self.load.model[self.load.model.index("words-") :]).words

    async def _closed(self) -> "list[asyncio.Task[None]]":
        tasks = [asyncio.create_task(self._client(turn / self.load.clients)) for turn in range(self.load.clients)]
        await asyncio.wait(tasks, timeout=None if self.load.requests else self.end - perf_counter())
        return tasks

    async def _client(self, turn: float) -> None:
        await asyncio.sleep(turn * self.load.warm / 2)  # or they would all speak at the same moment for ever
        limit = self.load.requests
        while perf_counter() < self.end and not (limit and self.seen.sent >= limit):
            await self._once()

    async def _open(self) -> "list[asyncio.Task[None]]":
        tasks = []
        start = perf_counter()
        for turn in count():
            due = start + turn / self.load.rate
            if due >= self.end:
                break
            if (wait := due - perf_counter()) > 0:
                await asyncio.sleep(wait)
            self.slips.append(perf_counter() - due)
            tasks.append(asyncio.create_task(self._once()))
        return tasks

    async def _once(self) -> None:
        number = next(self.numbers)
        self.seen.sent += 1
        try:
            connection = self.free.popleft() if self.free else await self._connect()
            if not connection.open:
                connection = await self._connect()
            sent = perf_counter()
            reply = await connection.ask(self._request(number))
        except OSError as error:
            self._wrong(str(error))
            await asyncio.sleep(0.05)
            return
        now = perf_counter()
        self.free.append(connection)
        self._take(number, reply, sent, now)

    def _take(self, number: int, reply: _Reply, sent: float, now: float) -> None:
        self.seen.all_deltas += reply.deltas
        if reply.status != 200:
            self._wrong(f"{reply.status} {reply.body[:300].decode(errors='replace')}")
            return
        if self.load.stream:
            self.streams.append((number, reply.body))
        elif f'"{text(self._words, number)}"'.encode() not in reply.body:
            self._wrong(f"wrong text: {reply.body[:300].decode(errors='replace')}")
            return
        if self.begin <= now < self.end:
            self.seen.answered += 1
        if sent >= self.begin:
            self.took.append(now - sent)
            if reply.deltas:
                self.first.append(reply.first - sent)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self._deltas), "127.0.0.1", self.load.port)
        return connection

    def _deltas(self, deltas: int) -> None:
        if self.begin <= perf_counter() < self.end:
            self.seen.deltas += deltas

    def _request(self, number: int) -> bytes:
        body: dict[str, Any] = {"model": self.load.model, "input": prompt(number, self.load.size)}
        if self.load.stream:
            body["stream"] = True
        data = json.dumps(body).encode()
        head = (
            f"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1:{self.load.port}\r\n"
            f"authorization: Bearer {self.load.key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    def _wrong(self, problem: str) -> None:
        self.seen.errors += 1
        self.seen.problem = self.seen.problem or problem


def _of_stream(body: bytes, number: int, words: int) -> str:
    """What is wrong with a stream; nothing, mostly."""
    events = [json.loads(line[6:]) for line in _unchunked(body).split(b"\n") if line.startswith(b"data: {")]
    numbers = [event["sequence_number"] for event in events]
    if numbers != list(range(len(events))):
        return f"sequence numbers: {numbers[:20]}"
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    if said != text(words, number) or not events or events[-1]["type"] != "response.completed":
        return f"wrong stream: {said[:100]!r}, ends with {events[-1:]}"[:300]
    return ""


def _unchunked(body: bytes) -> bytes:
    pieces = []
    at = 0
    while at < len(body):
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        pieces.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size
    return b"".join(pieces)


def _quantiles(values: list[float]) -> tuple[float, float]:
    """p50 and p99, in milliseconds."""
    if not values:
        return 0.0, 0.0
    ordered = sorted(values)
    return ordered[len(ordered) // 2] * 1000, ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000


async def _main(load: Load) -> Seen:
    work: Coroutine[Any, Any, Seen] = _Run(load).go()
    return await work


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_main(Load(**json.load(sys.stdin)))))))
