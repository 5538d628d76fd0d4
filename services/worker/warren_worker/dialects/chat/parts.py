"""The parts of a message's content, and the results of tools."""

from typing import Any

from warren.errors import InvalidRequest
from warren.responses import Item
from warren_worker.asked.unsaid import unsupported

SYSTEM = frozenset({"input_text"})
USER = frozenset({"input_text", "input_image", "input_file", "input_audio"})
ASSISTANT = frozenset({"output_text", "refusal"})
_RESULT = frozenset({"input_text", "input_image", "input_file"})


def parts(content: Any, path: str, allowed: frozenset[str]) -> str | list[Item]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidRequest(f"Invalid '{path}'.", param=path, code="invalid_type")
    if not content:
        return ""  # no parts at all many servers refuse
    made = [_part(part, f"{path}[{at}]", allowed) for at, part in enumerate(content)]
    if len(made) == 1 and made[0]["type"] == "text":
        text: str = made[0]["text"]
        return text  # servers that know no parts understand this
    return made


def output(call_id: str, result: Any, path: str) -> tuple[Item, Item | None]:
    """A tool's result. It can be text only; what else it holds a user must show."""
    if isinstance(result, str):
        return {"role": "tool", "tool_call_id": call_id, "content": result}, None
    made = parts(result, path, _RESULT)
    if isinstance(made, str):
        return {"role": "tool", "tool_call_id": call_id, "content": made}, None
    texts = [part["text"] for part in made if part["type"] == "text"]
    others = [part for part in made if part["type"] != "text"]
    if not others:
        return {"role": "tool", "tool_call_id": call_id, "content": "".join(texts)}, None
    said = "".join(texts) or "The output follows in a message of the user's."
    lead = {"type": "text", "text": f"The output of tool call {call_id}:"}
    return {"role": "tool", "tool_call_id": call_id, "content": said}, {"role": "user", "content": [lead, *others]}


def image(url: str, detail: Any = None) -> Item:
    shown = "high" if detail == "original" else detail or "auto"
    return {"type": "image_url", "image_url": {"url": url, "detail": shown}}


def _part(part: Any, path: str, allowed: frozenset[str]) -> Item:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in allowed:
        known = ", ".join(repr(name) for name in sorted(allowed))
        raise InvalidRequest(
            f"Invalid value: {kind!r}. Supported values are: {known}.", param=f"{path}.type", code="invalid_value"
        )
    if part.get("prompt_cache_breakpoint") is not None:
        raise unsupported(f"{path}.prompt_cache_breakpoint")
    if kind == "input_file" and part.get("detail") not in (None, "auto"):
        raise unsupported(f"{path}.detail")
    match part:
        case {"type": "input_text" | "output_text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)}:
            return image(url, part.get("detail"))
        case {"type": "input_file", "file_data": str(data)}:
            return {"type": "file", "file": {"filename": part.get("filename") or "file", "file_data": data}}
        case {"type": "input_file", "file_id": str(file_id)}:
            return {"type": "file", "file": {"file_id": file_id}}
        case {"type": "input_audio", "input_audio": dict(audio)}:
            return {"type": "input_audio", "input_audio": audio}
        case _:
            raise unsupported(path, f"this form of {kind!r} is not supported with this model")
