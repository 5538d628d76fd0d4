"""Answers cut into events: any stream, cut anywhere, reads the same, and what is damaged is a clean error."""

import json
from itertools import pairwise
from struct import pack
from typing import Any
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from warren.sse import Event, LineTooLong
from warren_worker.framing import Framing, cutter

VALUES = st.one_of(
    st.booleans(),
    st.tuples(st.just(2), st.integers(-(2**7), 2**7 - 1)),
    st.tuples(st.just(3), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just(4), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from([5, 8]), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.sampled_from([6]), st.binary(max_size=20)),
    st.tuples(st.just(7), st.text(max_size=20)),
    st.tuples(st.just(9), st.binary(min_size=16, max_size=16)),
)
NAMES = st.text(max_size=12) | st.sampled_from([":message-type", ":event-type", ":exception-type", ":error-code"])
KINDS = st.sampled_from([(7, "event"), (7, "exception"), (7, "error")])
FRAMES = st.lists(
    st.tuples(st.dictionaries(NAMES, VALUES, max_size=5), st.none() | KINDS, st.binary(max_size=50)), max_size=4
)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def cut(wire: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(one, len(wire)) for one in at), len(wire)]
    return [wire[start:end] for start, end in pairwise(edges)]


def read(framing: Framing, pieces: list[bytes], limit: int = 1 << 20) -> list[Event]:
    reader = cutter(framing, limit)
    found = [event for piece in pieces for event in reader.feed(piece)]
    return [*found, *reader.end()]


def header(name: str, value: Any) -> bytes:
    match value:
        case bool():
            kind, data = (0 if value else 1), b""
        case (kind, int(number)):
            data = pack({2: "!b", 3: "!h", 4: "!i", 5: "!q", 8: "!q"}[kind], number)
        case (9 as kind, bytes(data)):
            pass
        case (kind, str() | bytes() as given):
            data = given.encode() if isinstance(given, str) else given
            data = pack("!H", len(data)) + data
        case _:
            raise AssertionError(value)
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + data


def frame(headers: dict[str, Any], payload: bytes = b"") -> bytes:
    return sealed(b"".join(header(name, value) for name, value in headers.items()), payload)


def sealed(headers: bytes, payload: bytes = b"") -> bytes:
    head = pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = head + pack("!I", crc32(head)) + headers + payload
    return message + pack("!I", crc32(message))


def frames(given: list[tuple[dict[str, Any], Any, bytes]]) -> bytes:
    return b"".join(
        frame(headers if kind is None else {**headers, ":message-type": kind}, payload)
        for headers, kind, payload in given
    )


def as_amazon_reads(pieces: list[bytes]) -> list[tuple[dict[str, Any], bytes]]:
    buffer = EventStreamBuffer()
    found = []
    for piece in pieces:
        buffer.add_data(piece)
        found += [(message.headers, message.payload) for message in buffer]
    return found


def told(headers: dict[str, Any], payload: bytes) -> Event:
    match headers.get(":message-type"):
        case "exception":
            return Event(f"!{headers.get(':exception-type', '')}", payload)
        case "error":
            return Event(f"!{headers.get(':error-code', '')}", b'{"message":""}')
        case _:
            return Event(str(headers.get(":event-type", "")), payload)


@given(FRAMES, CUTS)
def test_frames_read_as_amazons_own_reader_reads_them(
    given: list[tuple[dict[str, Any], Any, bytes]], at: list[int]
) -> None:
    wire = frames(given)
    expected = [told(*message) for message in as_amazon_reads([wire])]
    assert len(expected) == len(given)
    assert read(Framing.EVENTSTREAM, cut(wire, at)) == expected
    assert read(Framing.EVENTSTREAM, [wire[i : i + 1] for i in range(len(wire))]) == expected


@given(FRAMES, CUTS, st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=3))
def test_damaged_frames_are_an_error_or_what_amazon_reads(
    given: list[tuple[dict[str, Any], Any, bytes]], at: list[int], damage: list[tuple[int, int]]
) -> None:
    wire = bytearray(frames(given) or frame({}))
    for place, change in damage:
        wire[place % len(wire)] ^= change
    try:
        found = read(Framing.EVENTSTREAM, cut(bytes(wire), at))
    except ValueError:
        return
    assert found == [told(*message) for message in as_amazon_reads([bytes(wire)])]


@given(st.binary(max_size=80))
def test_any_headers_under_a_right_checksum_are_read_or_refused(headers: bytes) -> None:
    wire = sealed(headers, b"{}")
    try:
        found = read(Framing.EVENTSTREAM, [wire])
    except ValueError:
        return
    assert found == [told(*message) for message in as_amazon_reads([wire])]


@given(st.binary(max_size=200), CUTS, st.sampled_from(Framing))
def test_any_bytes_are_events_or_a_clean_error(wire: bytes, at: list[int], framing: Framing) -> None:
    for pieces in ([wire], cut(wire, at)):
        try:
            read(framing, pieces)
        except ValueError:
            continue


def test_exceptions_and_errors_carry_their_names_and_words() -> None:
    wire = frame(
        {":message-type": (7, "exception"), ":exception-type": (7, "throttlingException")}, b'{"message":"slow"}'
    ) + frame({":message-type": (7, "error"), ":error-code": (7, "Internal"), ":error-message": (7, "“x”")})
    assert read(Framing.EVENTSTREAM, [wire]) == [
        Event("!throttlingException", b'{"message":"slow"}'),
        Event("!Internal", '{"message":"“x”"}'.encode()),
    ]


@pytest.mark.parametrize("framing", [Framing.LINES, Framing.EVENTSTREAM, Framing.SSE])
def test_an_event_has_a_longest(framing: Framing) -> None:
    piece = {
        Framing.LINES: b"x" * 10_000,
        Framing.SSE: b"x" * 10_000,
        Framing.EVENTSTREAM: frame({}, b"x" * 100_000)[:10_000],
    }[framing]
    with pytest.raises(LineTooLong):
        read(framing, [piece, *[b"x" * 10_000] * 10], limit=50_000)


def test_a_frame_that_is_announced_as_huge_is_refused_before_it_comes() -> None:
    head = pack("!II", 2**32 - 1, 0)
    with pytest.raises(LineTooLong):
        read(Framing.EVENTSTREAM, [head + pack("!I", crc32(head))])


@pytest.mark.parametrize(("total", "headers"), [(0, 0), (15, 0), (16, 1), (200_000, 131_073), (20, 2**32 - 1)])
def test_lengths_that_cannot_be_are_refused(total: int, headers: int) -> None:
    head = pack("!II", total, headers)
    with pytest.raises(ValueError, match="contradict"):
        read(Framing.EVENTSTREAM, [head + pack("!I", crc32(head)) + bytes(100)])


def test_a_header_may_be_there_once() -> None:
    once = header("a", (3, 7))
    with pytest.raises(ValueError, match="twice"):
        read(Framing.EVENTSTREAM, [sealed(once + once)])


def test_a_frame_that_does_not_end_is_none() -> None:
    wire = frame({":event-type": (7, "a")}, b"1") + frame({":event-type": (7, "b")}, b"2")
    assert read(Framing.EVENTSTREAM, [wire[:-1]]) == [Event("a", b"1")]


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text() | st.integers(), max_size=3), max_size=5),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    CUTS,
    st.booleans(),
)
def test_lines_are_whole_json_wherever_they_are_cut(
    values: list[dict[str, Any]], end: str, at: list[int], ended: bool
) -> None:
    wire = end.join(json.dumps(value, ensure_ascii=False) for value in values).encode(errors="replace")
    pieces = cut(wire + end.encode() * ended, at)
    assert [json.loads(event.data) for event in read(Framing.LINES, pieces)] == [
        json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace")) for value in values
    ]


def test_the_last_line_needs_no_end_but_must_be_whole() -> None:
    assert read(Framing.LINES, [b'{"a":1}\n{"b"', b":2}"]) == [Event("", b'{"a":1}'), Event("", b'{"b":2}')]
    assert read(Framing.LINES, [b'{"a":1}\n{"b"', b":"]) == [Event("", b'{"a":1}')]


def test_a_byte_order_mark_and_separators_within_text_are_no_ends_of_lines() -> None:
    line = '{"a":"\u2028\u0085\x0b"}'.encode()
    assert read(Framing.LINES, [b"\xef\xbb\xbf" + line + b"\r\n"]) == [Event("", line)]


def test_an_event_of_a_stream_that_ends_inside_it_is_none() -> None:
    assert read(Framing.SSE, [b"data: 1\n\ndata: 2\n"]) == [Event("message", b"1")]
