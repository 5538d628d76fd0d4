"""What Cohere refuses: what its SDK's types do not allow, and what its documentation says besides."""

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

from cohere.v2.raw_client import RawV2Client
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from tests.rig.vendors import Json


def _type() -> type[BaseModel]:
    """What the SDK can send, by the signature of what sends it."""
    hints = get_type_hints(RawV2Client.chat_stream)
    given = inspect.signature(RawV2Client.chat_stream).parameters
    names = [name for name in given if name not in ("self", "request_options")]
    fields: Json = {name: (hints[name], ... if given[name].default is given[name].empty else None) for name in names}
    return create_model("Chat", __config__=ConfigDict(extra="forbid"), stream=(bool, False), **fields)


_CHAT = _type()


def wrong(body: Json) -> Iterator[str]:
    """All that is wrong with a request."""
    try:
        chat = _CHAT.model_validate(body, strict=True)
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return
    yield from _extra(chat, "")
    yield from _wrong_messages(body["messages"])
    if body.get("tool_choice") and not body.get("tools"):
        yield "tool_choice needs tools"
    if body.get("tool_choice") not in (None, "REQUIRED", "NONE"):
        yield "tool_choice is unknown"
    if (body.get("response_format") or {}).get("type") == "json_object" and body.get("tools"):
        yield "response_format is not supported with tools"
    if not 0.01 <= body.get("p", 0.75) <= 0.99:
        yield "p must be between 0.01 and 0.99"
    if body.get("presence_penalty") and body.get("frequency_penalty"):
        yield "cannot specify both frequency_penalty and presence_penalty"
    if (body.get("thinking") or {}).get("token_budget", 1) < 1:
        yield "token_budget must be positive"


def _extra(value: Any, path: str) -> Iterator[str]:
    """Fields that no type of the SDK's has; what is any JSON object is none of its types."""
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name} is unknown" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _extra(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _extra(one, f"{path}[{at}]")


def _wrong_messages(messages: list[Json]) -> Iterator[str]:
    if not any(message["role"] != "system" for message in messages):
        yield "messages must have at least one of the user's"
    open_: set[str] = set()
    for at, message in enumerate(messages):
        if not any(message.get(name) for name in ("content", "tool_calls")):
            yield f"messages[{at}]: message must not be empty in a turn"
        if message["role"] != "tool" and open_:
            yield f"messages[{at}]: tool calls without a result: {sorted(open_)}"
            open_ = set()
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_:
                yield f"messages[{at}]: a result of no call"
            open_.discard(message["tool_call_id"])
        open_ |= {call["id"] for call in message.get("tool_calls") or ()}
