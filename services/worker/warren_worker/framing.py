"""How a provider's answer is cut into events, from any cut of its bytes."""

import struct
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Protocol
from zlib import crc32

from pydantic_core import from_json, to_json

from warren import sse


class Framing(StrEnum):
    """The media types of streamed answers."""

    SSE = "text/event-stream"
    LINES = "application/x-ndjson"
    """A JSON value on each line; events have no name."""
    EVENTSTREAM = "application/vnd.amazon.eventstream"
    """Amazon's binary frames. An event's name is its `:event-type`; of an exception it is `:exception-type`, and of an
    error its `:error-code`, both behind an exclamation mark. The data of an error is `{"message": …}`."""

    @property
    def types(self) -> frozenset[str]:
        """The media types under which answers of this kind really come."""
        return _TYPES.get(self, frozenset()) | {self.value}


_TYPES = {
    Framing.LINES: frozenset({"application/ndjson", "application/jsonl", "application/jsonlines", "application/json"})
}
LIMIT = 4 * 1024 * 1024
"""Bytes of one event."""


class Cutter(Protocol):
    def feed(self, piece: bytes) -> Iterable[sse.Event]:
        """The events that these bytes complete.

        Raises:
            sse.LineTooLong: an event is longer than it may be.
            ValueError: this is not what it should be.
        """

    def end(self) -> Iterable[sse.Event]:
        """The events that are complete because nothing follows. What is not whole then was cut off, and is none."""


def cutter(framing: Framing, limit: int = LIMIT) -> Cutter:
    """Cuts one answer."""
    match framing:
        case Framing.SSE:
            return _Sse(limit)
        case Framing.LINES:
            return _Lines(limit)
        case Framing.EVENTSTREAM:
            return _Frames(limit)


class _Sse(sse.Reader):
    __slots__ = ()

    def end(self) -> Iterable[sse.Event]:
        """Without the empty line behind it, an event does not count (WHATWG HTML, 9.2.6)."""
        return ()


class _Lines:
    """Newline-delimited JSON: lines end in LF or CRLF, empty ones are nothing."""

    __slots__ = ("_limit", "_line")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._line = bytearray()

    def feed(self, piece: bytes) -> Iterator[sse.Event]:
        head, *following = piece.split(b"\n")
        self._hold(head)
        for part in following:
            yield from self._ended()
            self._hold(part)

    def end(self) -> Iterator[sse.Event]:
        """The last line may do without its end, but then it must be whole."""
        for event in self._ended():
            try:
                from_json(event.data)
            except ValueError:
                return
            yield event

    def _ended(self) -> Iterator[sse.Event]:
        line = bytes(self._line).removeprefix(b"\xef\xbb\xbf").strip()
        self._line.clear()
        if line:
            yield sse.Event("", line)

    def _hold(self, part: bytes) -> None:
        if len(self._line) + len(part) > self._limit:
            raise sse.LineTooLong
        self._line += part


_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_CHECKED = _PRELUDE.size - _CRC.size
"""Bytes of the prelude that its own checksum is over."""
_LEAST = _PRELUDE.size + _CRC.size
"""Bytes of a frame without headers and payload."""
_HEADERS = 128 * 1024
"""Bytes of headers that AWS allows."""
_SIZED = struct.Struct("!H")
_NUMBERS = {
    2: struct.Struct("!b"),
    3: struct.Struct("!h"),
    4: struct.Struct("!i"),
    5: struct.Struct("!q"),
    8: struct.Struct("!q"),
}
_UUID = 16


class _Frames:
    """Amazon's event stream encoding. Nothing of a frame is believed before its checksum is right."""

    __slots__ = ("_held", "_limit", "_total")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._total = 0  # bytes of the frame that is coming; 0: not known yet

    def feed(self, piece: bytes) -> Iterator[sse.Event]:
        self._held += piece
        while self._complete():
            frame = bytes(self._held[: self._total])
            del self._held[: self._total]
            self._total = 0
            yield _event(frame)

    def end(self) -> Iterable[sse.Event]:
        return ()

    def _complete(self) -> bool:
        if not self._total and len(self._held) >= _PRELUDE.size:
            self._total = self._announced()
        return 0 < self._total <= len(self._held)

    def _announced(self) -> int:
        total, headers, checksum = _PRELUDE.unpack_from(self._held)
        if crc32(self._held[:_CHECKED]) != checksum:
            raise ValueError("a frame's prelude is damaged")
        if headers > min(_HEADERS, total - _LEAST):
            raise ValueError("a frame's lengths contradict each other")
        if total > self._limit:
            raise sse.LineTooLong
        return int(total)


def _event(frame: bytes) -> sse.Event:
    if crc32(frame[: -_CRC.size]) != _CRC.unpack_from(frame, len(frame) - _CRC.size)[0]:
        raise ValueError("a frame is damaged")
    end = _PRELUDE.size + _PRELUDE.unpack_from(frame)[1]
    headers = _headers(frame[_PRELUDE.size : end])
    payload = frame[end : -_CRC.size]
    match headers.get(":message-type"):
        case "exception":
            return sse.Event(f"!{headers.get(':exception-type', '')}", payload)
        case "error":
            said = to_json({"message": headers.get(":error-message", "")}, inf_nan_mode="null", bytes_mode="base64")
            return sse.Event(f"!{headers.get(':error-code', '')}", said)
        case _:
            return sse.Event(str(headers.get(":event-type", "")), payload)


def _headers(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    try:
        while at < len(data):
            name, at = _taken(data, at + 1, data[at])
            if name.decode() in found:
                raise ValueError("a frame names a header twice")
            found[name.decode()], at = _value(data, at + 1, data[at])
    except (IndexError, struct.error):
        raise ValueError("a frame's headers end too early") from None
    return found


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    """A header's value, and where it ends."""
    match kind:
        case 0 | 1:
            return kind == 0, at
        case 2 | 3 | 4 | 5 | 8:
            number = _NUMBERS[kind]
            return number.unpack_from(data, at)[0], at + number.size
        case 6 | 7:
            value, end = _taken(data, at + _SIZED.size, _SIZED.unpack_from(data, at)[0])
            return (value if kind == 6 else value.decode()), end
        case 9:
            return _taken(data, at, _UUID)
        case _:
            raise ValueError("a frame's header is of no known type")


def _taken(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise ValueError("a frame's headers end too early")
    return data[at : at + size], at + size
