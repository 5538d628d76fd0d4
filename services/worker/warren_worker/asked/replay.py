"""What hosted tools did, told to a model that has none of them: as text, and as pictures where there were some."""

from collections.abc import Mapping
from typing import Literal

from pydantic_core import to_json

from warren.objects import Item
from warren_worker.asked.blocks import Media, Said, image
from warren_worker.asked.unsaid import unsupported

_BY_ASSISTANT = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "image_generation_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "mcp_list_tools",
        "mcp_call",
        "mcp_approval_request",
        "tool_search_call",
        "program",
    }
)
_BY_USER = frozenset(
    {
        "computer_call_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
        "mcp_approval_response",
        "tool_search_output",
        "program_output",
    }
)
_BOOKKEEPING = frozenset({"id", "type", "created_by", "caller"})

Told = list[tuple[Literal["assistant", "user"], tuple[Said | Media, ...]]]


def told(item: Item, path: str) -> Told | None:
    """Who says what in place of this item; None if it cannot be told."""
    kind = item.get("type")
    if kind in _BY_ASSISTANT:
        rest, urls = _without_pictures(item)
        said: Told = [("assistant", (Said(_text(rest)),))]
        if urls:
            said.append(("user", (Said(f"What {kind} made:"), *(image(url, path) for url in urls))))
        return said
    if kind == "computer_call_output":
        return [("user", _screenshot(item, path))]
    return [("user", (Said(_text(item)),))] if kind in _BY_USER else None


def _text(item: Mapping[str, object]) -> str:
    said = {key: value for key, value in item.items() if value is not None and key not in _BOOKKEEPING}
    return f"[{item['type']}] {to_json(said, inf_nan_mode='null').decode()}"


def _without_pictures(item: Item) -> tuple[Item, list[str]]:
    """The item's words, and the addresses of its pictures."""
    match item:
        case {"type": "image_generation_call", "result": str(data)} if data:
            kind = item.get("output_format") or "png"
            url = data if data.startswith("data:") else f"data:image/{kind};base64,{data}"
            return {key: value for key, value in item.items() if key != "result"}, [url]
        case {"type": "code_interpreter_call", "outputs": list(outputs)}:
            urls = [one["url"] for one in outputs if isinstance(one, dict) and one.get("type") == "image"]
            rest = [one for one in outputs if not (isinstance(one, dict) and one.get("type") == "image")]
            return {**item, "outputs": rest}, urls
        case _:
            return item, []


def _screenshot(item: Item, path: str) -> tuple[Said | Media, ...]:
    match item.get("output"):
        case {"image_url": str(url)}:
            rest = {key: value for key, value in item.items() if key != "output"}
            return (Said(_text(rest)), image(url, path))
        case _:
            raise unsupported(f"{path}.output", "a screenshot that is no image_url is not supported with this model")
