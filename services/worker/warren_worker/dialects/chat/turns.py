"""The order that a chat demands: what the assistant says in one go is one message, and right behind it stand the
results of its calls.
"""

from dataclasses import dataclass, field

from warren.objects import Item


@dataclass(slots=True)
class _Turn:
    """One message; the results of its calls; and what they hold that only a user may show."""

    message: Item
    results: list[Item] = field(default_factory=list)
    shown: list[Item] = field(default_factory=list)


class Turns:
    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._owners: dict[str, _Turn] = {}
        self._thoughts: Item = {}

    def think(self, thoughts: Item) -> None:
        """Fields of the message that follows: text, or lists."""
        self._thoughts = _more(self._thoughts, thoughts)

    def say(self, message: Item) -> None:
        if message["role"] != "assistant":
            self._keep_thoughts()
            self._turns.append(_Turn(message))
            return
        if self._thoughts:
            message |= _more(self._thoughts, {name: message[name] for name in self._thoughts if name in message})
            self._thoughts = {}
        last = self._turns[-1] if self._turns else None
        if last is not None and _joins(last, message):
            _join(last.message, message)
        else:
            self._turns.append(last := _Turn(message))
        for call in message.get("tool_calls", ()):
            self._owners[call["id"]] = last

    def hear(self, result: Item, shown: Item | None) -> None:
        """The result of a call, wherever it comes."""
        turn = self._owners.get(result["tool_call_id"])
        if turn is None:
            self._turns.append(turn := _Turn(result))
        else:
            turn.results.append(result)
        if shown is not None:
            turn.shown.append(shown)

    def messages(self) -> list[Item]:
        self._keep_thoughts()
        return [message for turn in self._turns for message in (turn.message, *turn.results, *turn.shown)]

    def _keep_thoughts(self) -> None:
        """What was thought and not said."""
        if self._thoughts:
            self.say({"role": "assistant", "content": ""})


def _joins(turn: _Turn, message: Item) -> bool:
    """Between a call and its result no message may stand: text after calls belongs to them, as text before does, and
    so does what was thought.
    """
    if turn.message["role"] != "assistant" or turn.results:
        return False
    return "tool_calls" in message or "tool_calls" in turn.message


def _join(assistant: Item, message: Item) -> None:
    beside = {name: value for name, value in message.items() if name not in ("role", "content", "tool_calls")}
    assistant |= _more({name: assistant[name] for name in beside if name in assistant}, beside)
    if "tool_calls" in message:
        assistant.setdefault("tool_calls", []).extend(message["tool_calls"])
    if message["content"] is None:
        return
    if assistant["content"] is None:
        assistant["content"] = message["content"]
    else:
        assistant["content"] = [*_as_parts(assistant["content"]), *_as_parts(message["content"])]


def _more(fields: Item, others: Item) -> Item:
    """Both, text below text, lists behind lists."""
    joined = dict(fields)
    for name, value in others.items():
        if name not in joined:
            joined[name] = value
        elif isinstance(value, list):
            joined[name] = [*joined[name], *value]
        else:
            joined[name] = f"{joined[name]}\n{value}"
    return joined


def _as_parts(content: str | list[Item]) -> list[Item]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
