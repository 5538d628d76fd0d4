"""Server-sent events: written here, and read here from any cut of the bytes.

Reading follows the WHATWG HTML standard (9.2, "Server-sent events"): lines end in LF, CR or CRLF and in nothing else
(not at U+2028), one byte order mark may lead, `data:` lines of one event are joined by LF.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

DONE = b"data: [DONE]\n\n"
"""What ends a stream after its last event."""


class Event(NamedTuple):
    """One event; `data` is its text as it came, still UTF-8 bytes."""

    name: str
    data: bytes


class LineTooLong(ValueError):
    """A line, or the data of one event, is longer than the reader's limit."""


def encode(event: dict[str, object]) -> bytes:
    """An event of the Responses API. Its JSON holds no raw line end, so nothing inside can start another event."""
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), to_json(event, inf_nan_mode="null"))


def since(data: bytes, after: int) -> bytes:
    """What comes behind the event with this number, of whole events as `encode` writes them."""
    for at, event in _events(data):
        if event is None or event["sequence_number"] > after:
            return data[at:]
    return b""


def rewritten(data: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """These events, whole ones as `encode` writes them, each after this change."""
    return b"".join(DONE if event is None else encode(change(event)) for _, event in _events(data))


def _events(data: bytes) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Where each event begins, and its JSON; None for the one that says that there are no more."""
    at = 0
    while at < len(data):
        end = data.index(b"\n\n", at) + 2
        yield at, None if data.startswith(DONE, at) else from_json(data[data.index(b"data: ", at) + 6 : end])
        at = end


class Reader:
    """Feed it bytes as they come; it gives the events they complete.

    `limit` bounds the bytes of a line and of an event's data.
    """

    __slots__ = ("_data", "_first", "_held", "_limit", "_name", "_pieces", "_size", "_skip")

    def __init__(self, limit: int = 4 * 1024 * 1024) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []  # of the line that has not ended yet
        self._held = 0
        self._skip = False  # the last piece ended in CR: a LF that follows belongs to it
        self._first = True
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that are complete with this piece.

        Raises:
            LineTooLong: the reader cannot be used after it.
        """
        for line in self._lines(piece):
            if line:
                self._field(line)
            elif self._data:
                yield Event(self._name or "message", b"\n".join(self._data))
                self._reset()
            else:
                self._reset()

    def _lines(self, piece: bytes) -> Iterator[bytes]:
        if self._skip and piece:
            self._skip = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._skip = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head, *rest = piece.split(b"\n")
        self._hold(head)
        for following in rest:
            yield self._clean(b"".join(self._pieces))
            self._pieces.clear()
            self._held = 0
            self._hold(following)

    def _hold(self, part: bytes) -> None:
        self._held += len(part)
        if self._held > self._limit:
            raise LineTooLong
        if part:
            self._pieces.append(part)

    def _clean(self, line: bytes) -> bytes:
        if self._first:
            self._first = False
            return line.removeprefix(b"\xef\xbb\xbf")
        return line

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._size += len(value) + 1
            if self._size > self._limit:
                raise LineTooLong
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode(errors="replace")

    def _reset(self) -> None:
        self._name = ""
        self._data = []
        self._size = 0
