"""What was asked and answered, in a span: of accounts that the settings name, if the convention's variable says so."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from opentelemetry.trace import Span
from pydantic_core import to_json

from warren.objects import Item
from warren.settings import Complaint
from warren.telemetry.conventions import CAPTURE, DETAILS, named

MOST = 32 * 1024
"""Bytes that what was asked may take, and what was answered. Of more, the latest is told, and that it is not all."""
_PLACES: Mapping[str, frozenset[Literal["span", "event"]]] = {
    "NO_CONTENT": frozenset(),
    "SPAN_ONLY": frozenset({"span"}),
    "EVENT_ONLY": frozenset({"event"}),
    "SPAN_AND_EVENT": frozenset({"span", "event"}),
}


class _Allowed:
    accounts: frozenset[str] = frozenset()
    places: frozenset[Literal["span", "event"]] = frozenset()


def allow(accounts: Iterable[str], environ: Mapping[str, str] = os.environ) -> None:
    """From now on, what these accounts ask and are answered is told where the variable says.

    Raises:
        Complaint: it says something else.
    """
    said = environ.get(CAPTURE) or "NO_CONTENT"
    if said.upper() not in _PLACES:
        raise Complaint(f"{CAPTURE}: {said!r} is none of {', '.join(_PLACES)}")
    _Allowed.accounts, _Allowed.places = frozenset(accounts), _PLACES[said.upper()]


def tell(
    span: Span, account: str, instructions: Any, asked: Sequence[Item], answered: Sequence[Item], finish: str
) -> None:
    """Add what was asked and answered, if that may be told."""
    if not (_Allowed.places and account in _Allowed.accounts and span.is_recording()):
        return
    said, all_asked = _fitting(asked)
    answer, all_answered = _fitting(answered)
    shown = named(
        {
            "system_instructions": _system(instructions),
            "input_messages": to_json(said).decode(),
            "output_messages": to_json([{**one, "finish_reason": finish} for one in answer]).decode(),
            "content_cut": None if all_asked and all_answered else True,
        }
    )
    if "span" in _Allowed.places:
        span.set_attributes(shown)
    if "event" in _Allowed.places:
        span.add_event(DETAILS, shown)


def _system(instructions: Any) -> str | None:
    if not isinstance(instructions, str):
        return None
    return to_json([{"type": "text", "content": instructions[:MOST]}]).decode()


def _fitting(items: Sequence[Item]) -> tuple[list[Item], bool]:
    """As many of the latest items as there is room for, as messages, oldest first; and whether these are all."""
    left, made = MOST, list[Item]()
    for item in reversed(items):
        message = _message(item)
        size = len(to_json(message))
        if size > left and made:
            return made[::-1], False
        if size > left:
            return [_cut(message)], False
        made.append(message)
        left -= size
    return made[::-1], True


def _cut(message: Item) -> Item:
    """The beginning of each text of a message that is too large for itself."""
    room = MOST // (4 * max(1, len(message["parts"])))
    return {
        **message,
        "parts": [{name: str(value)[:room] for name, value in part.items()} for part in message["parts"]],
    }


def _message(item: Item) -> Item:
    """An item of the Responses API as a message of the conventions for GenAI."""
    match item:
        case {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}:
            return _of("assistant", {"type": "tool_call", "id": id_, "name": name, "arguments": arguments})
        case {"type": "function_call_output", "call_id": id_, "output": output}:
            return _of("tool", {"type": "tool_call_response", "id": id_, "response": output})
        case {"type": "reasoning"}:
            return _of("assistant", *({"type": "reasoning", "content": text} for text in _texts(item.get("summary"))))
        case {"role": str(role), "content": str(text)}:
            return _of(role, {"type": "text", "content": text})
        case {"role": str(role), "content": list(parts)}:
            return _of(role, *map(_part, parts))
    return _of("assistant", {"type": str(item.get("type"))})


def _of(role: str, *parts: Item) -> Item:
    return {"role": "system" if role == "developer" else role, "parts": list(parts)}


def _part(part: Any) -> Item:
    """Of pictures and files only that there are some: they would not fit."""
    for key in ("text", "refusal") if isinstance(part, dict) else ():
        if isinstance(text := part.get(key), str):
            return {"type": "text", "content": text}
    return {"type": str(part.get("type")) if isinstance(part, dict) else "unknown"}


def _texts(parts: Any) -> Iterable[str]:
    return (part["text"] for part in parts or () if isinstance(part, dict) and isinstance(part.get("text"), str))
