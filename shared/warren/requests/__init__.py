"""The bodies of requests, checked before anything is done about them: what is not accepted is refused by name.

Every function takes the bytes that came and raises `InvalidRequest` with OpenAI's code and the path of the field, or
`RequestTooLarge`; never anything else. All are pure, and hold the interpreter's lock for short steps only, so that a
large body can be checked in a thread. What is checked in which order is OpenAI's: what is missing, what is unknown,
what is wrong, what does not go together.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from warren.errors import InvalidRequest
from warren.objects import Item
from warren.requests import extras
from warren.requests.bodies import (
    Body,
    Compact,
    CountTokens,
    CreateResponse,
    NewConversation,
    NewItems,
    Speaking,
    UpdateConversation,
)
from warren.requests.limits import read, weigh
from warren.requests.refusals import missing, mistyped, refusal, unknown, unsupported

__all__ = [
    "Compact",
    "CountTokens",
    "CreateResponse",
    "Frame",
    "NewConversation",
    "checked",
    "compact",
    "count",
    "create",
    "frame",
    "managed",
    "new_conversation",
    "new_items",
    "read",
    "update_conversation",
    "weigh",
]

AnyBody = TypeVar("AnyBody", bound=Body)
_SOCKET = frozenset({"type", "generate", "stream_id", "stream", "background", "stream_options"})
"""What a frame says that is no part of its request: how it comes back is settled by the socket."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`response.create` on a WebSocket."""

    wanted: CreateResponse
    generate: bool
    """False: only prepare what comes next, nothing is generated."""
    body: bytes
    """The same request as the body of `POST /v1/responses` would be, without what belongs to the socket."""


def create(body: bytes) -> CreateResponse:
    """The body of `POST /v1/responses`."""
    return checked(read(body))


def checked(given: dict[str, Any]) -> CreateResponse:
    """The fields of such a body, as `read` gives them."""
    wanted = _create(given)
    _says_something(given)
    return wanted


def frame(body: bytes) -> Frame:
    """A text frame of the WebSocket, `{"type": "response.create", …}`."""
    message = read(body)
    if message.get("type") != "response.create":
        raise InvalidRequest(
            "Unknown event type. Supported values are: 'response.create'.", param="type", code="unknown_event_type"
        )
    generate = message.get("generate")
    if generate is not None and not isinstance(generate, bool):
        raise mistyped("generate", "a boolean", generate)
    given = {name: value for name, value in message.items() if name not in _SOCKET}
    if generate is False:
        given.setdefault("input", [])  # what is only prepared need not say anything
    wanted = _create(given)
    if generate is not False:
        _says_something(given)
    return Frame(wanted, generate is not False, to_json(given))


def count(body: bytes) -> CountTokens:
    """The body of `POST /v1/responses/input_tokens`; it may be empty."""
    wanted = _read(CountTokens, read(body or b"{}"))
    _one_history(wanted)
    return wanted


def compact(body: bytes) -> Compact:
    """The body of `POST /v1/responses/compact`."""
    return _read(Compact, read(body))


def new_conversation(body: bytes) -> NewConversation:
    """The body of `POST /v1/conversations`; it may be empty."""
    return _read(NewConversation, read(body or b"{}"))


def update_conversation(body: bytes) -> dict[str, str]:
    """The metadata in the body of `POST /v1/conversations/{id}`."""
    return _read(UpdateConversation, read(body)).metadata or {}


def new_items(body: bytes) -> list[Item]:
    """The items in the body of `POST /v1/conversations/{id}/items`."""
    return _read(NewItems, read(body)).items


def managed(kind: type[AnyBody], body: bytes) -> AnyBody:
    """A body of the routes that manage keys and others; it may be empty."""
    return _read(kind, read(body or b"{}"))


def _create(given: dict[str, Any]) -> CreateResponse:
    if "model" not in given:
        raise missing("model")
    for name, now in extras.MOVED.items():
        if name in given:
            raise InvalidRequest(
                f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{now}'.",
                code="unsupported_parameter",
            )
    if "input" not in given and not _carries_on(given):
        raise missing("input")
    wanted = _read(CreateResponse, given)
    if wanted.model == "":
        raise InvalidRequest("The model must not be empty.", param="model", code="model_not_found")
    _one_history(wanted)
    _fits(wanted)
    return wanted


def _says_something(given: dict[str, Any]) -> None:
    if given.get("input") in (None, "", []) and not _carries_on(given):
        raise InvalidRequest(
            "Missing required parameter: one of 'input', 'previous_response_id', 'prompt' or 'conversation' is needed.",
            code="missing_required_parameter",
        )


def _carries_on(given: dict[str, Any]) -> bool:
    return any(given.get(name) is not None for name in ("previous_response_id", "conversation", "prompt"))


def _read(kind: type[AnyBody], given: dict[str, Any]) -> AnyBody:
    known = kind.model_fields
    for name in given:
        if name in extras.OPERATORS:
            raise unsupported(name, "where requests go is not for them to say")
        if name not in known and name not in extras.BODY:
            raise unknown(name[:128], known)
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise refusal(error) from None


def _one_history(wanted: Speaking) -> None:
    if wanted.conversation is not None and wanted.previous_response_id is not None:
        raise InvalidRequest(
            "Mutually exclusive parameters: 'conversation' and 'previous_response_id'. Provide only one of them.",
            code="mutually_exclusive_parameters",
        )


def _fits(wanted: CreateResponse) -> None:
    """What fields may not say together."""
    if wanted.background and wanted.store is False:
        raise _only("background", "'store' is true")
    if wanted.stream_options is not None and not wanted.stream:
        raise _only("stream_options", "'stream' is true", "invalid_value")
    if wanted.background_options is not None:
        _soonest(wanted, wanted.background_options)
    items = wanted.input if isinstance(wanted.input, list) else []
    for at, item in enumerate(items[:-1]):
        if item.get("type") == "compaction_trigger":
            raise InvalidRequest(
                f"Invalid 'input[{at}]': a compaction trigger must be the last item.",
                param=f"input[{at}]",
                code="invalid_value",
            )


def _soonest(wanted: CreateResponse, options: Item) -> None:
    """In the background everything runs as soon as it can, wherever that is: there is no other time to ask for."""
    path = "background_options.completion_window"
    if options.get("completion_window") in ("2h", "8h"):
        if not wanted.background:
            raise _only(path, "'background' is true", "invalid_value")
        if wanted.stream:
            raise _only(path, "'stream' is false", "invalid_value")
        if wanted.service_tier not in (None, "auto", "default"):
            raise _only(path, "'service_tier' is 'default'", "invalid_value")
        raise unsupported(path, "only 'soonest' is supported")
    if options.get("continuation_id") is not None:
        raise unsupported("background_options.continuation_id", "is not supported")


def _only(path: str, when: str, code: str = "unsupported_parameter") -> InvalidRequest:
    return InvalidRequest(f"'{path}' can only be used when {when}.", param=path, code=code)
