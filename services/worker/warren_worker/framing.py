"""How a provider's answer is cut into events, from any cut of its bytes."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from warren import sse


class Framing(StrEnum):
    """The media types of streamed answers."""

    SSE = "text/event-stream"
    LINES = "application/x-ndjson"
    """A JSON value on each line; events have no name."""
    EVENTSTREAM = "application/vnd.amazon.eventstream"
    """Amazon's binary frames. An event's name is its `:event-type`; of an exception it is `:exception-type`, and of an
    error its `:error-code`, both behind an exclamation mark."""


class Cutter(Protocol):
    def feed(self, piece: bytes) -> Iterable[sse.Event]:
        """The events that these bytes complete.

        Raises:
            sse.LineTooLong: an event is longer than it may be.
            ValueError: this is not what it should be.
        """


def cutter(framing: Framing) -> Cutter:
    """Cuts one answer."""
    match framing:
        case Framing.SSE:
            return sse.Reader()
        case _:
            raise NotImplementedError(framing)
