"""The messages of a chat, made of the items of a conversation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from warren.errors import InvalidRequest
from warren.responses import Item, items
from warren_worker.asked.unsaid import missing, unsupported
from warren_worker.dialect import Conversation
from warren_worker.dialects.chat.parts import ASSISTANT, SYSTEM, USER, output, parts
from warren_worker.dialects.chat.replay import told
from warren_worker.dialects.chat.turns import Turns
from warren_worker.tools import flat
from warren_worker.wrapping import wrapped

_CALLS = ("function_call", "custom_tool_call", "function_call_output", "custom_tool_call_output")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a server wants to be told."""

    developer: Literal["developer", "system"]
    hoists: bool
    thoughts: str | None
    instructions: str | None = None
    """Ours, behind those of the request."""


def messages(conversation: Conversation, manner: Manner) -> list[Item]:
    turns = Turns(manner.thoughts)
    for instructions in (conversation.request.get("instructions"), manner.instructions):
        if instructions:
            turns.say({"role": manner.developer, "content": instructions})
    for item, path in _placed(conversation):
        match item:
            case {"type": "reasoning"}:
                turns.think(_thought(item))
            case {"type": "function_call_output" | "custom_tool_call_output", "call_id": str(id_), "output": result}:
                turns.hear(*output(id_, result, f"{path}.output"))
            case _:
                for message in _messages(item, path, manner):
                    turns.say(message)
    said = turns.messages()
    return _hoisted(said, manner.developer) if manner.hoists else said


def _placed(conversation: Conversation) -> Iterator[tuple[Item, str]]:
    """The items, each with its path in the request."""
    request = conversation.request
    before = len(conversation.items) - len(items(request.get("input") or []))
    earlier = "conversation" if request.get("conversation") is not None else "previous_response_id"
    for at, item in enumerate(conversation.items, -before):
        yield item, f"input[{at}]" if at >= 0 else earlier


def _messages(item: Item, path: str, manner: Manner) -> list[Item]:
    match item:
        case {"type": "message", "role": str(role)} | {"role": str(role)} if item.get("type") in (None, "message"):
            return [_said(role, item.get("content"), path, manner)]
        case {"type": "function_call", "call_id": str(call_id), "name": str(name), "arguments": str(arguments)}:
            return [_called(call_id, flat(name, item.get("namespace")), arguments)]
        case {"type": "custom_tool_call", "call_id": str(call_id), "name": str(name), "input": str(text)}:
            return [_called(call_id, flat(name, item.get("namespace")), wrapped(text))]
        case {"type": "function_call_output" | "custom_tool_call_output", "call_id": None}:
            raise missing(f"{path}.call_id")
        case {"type": kind} if kind in _CALLS:
            raise InvalidRequest(f"Invalid '{path}': this {kind} is not complete.", param=path, code="invalid_type")
        case {"type": kind}:
            if (replayed := told(item, path)) is None:
                raise unsupported(f"{path}.type", f"{kind!r} items are not supported with this model")
            return replayed
        case _:
            raise missing(f"{path}.role")


def _said(role: str, content: Any, path: str, manner: Manner) -> Item:
    match role:
        case "user":
            return {"role": "user", "content": parts(content, f"{path}.content", USER)}
        case "assistant":
            return {"role": "assistant", "content": parts(content, f"{path}.content", ASSISTANT)}
        case "system" | "developer":
            return {"role": manner.developer, "content": parts(content, f"{path}.content", SYSTEM)}
        case _:
            raise InvalidRequest(
                f"Invalid value: {role!r}. Supported values are: 'user', 'assistant', 'system' and 'developer'.",
                param=f"{path}.role",
                code="invalid_value",
            )


def _called(call_id: str, name: str, arguments: str) -> Item:
    function = {"name": name, "arguments": arguments or "{}"}  # nothing at all is no JSON
    call = {"id": call_id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _thought(item: Item) -> str:
    """Reasoning as it was written, or else its summary."""
    told = item.get("content") or item.get("summary") or ()
    return "\n".join(str(part.get("text", "")) for part in told if isinstance(part, dict))


def _hoisted(said: list[Item], developer: str) -> list[Item]:
    """All that the developer says in one message at the front: many chat templates know no other place for it."""
    texts = [_text(message["content"]) for message in said if message["role"] == developer]
    rest = [message for message in said if message["role"] != developer]
    return [{"role": developer, "content": "\n\n".join(texts)}, *rest] if texts else rest


def _text(content: str | list[Item]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
