"""The way to the ledger's log: nothing is lost, and parts gather."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from warren.bus import LEDGER_WRITE, Bus
from warren.contracts import Chunks, Flag, Head, Message, Part
from warren.errors import BusUnavailable, Overloaded, PublishUnknown, RequestTooLarge, WarrenError
from warren_worker.journal import Journal, Silence
from warren_worker.relay import PART, Stream

pytestmark = pytest.mark.anyio
HEAD = Head(status=200, worker="w")


class Broker:
    """Takes what it is sent, once it has raised these."""

    def __init__(self, *failures: WarrenError) -> None:
        self.failures = list(failures)
        self.sent: list[Chunks] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, to: str, message: Message, *, timeout: float) -> None:
        assert (to, timeout) == (LEDGER_WRITE, 30)
        assert isinstance(message, Chunks)
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)

    def of(self, stream: Stream) -> list[tuple[Part, bytes]]:
        pairs = [pair for chunks in self.sent for pair in chunks.split()]
        return [pair for pair in pairs if pair[0].attempt == stream.attempt]


def journal(*failures: WarrenError) -> tuple[Broker, Journal]:
    broker = Broker(*failures)
    return broker, Journal(cast("Bus", broker))


def opened(journal: Journal, number: int = 0) -> Stream:
    stream = journal.open(f"r{number}", f"a{number}")
    stream.head = HEAD
    return stream


async def test_what_comes_within_the_window_is_one_part_of_one_message() -> None:
    broker, journal_ = journal()
    streams = [opened(journal_, number) for number in range(3)]
    for step in range(5):
        for stream in streams:
            stream.write(b"%d" % step, step, step)
        await asyncio.sleep(0)
    await journal_.flushed()
    (chunks,) = broker.sent
    assert [(part.first, part.last, data) for part, data in chunks.split()] == [(0, 4, b"01234")] * 3


async def test_an_end_does_not_wait_for_more() -> None:
    broker, journal_ = journal()
    stream = opened(journal_)
    stream.write(b"all", 0, 0, Flag.LAST)
    for _ in range(20):
        await asyncio.sleep(0)
    assert [data for _, data in broker.of(stream)] == [b"all"]


async def test_who_waits_for_its_stream_to_leave_does_not_wait_for_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_worker.journal._WINDOW", 60)
    broker, journal_ = journal()
    stream = opened(journal_)
    stream.write(b"some", 0, 0)
    async with asyncio.timeout(10):
        await stream.emptied()
    assert [data for _, data in broker.of(stream)] == [b"some"]


@pytest.mark.parametrize("failure", [Overloaded("x"), BusUnavailable("x"), PublishUnknown("x")])
async def test_what_the_broker_does_not_take_is_sent_again(
    failure: WarrenError, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def paused(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr("warren_worker.recording.asyncio", SimpleNamespace(sleep=paused))
    broker, journal_ = journal(failure, failure)
    stream = opened(journal_)
    stream.write(b"first", 0, 0)
    await stream.emptied()
    stream.write(b"second", 1, 1, Flag.LAST)
    await stream.emptied()
    assert [(part.number, data) for part, data in broker.of(stream)] == [(0, b"first"), (1, b"second")]
    assert pauses == [0.1, 0.2]


async def test_a_stream_that_is_far_behind_waits() -> None:
    broker, journal_ = journal()
    broker.open.clear()
    stream = opened(journal_)
    stream.write(b"first", 0, 0)
    stream.ended = True  # so that it leaves at once
    journal_.ready(stream)
    while stream.pending:
        await asyncio.sleep(0)
    stream.write(b"x" * (1024 * 1024 + 1), 1, 1)
    waiting = asyncio.create_task(stream.caught_up())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    broker.open.set()
    await asyncio.wait_for(waiting, 10)
    await journal_.flushed()
    assert [len(data) for _, data in broker.of(stream)] == [5, 1024 * 1024 + 1]


async def test_much_is_cut_into_parts_that_can_be_kept() -> None:
    broker, journal_ = journal()
    stream = opened(journal_)
    for number in range(10):
        stream.write(b"x" * (PART // 3), number, number, Flag.LAST if number == 9 else Flag.CONTENT)
    await stream.emptied()
    parts = broker.of(stream)
    assert [(part.number, part.first, part.last) for part, _ in parts] == [(0, 0, 2), (1, 3, 5), (2, 6, 8), (3, 9, 9)]
    assert [part.flags for part, _ in parts] == [Flag.CONTENT] * 3 + [Flag.LAST]
    assert all(len(data) <= PART for _, data in parts)


async def test_what_no_bus_carries_holds_up_nobody() -> None:
    broker, journal_ = journal(RequestTooLarge("x"))
    stream, other = opened(journal_, 1), opened(journal_, 2)
    stream.write(b"too much", 0, 0, Flag.LAST)
    await stream.emptied()
    other.write(b"little", 0, 0, Flag.LAST)
    await other.emptied()
    assert [data for _, data in broker.of(other)] == [b"little"]


async def test_what_nobody_listens_to_is_not_kept() -> None:
    stream = Silence(cast("Bus", Broker())).open("r", "a")
    stream.write(b"x" * 1000, 0, 0)
    await stream.caught_up()
    await stream.emptied()
    assert (stream.pending, stream.kept, stream.sequence) == (0, 0, 1)
