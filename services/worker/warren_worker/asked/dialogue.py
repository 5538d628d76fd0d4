"""A conversation as turns of two who speak by turns, and what the system says in front of it.

This is what Messages, Gemini and Converse want: turns alternate, and what the calls of a turn gave back stands right
behind it, in one turn of the user's, before anything else that he says.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from warren_worker.asked.blocks import Block, Called, Media, Result, Said, unmarked
from warren_worker.asked.spoken import Spoken, placed, spoken
from warren_worker.dialect import Conversation

__all__ = ["Dialogue", "Role", "Turn", "dialogue", "placed"]

Role = Literal["user", "assistant"]


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


def dialogue(conversation: Conversation, *, marks: bool = True) -> Dialogue:
    """The conversation in turns. `marks`: parts may be marked for a cache.

    Raises:
        InvalidRequest: it holds what no turn can say; `param` is where.
    """
    made = _Making(conversation.request.get("instructions"))
    for one in spoken(conversation):
        if not marks:
            _unmarked(one.blocks)
        made.take(one)
    return made.dialogue()


def _unmarked(said: Iterable[Block]) -> None:
    for block in said:
        match block:
            case Result(content=content):
                _unmarked(content)
            case Said() | Media() if block.breakpoint is not None:
                unmarked(block.path)


class _Making:
    def __init__(self, instructions: str | None) -> None:
        self._system = [Said(instructions)] if instructions else []
        self._turns: list[Turn] = []
        self._results: dict[int, list[Block]] = {}  # by the number of the turn that called
        self._callers: dict[str, int] = {}  # by call: that number
        self._called = Counter[str]()  # how often, by the id that calls came with
        self._answered = Counter[str]()

    def take(self, one: Spoken) -> None:
        match one:
            case Spoken("system", said):
                self._system += (block for block in said if isinstance(block, Said))
            case Spoken("user", (Result() as result,)):
                self._hear(replace(result, call_id=_apart(result.call_id, self._answered)))
            case Spoken("user" | "assistant" as role, said):
                self._speak(role, [self._told_apart(block) for block in said])

    def _hear(self, result: Result) -> None:
        if (caller := self._callers.get(result.call_id)) is None:
            self._speak("user", [result])
        else:
            self._results.setdefault(caller, []).append(result)

    def _told_apart(self, block: Block) -> Block:
        return replace(block, call_id=_apart(block.call_id, self._called)) if isinstance(block, Called) else block

    def dialogue(self) -> Dialogue:
        turns: list[Turn] = []
        for at, turn in enumerate(self._turns):
            _add(turns, turn.role, turn.blocks)
            _add(turns, "user", self._results.get(at, []))
        return Dialogue(self._system, turns)

    def _speak(self, role: Role, said: list[Block]) -> None:
        """Behind what was called nothing may stand before what that gave back: the assistant goes on in his turn."""
        if not said:
            return
        last = len(self._turns) - 1
        if last < 0 or self._turns[last].role != role or last in self._results:
            self._turns.append(Turn(role))
        self._turns[-1].blocks += said
        for block in said:
            if isinstance(block, Called):
                self._callers[block.call_id] = len(self._turns) - 1


def _apart(call_id: str, seen: Counter[str]) -> str:
    """An id of its own; some servers begin to count their calls anew with every answer."""
    seen[call_id] += 1
    return call_id if seen[call_id] == 1 else f"{call_id}_{seen[call_id]}"


def _add(turns: list[Turn], role: Role, said: list[Block]) -> None:
    if not said:
        return
    if not turns or turns[-1].role != role:
        turns.append(Turn(role))
    turns[-1].blocks += said
