"""The frames of a WebSocket, and what a socket remembers between them. Pure."""

from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json, to_json

from warren import requests
from warren.errors import InvalidRequest, WarrenError
from warren.objects import Item, blank, items
from warren.requests.items import kind
from warren.routing import knobs as steering
from warren_gateway.orders import Order

CREATE = "response.create"
_LONGEST_LANE = 128


@dataclass(frozen=True, slots=True)
class Memory:
    """The latest response of a socket, if nobody else has it: it is not stored, or nothing was generated for it."""

    response_id: str
    said: bytes
    """Items of its input and output and of what came before it, a JSON array …"""
    base: str | None = None
    """… from this stored response on."""


def opened(data: bytes) -> Item:
    """The JSON object of a frame.

    Raises:
        InvalidRequest, RequestTooLarge: it is none, or too much.
    """
    requests.weigh(data)
    try:
        message = from_json(data)
    except ValueError as error:
        raise InvalidRequest(f"We could not parse the JSON of this frame: {error}.", code="invalid_json") from None
    if not isinstance(message, dict):
        raise InvalidRequest("A frame must be a JSON object.", code="invalid_json")
    return message


def given(message: Item, name: str) -> Any:
    """A field of a frame, wherever that has its fields."""
    nested = message.get("response")
    return message.get(name, nested.get(name) if isinstance(nested, dict) else None)


def lane(message: Item) -> str | None:
    """What all events of an answer shall repeat, so that a client can tell its requests apart.

    Raises:
        InvalidRequest: it is no name.
    """
    match given(message, "stream_id"):
        case None:
            return None
        case str() as name if 0 < len(name) <= _LONGEST_LANE:
            return name
    raise InvalidRequest("Invalid 'stream_id': expected a short string.", param="stream_id", code="invalid_type")


def order(data: bytes, message: Item, model: str | None) -> Order:
    """The request in a frame. Its fields stand beside `type`, or, as LiteLLM has it, under `response`.

    `model` is that of the socket's address; a frame that names one wins.

    Raises:
        InvalidRequest: it asks for something else, or for nothing that can be served.
    """
    asked = message.get("type")
    if asked != CREATE:
        told = f"'{asked[:100]}'" if isinstance(asked, str) else "none"
        raise InvalidRequest(
            f"Unknown event type: {told}. Supported values are: '{CREATE}'.", param="type", code="unknown_event_type"
        )
    nested = message.get("response")
    if isinstance(nested, dict):
        message = {**nested, **{name: value for name, value in message.items() if name != "response"}}
    if message.get("background"):
        raise InvalidRequest(
            "Unsupported parameter: 'background' is not supported over WebSocket.",
            param="background",
            code="unsupported_parameter",
        )
    if message.get("model") is None and model is not None:
        message = {**message, "model": model}
        nested = message
    message = dict(message)
    knobs, changed = steering.taken(message)
    frame = requests.frame(to_json(message) if changed or isinstance(nested, dict) else data)
    return Order(frame.wanted, frame.body, frame.generate, knobs)


def continued(made: Order, memory: Memory) -> Order:
    """A request to be stored that follows what only its socket remembers: it brings that along as its own input, or
    what is stored would have a hole.
    """
    request = from_json(made.body)
    request["input"] = from_json(memory.said) + items(request.get("input") or [])
    request["previous_response_id"] = memory.base
    body = to_json(request)
    return replace(made, wanted=requests.create(body), body=body)


def resolved(made: Order, found: dict[str, Item]) -> Order:
    """The request with these items in place of references to them: what they name may be known to this socket alone,
    and is not looked up again when it is history.
    """
    request = from_json(made.body)
    request["input"] = [found[item["id"]] if is_reference(item) else item for item in request["input"]]
    body = to_json(request)
    return replace(made, wanted=requests.create(body), body=body)


def is_reference(item: Item) -> bool:
    return bool(kind(item) == "item_reference")


def said(made: Order, output: list[Item], before: Memory | None = None) -> bytes:
    """What a request and its answer add to a memory, behind what was there."""
    own = to_json(items(made.wanted.input or []) + output)
    return own if before is None else joined(before.said, own)


def joined(first: bytes, second: bytes) -> bytes:
    """One JSON array of two."""
    if (head := first.strip()[1:-1].strip()) and (tail := second.strip()[1:-1].strip()):
        return b"[" + head + b"," + tail + b"]"
    return first if head else second


def prepared(made: Order, response_id: str, now: float) -> list[Item]:
    """The events of a request for which nothing is generated."""
    started = blank(from_json(made.body), response_id=response_id, created_at=now)
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, **details}
    ended = {**started, "status": "completed", "completed_at": int(now), "usage": usage}
    return [
        {"type": "response.created", "sequence_number": 0, "response": started},
        {"type": "response.completed", "sequence_number": 1, "response": ended},
    ]


def refusal(error: WarrenError, name: str | None) -> str:
    """What a frame is answered with that is not served. The socket stays open."""
    frame: dict[str, Any] = {"type": "error", "status": error.status, "error": error.detail()}
    if name is not None:
        frame["stream_id"] = name
    return to_json(frame).decode()


def event(data: bytes, name: str | None) -> str:
    """An event of the stream as a frame."""
    text = data.decode()
    return text if name is None else f'{{"stream_id":{to_json(name).decode()},{text[1:]}'
