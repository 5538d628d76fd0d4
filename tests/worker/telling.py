"""What providers send, as deltas and as bytes, and what becomes of it."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from pydantic_core import from_json, to_json

from warren import sse
from warren.objects import blank
from warren_worker.assembler import Assembler
from warren_worker.dialect import Delta, Reader

REQUEST: dict[str, Any] = {"model": "m", "input": "hi"}


def assembler(request: dict[str, Any] = REQUEST, **more: Any) -> Assembler:
    numbers = count()
    response = blank(REQUEST, response_id="resp_1", created_at=1)
    return Assembler(response, request=request, new_id=lambda prefix: f"{prefix}_{next(numbers)}", **more)


def wire(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """As they look when they are sent: what changes later is not seen."""
    sent: list[dict[str, Any]] = from_json(to_json(list(events)))
    return sent


def fed(reader: Reader, events: Iterable[Any]) -> Iterator[Delta]:
    """What a reader makes of events; text stands for itself."""
    for event in events:
        data = event if isinstance(event, bytes) else event.encode() if isinstance(event, str) else to_json(event)
        yield from reader.feed(sse.Event("message", data))
