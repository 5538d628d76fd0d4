"""What was said, for people to read: items of a conversation as short entries. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json, to_json

Json = dict[str, Any]

_MOST = 500
"""Entries; of more, the latest are told."""
_LONGEST = 20_000
"""Characters of one."""


def read(items: bytes) -> Json:
    """Of a JSON array of items, oldest first: who said what."""
    entries = [entry for item in from_json(items) for entry in _entries(item)]
    return {"data": entries[-_MOST:], "earlier": max(0, len(entries) - _MOST)}


def _entries(item: Json) -> Iterator[Json]:
    match item:
        case {"content": content, "role": str(role)}:
            text = content if isinstance(content, str) else "\n".join(map(_part, content or ()))
            yield _entry(role, "text", text)
        case {"type": "reasoning"}:
            parts = [*(item.get("summary") or ()), *(item.get("content") or ())]
            if text := "\n".join(map(_part, parts)):
                yield _entry("assistant", "reasoning", text)
        case {"type": "function_call" | "custom_tool_call", "name": str(name)}:
            said = item.get("arguments") or item.get("input") or ""
            yield _entry("assistant", "call", said, name)
        case {"type": "function_call_output" | "custom_tool_call_output", "output": output}:
            yield _entry("tool", "result", output if isinstance(output, str) else "\n".join(map(_part, output)))
        case {"type": str(kind)}:
            about = {key: value for key, value in item.items() if key not in {"type", "id", "status"}}
            yield _entry("tool" if kind.endswith("_output") else "assistant", "other", _shown(about), kind)


def _part(part: Any) -> str:
    match part:
        case {"text": str(text)} | {"refusal": str(text)}:
            return text
        case {"type": "input_image" | "input_file" | "input_audio" as kind}:
            return f"[{kind.removeprefix('input_')}{_named(part)}]"
        case str():
            return part
    return _shown(part)


def _named(part: Mapping[str, Any]) -> str:
    """What can be told of media without showing them."""
    place = next((part[key] for key in ("filename", "file_id", "image_url", "file_url") if part.get(key)), "")
    place = str(place)
    return f": {place[:200]}" if place and not place.startswith("data:") else ""


def _shown(value: Any) -> str:
    return to_json(value, inf_nan_mode="null").decode()


def _entry(role: str, kind: str, text: str, name: str | None = None) -> Json:
    return {"role": role, "kind": kind, "name": name, "text": text[:_LONGEST], "cut": max(0, len(text) - _LONGEST)}
