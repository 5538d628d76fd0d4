"""Following a detached response: whole events, each once and in order, from wherever one begins, whoever is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from tests.rig.legal import check_stream, parse_sse
from warren import objects, sse
from warren.bus import LEDGER_ASK, LOGGED, Bus, Delivery
from warren.bus.memory import MemoryBroker
from warren.contracts import Fetch, Fetched, Flag, Head, Locate, Located, Logged, Message, Part, Tail, Tailed
from warren.errors import LedgerUnavailable, NotFound
from warren_gateway import tail
from warren_gateway.tail import Logs, follow, following, obfuscated, replayed

pytestmark = pytest.mark.anyio


class Ledger:
    """What a ledger says of one response, whose log is grown by hand."""

    def __init__(self, *, most: int = 2) -> None:
        self.parts: list[tuple[Part, bytes]] = []
        self.asked: list[int] = []
        self.kept = True
        self.found = True
        self.stored: bytes | None = None
        self._most = most

    async def answer(self, delivery: Delivery) -> Message:
        match delivery.message:
            case Tail(after=after):
                self.asked.append(after)
                behind = [one for one in self.parts if max(one[0].first, one[0].last) > after][: self._most]
                return Tailed(
                    found=self.found,
                    kept=self.kept,
                    background=True,
                    stream=True,
                    parts=tuple(part for part, _ in behind),
                    payload=b"".join(data for _, data in behind),
                )
            case Locate():
                return Located(found=True, status="completed")
            case Fetch():
                return Fetched(found=self.stored is not None, payload=self.stored or b"")
        raise AssertionError(delivery.message.kind)

    def log(self, first: int, last: int, *, ends: bool = False, attempt: str = "a") -> None:
        data = b"".join(event(number) for number in range(first, last + 1)) + (sse.DONE if ends else b"")
        flags = Flag.LAST if ends else Flag.NONE
        self.parts.append((Part("r", attempt, len(self.parts), first, last, len(data), int(flags)), data))


def event(number: int) -> bytes:
    return sse.encode({"type": "response.output_text.delta", "delta": f"w{number}\n\n", "sequence_number": number})


def events(first: int, last: int) -> bytes:
    return b"".join(event(number) for number in range(first, last + 1)) + sse.DONE


@asynccontextmanager
async def world(ledger: Ledger | None) -> AsyncIterator[tuple[Bus, Logs, Bus]]:
    """A gateway's bus and logs, and the ledger's bus."""
    broker = MemoryBroker()
    async with broker.open() as gateway, broker.open() as other, following(gateway) as logs:
        if ledger is None:
            yield gateway, logs, other
            return
        async with other.serve(LEDGER_ASK, ledger.answer, limit=8):
            yield gateway, logs, other


async def read(bus: Bus, logs: Logs, after: int = -1, first: Tailed | None = None) -> bytes:
    return b"".join([piece.data async for piece in follow(bus, logs, "r", "acme", after=after, first=first)])


@given(
    st.lists(st.integers(1, 30), max_size=6),
    st.integers(-1, 29),
    st.integers(1, 4),
)
def test_what_is_behind_an_event_is_read_wherever_the_parts_are_cut(cuts: list[int], after: int, most: int) -> None:
    ledger = Ledger(most=most)
    edges = sorted({0, *cuts, 31})
    for start, end in pairwise(edges):
        ledger.log(start, end - 1, ends=end == edges[-1])

    async def run() -> bytes:
        async with world(ledger) as (bus, logs, _):
            return await read(bus, logs, after)

    assert asyncio.run(run()) == events(after + 1, 30)


async def test_what_comes_later_is_read_when_it_is_told() -> None:
    ledger = Ledger()
    ledger.log(0, 1)
    async with world(ledger) as (bus, logs, other):
        reading = asyncio.create_task(read(bus, logs))
        while len(ledger.asked) < 2:
            await asyncio.sleep(0)
        ledger.log(2, 5)
        await other.tell(LOGGED, Logged(response_ids=("else", "r")))
        while ledger.asked[-1] < 5:
            await asyncio.sleep(0)
        ledger.log(6, 6, ends=True, attempt="b")
        await other.tell(LOGGED, Logged(response_ids=("r",)))
        assert await reading == events(0, 6)
        assert not logs._followers, "who has left is not remembered"


async def test_what_nobody_tells_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "POLL", 0.01)
    ledger = Ledger()
    async with world(ledger) as (bus, logs, _):
        reading = asyncio.create_task(read(bus, logs))
        while not ledger.asked:
            await asyncio.sleep(0)
        ledger.log(0, 3, ends=True)
        assert await reading == events(0, 3)


async def test_what_was_read_before_is_not_asked_for_again() -> None:
    ledger = Ledger()
    ledger.log(0, 3)
    ledger.log(4, 6, ends=True)
    async with world(ledger) as (bus, logs, _):
        first = await bus.call(LEDGER_ASK, Tail(response_id="r", account="acme"))
        assert isinstance(first, Tailed)
        ledger.asked.clear()
        assert await read(bus, logs, first=first) == events(0, 6)
        assert ledger.asked == []


async def test_a_log_that_grew_before_anybody_watched_is_read_without_a_nudge() -> None:
    ledger = Ledger()
    async with world(ledger) as (bus, logs, _):
        first = await bus.call(LEDGER_ASK, Tail(response_id="r", account="acme"))
        assert isinstance(first, Tailed)
        ledger.log(0, 0, ends=True)
        async with asyncio.timeout(tail.POLL / 2):
            assert await read(bus, logs, first=first) == events(0, 0)


async def test_who_has_seen_the_last_event_is_told_that_it_was_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "POLL", 0.01)
    ledger = Ledger()
    ledger.log(0, 3, ends=True)
    async with world(ledger) as (bus, logs, _):
        first = await bus.call(LEDGER_ASK, Tail(response_id="r", account="acme", after=2))
        assert isinstance(first, Tailed)
        assert await read(bus, logs, after=3, first=first) == sse.DONE
        assert await read(bus, logs, after=1000) == sse.DONE


async def test_a_json_answer_is_one_piece_with_its_status() -> None:
    ledger = Ledger()
    head = Head(status=429, headers={"retry-after": "3"}, worker="w")
    ledger.parts.append((Part("r", "a", 0, 0, -1, 5, int(Flag.LAST), head), b'{"a"}'))
    async with world(ledger) as (bus, logs, _):
        pieces = [piece async for piece in follow(bus, logs, "r", "acme")]
    assert pieces == [tail.Piece(b'{"a"}', head, last=True)]


async def test_a_ledger_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_ANSWER", 0.01)
    ledger = Ledger()
    ledger.log(0, 2, ends=True)
    async with world(None) as (bus, logs, other):
        reading = asyncio.create_task(read(bus, logs))
        await asyncio.sleep(0.05)
        async with other.serve(LEDGER_ASK, ledger.answer, limit=8):
            assert await reading == events(0, 2)


async def test_a_ledger_that_does_not_come_back_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_ANSWER", 0.01)
    monkeypatch.setattr(tail, "PATIENCE", 0.02)
    async with world(None) as (bus, logs, _):
        with pytest.raises(LedgerUnavailable):
            await read(bus, logs)


async def test_what_is_not_there_is_not_followed() -> None:
    ledger = Ledger()
    ledger.found = False
    async with world(ledger) as (bus, logs, _):
        with pytest.raises(NotFound):
            await read(bus, logs)


async def test_a_gateway_that_closes_ends_nothing() -> None:
    ledger = Ledger()
    ledger.log(0, 1)
    async with world(ledger) as (bus, logs, _):
        reading = asyncio.create_task(read(bus, logs))
        while len(ledger.asked) < 2:
            await asyncio.sleep(0)
        logs.close()
        assert await reading == events(0, 1).removesuffix(sse.DONE)


RESPONSE = objects.blank({"model": "m", "input": "x", "background": True}, response_id="resp_1", created_at=1.0) | {
    "status": "completed",
    "completed_at": 2,
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": [], "logprobs": []}],
        }
    ],
}


async def test_a_response_without_a_log_is_told_from_its_end() -> None:
    ledger = Ledger()
    ledger.kept, ledger.stored = False, to_json(RESPONSE)
    async with world(ledger) as (bus, logs, _):
        stream = await read(bus, logs)
        assert check_stream(parse_sse(stream)) == RESPONSE
        rest = await read(bus, logs, after=3)
        assert stream.endswith(rest)
        assert parse_sse(rest)[0]["sequence_number"] == 4
        assert await read(bus, logs, after=1000) == sse.DONE


def test_what_has_not_ended_is_not_told_as_if_it_had() -> None:
    with pytest.raises(LedgerUnavailable):
        replayed(to_json(RESPONSE | {"status": "in_progress"}), -1)


async def test_obfuscation_is_added_and_taken_away_and_changes_nothing_else() -> None:
    ledger = Ledger()
    ledger.log(0, 9, ends=True)
    async with world(ledger) as (bus, logs, _):
        added = b"".join([one.data async for one in obfuscated(follow(bus, logs, "r", "a"), wanted=True)])
    read_ = [from_json(one.data) for one in sse.Reader().feed(added) if one.data != b"[DONE]"]
    assert all(isinstance(one["obfuscation"], str) and one["obfuscation"] for one in read_)
    assert len({len(one["obfuscation"]) for one in read_}) > 1, "they hide how long a delta is"
    ledger.parts = [(Part("r", "a", 0, 0, 9, len(added), int(Flag.LAST)), added)]
    async with world(ledger) as (bus, logs, _):
        taken = b"".join([one.data async for one in obfuscated(follow(bus, logs, "r", "a"), wanted=False)])
    assert taken == events(0, 9)
