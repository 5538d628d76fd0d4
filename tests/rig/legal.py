"""What a legal event stream is."""

import json
from typing import Any

from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from warren import sse
from warren.events import fold

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def parse_sse(body: bytes) -> list[dict[str, Any]]:
    events = [event for event in sse.Reader().feed(body) if event.data != b"[DONE]"]
    return [json.loads(event.data) for event in events]


def check_stream(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The final object of a legal stream."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        if event["type"] != "keepalive":
            _EVENT.validate_python(_known(event))
    final: dict[str, Any] = events[-1]["response"]
    assert fold(events[:-1])["output"] == final["output"]
    return final


def _known(event: dict[str, Any]) -> dict[str, Any]:
    """The SDK lists the codes of OpenAI's own failures; others are read all the same, but not by its validator."""
    error = event.get("response", {}).get("error")
    if error is None:
        return event
    return {**event, "response": {**event["response"], "error": {**error, "code": "server_error"}}}
