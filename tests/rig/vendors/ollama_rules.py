"""What Ollama refuses: what its SDK's types do not allow, or its server cannot read."""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from ollama._types import ChatRequest, Message, Options, Tool
from pydantic import BaseModel, ValidationError

from tests.rig.vendors import Json

_OF_SERVERS = {
    ChatRequest: {"truncate", "shift"},
    Message: {"tool_call_id"},
    Message.ToolCall: {"id", "type"},
    Message.ToolCall.Function: {"index"},
}
"""Fields that the server has and the SDK has not."""
_ROLES = ("system", "user", "assistant", "tool")


def wrong(body: Json) -> Iterator[str]:
    """All that is wrong with a request."""
    try:
        chat = ChatRequest.model_validate(body)
        messages = [Message.model_validate(_without_images(message)) for message in body.get("messages") or ()]
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return
    yield from _extra(chat, body, "request")
    yield from (
        f"option {name!r} is unknown" for name in (body.get("options") or {}).keys() - Options.model_fields.keys()
    )
    for at, (message, given) in enumerate(zip(messages, body.get("messages") or (), strict=True)):
        yield from _extra(message, given, f"messages[{at}]")
        yield from _wrong_message(given, f"messages[{at}]")
    for at, tool in enumerate(body.get("tools") or ()):
        if not Tool.model_validate(tool).function or not tool["function"].get("parameters"):
            yield f"tools[{at}]: no function"


def _without_images(message: Json) -> Json:
    """The SDK's type for them is what it makes base64 of."""
    return {name: value for name, value in message.items() if name != "images"}


def _wrong_message(message: Json, path: str) -> Iterator[str]:
    if message["role"] not in _ROLES:
        yield f"{path}: invalid role {message['role']!r}"
    for image in message.get("images") or ():
        try:
            b64decode(image, validate=True)
        except ValueError:
            yield f"{path}: illegal base64 data at input byte 0"


def _extra(model: BaseModel, given: Any, path: str) -> Iterator[str]:
    """Fields that neither the SDK nor the server knows."""
    known = type(model).model_fields.keys() | _OF_SERVERS.get(type(model), set())
    yield from (f"{path}.{name} is unknown" for name in given.keys() - known)
    for at, call in enumerate(getattr(model, "tool_calls", None) or ()):
        inner = given["tool_calls"][at]
        yield from _extra(call, inner, f"{path}.tool_calls[{at}]")
        yield from _extra(call.function, inner["function"], f"{path}.tool_calls[{at}].function")
