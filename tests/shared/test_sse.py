"""Server-sent events: any stream, cut anywhere, reads the same."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.sse import DONE, Event, LineTooLong, Reader, encode, rewritten, since

EVENTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("response.x")},
        optional={"delta": st.text(), "n": st.integers(), "deep": st.lists(st.text(max_size=5), max_size=3)},
    ),
    max_size=5,
)
LINES = st.lists(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["", "", "data:", "data: a", "data", "data:b ", "event: e", "event:e", ": note", "id: 7", "x:y"]),
    max_size=12,
)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def cut(wire: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(one, len(wire)) for one in at), len(wire)]
    return [wire[start:end] for start, end in pairwise(edges)]


def read(pieces: list[bytes], limit: int = 1 << 20) -> list[Event]:
    reader = Reader(limit)
    return [event for piece in pieces for event in reader.feed(piece)]


def plainly(lines: list[str]) -> Iterator[Event]:
    """The standard's algorithm, slow and obvious, over lines that are split already."""
    name = ""
    data: list[str] = []
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(name or "message", "\n".join(data).encode())
            name, data = "", []
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value


@given(EVENTS, CUTS)
def test_events_read_as_they_were_written_wherever_the_bytes_are_cut(
    events: list[dict[str, Any]], at: list[int]
) -> None:
    wire = b"".join(map(encode, events)) + DONE
    *found, done = read(cut(wire, at))
    assert [json.loads(event.data) for event in found] == events
    assert {event.name for event in found} <= {"response.x"}
    assert done == Event("message", b"[DONE]")


@given(LINES, st.sampled_from(["\n", "\r", "\r\n"]), CUTS, st.booleans())
def test_any_text_reads_as_the_standard_says(lines: list[str], end: str, at: list[int], mark: bool) -> None:
    if lines and lines[0].startswith("\ufeff"):
        lines = ["", *lines]
    wire = ("\ufeff" * mark + "".join(line + end for line in lines)).encode()
    expected = list(plainly(lines))
    assert read(cut(wire, at)) == expected
    assert read([wire[i : i + 1] for i in range(len(wire))]) == expected


@given(st.binary(max_size=300), CUTS)
def test_any_bytes_read_the_same_wherever_they_are_cut(wire: bytes, at: list[int]) -> None:
    assert read(cut(wire, at)) == read([wire])


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (b"data:a\n\n", [Event("message", b"a")]),
        (b"data:  a\n\n", [Event("message", b" a")]),
        (b"data: a\ndata: b\n\n", [Event("message", b"a\nb")]),
        (b"data\n\n", [Event("message", b"")]),
        (b"event: e\n\ndata: a\n\n", [Event("message", b"a")]),
        (b"event: e\r\ndata: a\r\n\r\n", [Event("e", b"a")]),
        (b"event: e\rdata: a\r\r", [Event("e", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("message", b"a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event("message", b"a")]),
        (b": comment\n\n:\n\ndata: a\n\n", [Event("message", b"a")]),
        (b"id: 1\nretry: 5\n\ndata: a\n\n", [Event("message", b"a")]),
        (
            "data: a\u2028b\u2029c\x85d\x0b\x0c\n\n".encode(),
            [Event("message", "a\u2028b\u2029c\x85d\x0b\x0c".encode())],
        ),
        (b"data: \xff\xfe\x00\n\n", [Event("message", b"\xff\xfe\x00")]),
        (b"event: \xff\ndata: a\n\n", [Event("\ufffd", b"a")]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"", []),
    ],
)
def test_what_the_standard_says(wire: bytes, events: list[Event]) -> None:
    assert read([wire]) == events
    assert read([wire[i : i + 1] for i in range(len(wire))]) == events


def test_no_text_can_start_another_event() -> None:
    wire = encode({"type": "t", "delta": "a\n\nevent: x\ndata: {}\r\r\u2028"})
    assert wire.count(b"\n") == 3
    assert b"\r" not in wire
    assert wire.endswith(b"\n\n")


def test_what_json_cannot_say_is_null() -> None:
    assert encode({"type": "t", "logprob": float("-inf")}) == b'event: t\ndata: {"type":"t","logprob":null}\n\n'


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_without_an_end_is_refused_at_the_limit(size: int) -> None:
    reader = Reader(limit=100)
    for _ in range(100 // size):
        list(reader.feed(b"x" * size))
    with pytest.raises(LineTooLong):
        list(reader.feed(b"x" * size))


def test_an_event_of_many_lines_is_refused_at_the_limit() -> None:
    reader = Reader(limit=100)
    assert list(reader.feed(b"data: aaaa\n" * 20)) == []
    with pytest.raises(LineTooLong):
        list(reader.feed(b"data: aaaa\n"))


def test_the_limit_is_for_one_event_not_for_the_stream() -> None:
    reader = Reader(limit=100)
    assert sum(len(list(reader.feed(b"event: e\ndata: " + b"a" * 80 + b"\n\n"))) for _ in range(1000)) == 1000


def test_work_grows_with_the_bytes_and_not_with_the_pieces_times_the_line() -> None:
    """Counts what is called and how large a buffer it is called on: nothing is looked at twice."""
    pieces = [b"d", b"a", b"t", b"a", b":", *[b"x"] * 20_000, b"\n", b"\n"]
    calls: Counter[str] = Counter()

    def profile(frame: Any, event: str, called: Any) -> None:
        if event == "c_call":
            calls["calls"] += 1
            calls[called.__name__] += 1
            if isinstance(owner := getattr(called, "__self__", None), bytes):
                calls["bytes"] += len(owner)

    reader, found = Reader(), []
    sys.setprofile(profile)
    try:
        for piece in pieces:
            found += list(reader.feed(piece))
    finally:
        sys.setprofile(None)
    assert found == [Event("message", b"x" * 20_000)]
    assert calls["join"] <= 4
    assert calls["calls"] < 20 * len(pieces)
    assert calls["bytes"] < 10 * len(pieces)


@given(st.lists(st.text(), max_size=8), st.integers(-1, 20), st.integers(0, 5), st.booleans())
def test_what_is_behind_an_event_begins_with_the_next_one(
    texts: list[str], after: int, start: int, ended: bool
) -> None:
    events = [
        encode({"type": "t", "delta": text, "sequence_number": number, "more": "data: x"})
        for number, text in enumerate(texts, start)
    ]
    end = [DONE] if ended else []
    behind = events[max(0, after + 1 - start) :]
    assert since(b"".join(events + end), after) == b"".join(behind + end)


@given(EVENTS)
def test_events_are_rewritten_one_by_one(events: list[dict[str, Any]]) -> None:
    wire = b"".join(map(encode, events)) + DONE
    assert rewritten(wire, dict) == wire
    changed = rewritten(wire, lambda event: {"type": event["type"]})
    assert changed == encode({"type": "response.x"}) * len(events) + DONE
