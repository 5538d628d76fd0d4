"""A conversation as turns of two who speak by turns, and what the system says in front of it.

This is what Messages, Gemini and Converse want: turns alternate, and what the calls of a turn gave back stands right
behind it, in one turn of the user's, before anything else that he says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from warren.errors import InvalidRequest
from warren.responses import Item, items
from warren_worker.asked import blocks
from warren_worker.asked.blocks import Block, Called, Hosted, Media, Result, Said, Thought
from warren_worker.asked.replay import told
from warren_worker.asked.unsaid import missing, unsupported
from warren_worker.dialect import Conversation
from warren_worker.tools import flat
from warren_worker.wrapping import wrapped

Role = Literal["user", "assistant"]
_CALLS = frozenset({"function_call", "custom_tool_call"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


@dataclass(slots=True)
class Turn:
    role: Role
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dialogue:
    system: list[Said]
    """Instructions, and all that system and developer said anywhere."""
    turns: list[Turn]
    """None is empty, and no two in a row are of the same role. The first may be the assistant's."""


def dialogue(conversation: Conversation) -> Dialogue:
    """The conversation in turns.

    Raises:
        InvalidRequest: it holds what no turn can say; `param` is where.
    """
    made = _Making(conversation)
    for item, path in placed(conversation):
        made.take(item, path)
    return made.dialogue()


def placed(conversation: Conversation) -> Iterator[tuple[Item, str]]:
    """The items, each with its path in the request."""
    request = conversation.request
    before = len(conversation.items) - len(items(request.get("input") or []))
    earlier = "conversation" if request.get("conversation") is not None else "previous_response_id"
    for at, item in enumerate(conversation.items, -before):
        yield item, f"input[{at}]" if at >= 0 else earlier


class _Making:
    def __init__(self, conversation: Conversation) -> None:
        self._kept = conversation.kept
        instructions = conversation.request.get("instructions")
        self._system = [Said(instructions)] if instructions else []
        self._turns: list[Turn] = []
        self._results: dict[int, list[Block]] = {}  # by the number of the turn that called
        self._callers: dict[str, tuple[int, str]] = {}  # by call: that number, and what was called

    def take(self, item: Item, path: str) -> None:
        match item:
            case {"role": str(role)} if item.get("type") in (None, "message"):
                self._message(role, item.get("content"), f"{path}.content")
            case {"type": "function_call", "call_id": str(id_), "name": str(name), "arguments": str(arguments)}:
                self._call(item, id_, name, arguments or "{}")  # nothing at all is no JSON
            case {"type": "custom_tool_call", "call_id": str(id_), "name": str(name), "input": str(text)}:
                self._call(item, id_, name, wrapped(text))
            case {"type": kind, "call_id": str(id_), "output": output} if kind in _RESULTS:
                self._result(item, id_, blocks.content(output, f"{path}.output", blocks.RESULT))
            case {"type": kind, "call_id": None} if kind in _RESULTS:
                raise missing(f"{path}.call_id")
            case {"type": kind} if kind in _CALLS or kind in _RESULTS:
                raise InvalidRequest(f"Invalid '{path}': this {kind} is not complete.", param=path, code="invalid_type")
            case {"type": "reasoning"}:
                self._speak("assistant", Thought(item.get("id"), _thought(item), self._of(item)))
            case {"type": kind}:
                self._hosted(item, kind, path)
            case _:
                raise missing(f"{path}.role")

    def dialogue(self) -> Dialogue:
        turns: list[Turn] = []
        for at, turn in enumerate(self._turns):
            _add(turns, turn.role, turn.blocks)
            _add(turns, "user", self._results.get(at, []))
        return Dialogue(self._system, turns)

    def _message(self, role: str, content: Any, path: str) -> None:
        match role:
            case "user":
                self._speak("user", *blocks.content(content, path, blocks.USER))
            case "assistant":
                self._speak("assistant", *blocks.content(content, path, blocks.ASSISTANT))
            case "system" | "developer":
                self._system += (
                    said for said in blocks.content(content, path, blocks.SYSTEM) if isinstance(said, Said)
                )
            case _:
                raise InvalidRequest(
                    f"Invalid value: {role!r}. Supported values are: 'user', 'assistant', 'system' and 'developer'.",
                    param=path.removesuffix("content") + "role",
                    code="invalid_value",
                )

    def _call(self, item: Item, call_id: str, name: str, arguments: str) -> None:
        name = flat(name, item.get("namespace"))
        self._speak("assistant", Called(item.get("id"), call_id, name, arguments))
        self._callers[call_id] = len(self._turns) - 1, name

    def _result(self, item: Item, call_id: str, content: tuple[Said | Media, ...]) -> None:
        at, name = self._callers.get(call_id, (len(self._turns) - 1, ""))
        result = Result(call_id, name, content, failed=item.get("status") == "incomplete")
        self._results.setdefault(at, []).append(result)

    def _hosted(self, item: Item, kind: str, path: str) -> None:
        """What an assistant's hosted tool did stays one block; its pictures only a user can show."""
        replayed = told(item, path)
        if replayed is None:
            raise unsupported(f"{path}.type", f"{kind!r} items are not supported with this model")
        for role, said in replayed:
            if role == "assistant":
                self._speak("assistant", Hosted(item, path, said, self._of(item)))
            else:
                self._speak("user", *said)

    def _speak(self, role: Role, *said: Block) -> None:
        """Behind what was called nothing may stand before what that gave back: the assistant goes on in his turn."""
        if not said:
            return
        last = len(self._turns) - 1
        if last < 0 or self._turns[last].role != role or last in self._results:
            self._turns.append(Turn(role))
        self._turns[-1].blocks += said

    def _of(self, item: Item) -> tuple[Item, ...]:
        return tuple(self._kept.get(item.get("id") or "", ()))


def _add(turns: list[Turn], role: Role, said: list[Block]) -> None:
    if not said:
        return
    if not turns or turns[-1].role != role:
        turns.append(Turn(role))
    turns[-1].blocks += said


def _thought(item: Item) -> str:
    """Reasoning as it was written, or else its summary."""
    said = item.get("content") or item.get("summary") or ()
    return "\n".join(str(part.get("text", "")) for part in said if isinstance(part, dict))
