"""The way back to the gateways: each stream in order, many to a message, and whatever was lost once more."""

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.bus import Bus
from warren.contracts import Chunks, Flag, Head, Message, Part, Want, encode
from warren_worker import relay as module
from warren_worker.relay import Relay, Stream

HEAD = Head(status=200, worker="w")
BATCH = 64 * 1024


class Recorder:
    """A bus that remembers what was posted; shut, it lets nothing through until it is opened."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, Chunks]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def post(self, to: str, message: Message) -> None:
        assert isinstance(message, Chunks)
        assert sum(part.size for part in message.parts) == len(message.payload)
        encode(message)
        self.posted.append((to, message))
        await asyncio.sleep(0)
        await self.open.wait()

    def of(self, stream: Stream) -> list[tuple[Part, bytes]]:
        """What was posted of one stream, in its order."""
        return [
            (part, data)
            for to, chunks in self.posted
            for part, data in chunks.split()
            if to == stream.gateway and (part.response_id, part.attempt) == (stream.response_id, stream.attempt)
        ]


def relaying() -> tuple[Recorder, Relay]:
    recorder = Recorder()
    return recorder, Relay(cast("Bus", recorder))


def opened(relay: Relay, response_id: str = "r", gateway: str = "g", attempt: str = "a") -> Stream:
    stream = relay.open(gateway, response_id, attempt)
    stream.head = HEAD
    return stream


async def settled(relay: Relay) -> None:
    while relay._flushing:
        await asyncio.sleep(0)


@pytest.mark.anyio
async def test_what_is_ready_at_one_tick_travels_in_one_message() -> None:
    recorder, relay = relaying()
    streams = [opened(relay, f"r{number}") for number in range(5)]
    for step in range(3):
        for stream in streams:
            stream.write(b"e%d" % step, step, step)
    await settled(relay)
    ((to, chunks),) = recorder.posted
    assert to == "g"
    assert [(part.response_id, part.number, part.first, part.last, data) for part, data in chunks.split()] == [
        (f"r{number}", 0, 0, 2, b"e0e1e2") for number in range(5)
    ]


@pytest.mark.anyio
async def test_each_gateway_gets_its_own_and_waits_for_no_other() -> None:
    recorder, relay = relaying()
    for gateway in ("g1", "g2"):
        opened(relay, f"r of {gateway}", gateway).write(b"x")
    await settled(relay)
    assert {(to, chunks.parts[0].response_id) for to, chunks in recorder.posted} == {
        ("g1", "r of g1"),
        ("g2", "r of g2"),
    }


@pytest.mark.anyio
async def test_the_first_part_and_the_last_carry_the_head() -> None:
    recorder, relay = relaying()
    stream = opened(relay)
    for number in range(4):
        stream.write(b"x", number, number, Flag.LAST if number == 3 else Flag.CONTENT if number else Flag.NONE)
        await settled(relay)
    parts = [part for part, _ in recorder.of(stream)]
    assert [part.number for part in parts] == [0, 1, 2, 3]
    assert [part.head for part in parts] == [HEAD, None, None, HEAD]
    assert [part.flags for part in parts] == [0, Flag.CONTENT, Flag.CONTENT, Flag.LAST]
    assert stream.ended


@pytest.mark.anyio
async def test_flags_of_what_is_joined_are_joined() -> None:
    recorder, relay = relaying()
    stream = opened(relay)
    stream.write(b"a", 0, 1)
    stream.write(b"b", 2, 2, Flag.CONTENT)
    stream.write(b"c", 3, 4, Flag.CONTENT | Flag.LAST)
    await settled(relay)
    ((part, data),) = recorder.of(stream)
    assert (part.first, part.last, part.flags, data) == (0, 4, Flag.CONTENT | Flag.LAST, b"abc")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40_000), st.booleans()), max_size=30))
def test_messages_hold_64_kb_at_most_and_streams_keep_their_order(writes: list[tuple[int, int, bool]]) -> None:
    async def go() -> None:
        recorder, relay = relaying()
        streams = [opened(relay, f"r{number}", f"g{number % 2}") for number in range(4)]
        written = [b""] * 4
        for count, (number, size, tick) in enumerate(writes):
            data = b"%d:" % count + b"x" * size
            streams[number].write(data)
            written[number] += data
            if tick:
                await asyncio.sleep(0)
        await settled(relay)
        for _, chunks in recorder.posted:
            assert len(chunks.payload) <= BATCH or len(chunks.parts) == 1
        for stream, whole in zip(streams, written, strict=True):
            parts = recorder.of(stream)
            assert [part.number for part, _ in parts] == list(range(len(parts)))
            assert b"".join(data for _, data in parts) == whole

    asyncio.run(go())


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 14)), max_size=4),
)
def test_a_gateway_that_asks_for_what_it_lost_gets_all_in_order(sizes: list[int], asked: list[tuple[int, int]]) -> None:
    """Parts are written one to a tick; before some of them, the gateway asks from some number on."""

    async def go() -> None:
        recorder, relay = relaying()
        stream = opened(relay)
        for number, size in enumerate(sizes):
            for at, wanted in asked:
                if at == number:
                    before = len(recorder.of(stream))
                    relay.resume("g", [Want("r", "a", wanted)])
                    await settled(relay)
                    again = recorder.of(stream)[before:]
                    if wanted < number:
                        assert [part.number for part, _ in again] == list(range(wanted, number))
                    else:
                        assert [(part.number, part.flags) for part, _ in again] == [(number, Flag.ECHO)]
            stream.write(b"x" * size, number, number)
            await settled(relay)
        fresh: dict[int, bytes] = {}
        for part, data in recorder.of(stream):
            if not part.flags & Flag.ECHO:
                assert fresh.setdefault(part.number, data) == data
        assert [len(fresh[number]) for number in range(len(sizes))] == sizes

    asyncio.run(go())


@pytest.mark.anyio
async def test_whoever_asks_while_all_is_still_waiting_is_sent_each_part_once() -> None:
    recorder, relay = relaying()
    recorder.open.clear()
    stream = opened(relay)
    for number in range(10):
        stream.write(b"%d" % number, number, number)
        relay._flush_now(stream)
    await asyncio.sleep(0)
    for _ in range(1000):
        relay.resume("g", [Want("r", "a", 0)])
    assert sum(map(len, relay._again.values())) == 10
    recorder.open.set()
    await settled(relay)
    numbers = [part.number for part, _ in recorder.of(stream)]
    assert numbers[-10:] == list(range(10))
    assert len(numbers) <= 20


@pytest.mark.anyio
async def test_what_is_written_behind_what_is_sent_again_stays_behind_it() -> None:
    recorder, relay = relaying()
    stream = opened(relay)
    for number in range(3):
        stream.write(b"x" * 50_000, number, number)
        await settled(relay)
    recorder.posted.clear()
    stream.write(b"new", 3, 3)
    relay.resume("g", [Want("r", "a", 1)])
    stream.write(b"er", 4, 4)
    await settled(relay)
    assert [(part.number, len(data)) for part, data in recorder.of(stream)] == [(1, 50_000), (2, 50_000), (3, 5)]


@pytest.mark.anyio
async def test_another_attempt_shows_itself_from_its_first_part_on() -> None:
    recorder, relay = relaying()
    stream = opened(relay, attempt="b")
    for number in range(2):
        stream.write(b"x", number, number)
        await settled(relay)
    recorder.posted.clear()
    for attempt, number in (("a", 7), (None, 0)):
        relay.resume("g", [Want("r", attempt, number)])
        await settled(relay)
    assert [part.number for part, _ in recorder.of(stream)] == [0, 1, 0, 1]


@pytest.mark.anyio
async def test_of_what_it_does_not_know_a_worker_says_nothing() -> None:
    recorder, relay = relaying()
    relay.resume("g", [Want("unknown", None, 0)])
    await settled(relay)
    assert recorder.posted == []


@pytest.mark.anyio
async def test_a_gateway_that_has_moved_is_answered_where_it_asks_from() -> None:
    recorder, relay = relaying()
    opened(relay).write(b"x", 0, 0)
    await settled(relay)
    relay.resume("elsewhere", [Want("r", "a", 0)])
    await settled(relay)
    assert [to for to, _ in recorder.posted] == ["g", "elsewhere"]


@pytest.mark.anyio
async def test_after_an_outage_every_gateway_hears_how_far_its_streams_are() -> None:
    recorder, relay = relaying()
    running, ended = opened(relay, "running"), opened(relay, "ended")
    ended.write(b"all", 0, 0, Flag.LAST)
    relay.close(ended)
    running.write(b"so", 0, 0)
    await settled(relay)
    recorder.posted.clear()
    running.write(b"me", 1, 1)
    relay.announce()
    await settled(relay)
    assert [(part.number, part.flags, data) for part, data in recorder.of(running)] == [
        (1, 0, b"me"),
        (2, Flag.ECHO, b""),
    ]
    assert [(part.number, part.flags, part.head) for part, _ in recorder.of(ended)] == [(1, Flag.ECHO, HEAD)]


@pytest.mark.anyio
async def test_what_has_ended_can_be_had_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    recorder, relay = relaying()
    stream = opened(relay)
    stream.write(b"all", 0, 0, Flag.LAST)
    relay.close(stream)
    assert relay.has_ended("r")
    relay.resume("g", [Want("r", "a", 0)])
    await settled(relay)
    assert [data for _, data in recorder.of(stream)] == [b"all"]
    now += 61
    relay.close(opened(relay, "other"))
    assert not relay.has_ended("r")


@pytest.mark.anyio
async def test_what_is_kept_of_a_stream_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_PER_STREAM", 1000)
    recorder, relay = relaying()
    stream = opened(relay)
    for number in range(50):
        stream.write(b"x" * 100, number, number)
        await settled(relay)
        assert stream.kept <= 1000
    recorder.posted.clear()
    relay.resume("g", [Want("r", "a", 40)])
    await settled(relay)
    assert [part.number for part, _ in recorder.of(stream)] == list(range(40, 50))
    recorder.posted.clear()
    relay.resume("g", [Want("r", "a", 3)])  # gone: nothing is sent that could not be shown
    await settled(relay)
    assert [(part.number, part.flags) for part, _ in recorder.of(stream)] == [(50, Flag.ECHO)]


@pytest.mark.anyio
async def test_what_is_kept_of_all_that_ended_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_ENDED", 100_000)
    _, relay = relaying()
    for number in range(100):
        stream = opened(relay, f"r{number - number % 3 // 2}")  # every third comes a second time
        stream.write(b"x" * 5000, 0, 0, Flag.LAST)
        relay.close(stream)
        assert relay._ended_size == sum(one.kept + module._OVERHEAD for _, one in relay._ended.values()) <= 100_000
    assert relay.has_ended("r99")
    assert not relay.has_ended("r0")
    await settled(relay)


@pytest.mark.anyio
async def test_a_writer_waits_when_the_broker_does_not_keep_up() -> None:
    recorder, relay = relaying()
    recorder.open.clear()
    stream = opened(relay)
    stream.write(b"first")
    await asyncio.sleep(0)
    stream.write(b"x" * (1024 * 1024 + 1))
    waiting = asyncio.create_task(stream.caught_up())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    recorder.open.set()
    await asyncio.wait_for(waiting, 5)
    await settled(relay)
    assert [len(data) for _, data in recorder.of(stream)] == [5, 1024 * 1024 + 1]


@pytest.mark.anyio
async def test_an_attempt_that_only_waits_for_leave_shows_no_life() -> None:
    recorder, relay = relaying()
    waiting = relay.open("g", "r", "b")
    relay.resume("g", [Want("r", None, 0)])
    relay.announce()
    await relay.flushed()
    assert not recorder.of(waiting)
    relay.close(waiting)
    assert not relay.has_ended("r"), "it may come again and have to run"


@pytest.mark.anyio
async def test_an_attempt_that_was_replaced_is_not_how_its_response_ended() -> None:
    _, relay = relaying()
    replaced = relay.open("g", "r", "a")
    replaced.head = HEAD
    replaced.write(b"x", 0, 0, Flag.LAST)
    replaced.superseded = True
    relay.close(replaced)
    await relay.flushed()
    assert not relay.has_ended("r")
