"""Each item of a conversation, read into blocks: who says what, in the order in which it stands there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from warren.errors import InvalidRequest
from warren.objects import Item, items
from warren_worker.asked import blocks
from warren_worker.asked.blocks import Block, Called, Hosted, Media, Result, Said, Thought
from warren_worker.asked.replay import told
from warren_worker.asked.unsaid import missing, unsupported
from warren_worker.dialect import Conversation
from warren_worker.tools import flat
from warren_worker.wrapping import wrapped

_CALLS = frozenset({"function_call", "custom_tool_call"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one item says. Results are said by the user; nothing at all is said by an empty message."""

    role: Literal["system", "user", "assistant"]
    blocks: tuple[Block, ...]
    kept: tuple[Item, ...] = ()
    """What the provider wants to see again with the item, whatever it is."""


def spoken(conversation: Conversation) -> Iterator[Spoken]:
    """What the items say, one by one, but for the request's instructions.

    Raises:
        InvalidRequest: one holds what no block can say; `param` is where.
    """
    called: dict[str, str] = {}
    for item, path in placed(conversation):
        kept = tuple(conversation.kept.get(item.get("id") or "", ()))
        match item:
            case {"role": str(role)} if item.get("type") in (None, "message"):
                yield _message(role, item.get("content"), path, kept)
            case {"type": "function_call", "call_id": str(id_), "name": str(name), "arguments": str(arguments)}:
                called[id_] = name = flat(name, item.get("namespace"))
                arguments = arguments or "{}"  # nothing at all is no JSON
                yield Spoken("assistant", (Called(item.get("id"), id_, name, arguments),), kept)
            case {"type": "custom_tool_call", "call_id": str(id_), "name": str(name), "input": str(text)}:
                called[id_] = name = flat(name, item.get("namespace"))
                yield Spoken("assistant", (Called(item.get("id"), id_, name, wrapped(text)),), kept)
            case {"type": kind, "call_id": str(id_), "output": output} if kind in _RESULTS:
                content = blocks.content(output, f"{path}.output", blocks.RESULT)
                failed = item.get("status") == "incomplete"
                yield Spoken("user", (Result(id_, called.get(id_, ""), content, failed),))
            case {"type": kind, "call_id": None} if kind in _RESULTS:
                raise missing(f"{path}.call_id")
            case {"type": kind} if kind in _CALLS or kind in _RESULTS:
                raise InvalidRequest(f"Invalid '{path}': this {kind} is not complete.", param=path, code="invalid_type")
            case {"type": "reasoning"}:
                thought = Thought(item.get("id"), _thought(item), kept, raw=bool(item.get("content")))
                yield Spoken("assistant", (thought,), kept)
            case {"type": kind}:
                yield from _hosted(item, kind, path, kept)
            case _:
                raise missing(f"{path}.role")


def placed(conversation: Conversation) -> Iterator[tuple[Item, str]]:
    """The items, each with its path in the request."""
    request = conversation.request
    before = len(conversation.items) - len(items(request.get("input") or []))
    earlier = "conversation" if request.get("conversation") is not None else "previous_response_id"
    for at, item in enumerate(conversation.items, -before):
        yield item, f"input[{at}]" if at >= 0 else earlier


def _message(role: str, content: Any, path: str, kept: tuple[Item, ...]) -> Spoken:
    match role:
        case "user":
            return Spoken("user", blocks.content(content, f"{path}.content", blocks.USER))
        case "assistant":
            return Spoken(
                "assistant", _keeping(blocks.content(content, f"{path}.content", blocks.ASSISTANT), kept), kept
            )
        case "system" | "developer":
            return Spoken("system", blocks.content(content, f"{path}.content", blocks.SYSTEM))
        case _:
            raise InvalidRequest(
                f"Invalid value: {role!r}. Supported values are: 'user', 'assistant', 'system' and 'developer'.",
                param=f"{path}.role",
                code="invalid_value",
            )


def _keeping(said: tuple[Said | Media, ...], kept: tuple[Item, ...]) -> tuple[Said | Media, ...]:
    if not kept or not said or not isinstance(last := said[-1], Said):
        return said
    return (*said[:-1], replace(last, kept=kept))


def _hosted(item: Item, kind: str, path: str, kept: tuple[Item, ...]) -> Iterator[Spoken]:
    """What an assistant's hosted tool did stays one block; its pictures only a user can show."""
    replayed = told(item, path)
    if replayed is None:
        raise unsupported(f"{path}.type", f"{kind!r} items are not supported with this model")
    for role, said in replayed:
        if role == "assistant":
            yield Spoken("assistant", (Hosted(item, path, said, kept),), kept)
        else:
            yield Spoken("user", said)


def _thought(item: Item) -> str:
    """Reasoning as it was written, or else its summary."""
    said = item.get("content") or item.get("summary") or ()
    return "\n".join(str(part.get("text", "")) for part in said if isinstance(part, dict))
