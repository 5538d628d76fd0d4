"""Items as they are kept and listed: each with an id and a type, and a status if its type has one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic_core import from_json

from warren import ids
from warren.objects import OTHER_PREFIX, PREFIXES, Item

_STATED = frozenset({"message", "function_call", "function_call_output"})
"""Types whose items always have a status."""


def listed(said: Iterable[Item], of: str) -> Iterator[Item]:
    """Input items as they are shown: what has no id gets one that is always the same, made of `of` and its place."""
    for number, item in enumerate(said):
        if is_reference(item):
            yield item
            continue
        kind = item.get("type") or "message"
        id_ = item.get("id") or ids.derived(PREFIXES.get(kind, OTHER_PREFIX), of, number)
        whole: Item = {**item, "id": id_, "type": kind}
        if kind == "message":
            whole["content"] = _parts(whole.get("role"), whole.get("content"))
        if kind in _STATED:
            whole["status"] = whole.get("status") or "completed"
        yield whole


def completed(said: Iterable[Item]) -> Iterator[Item]:
    """Items as a conversation keeps them: all are over. A failure stays one."""
    for item in said:
        over = item.get("type") in _STATED or item.get("status") not in {None, "failed"}
        yield {**item, "status": "completed"} if over else item


def derived_from(id_: str) -> tuple[str, int] | None:
    """The response and the place of an input item whose id `listed` made, if it made it."""
    return ids.origin(id_, "resp")


def is_reference(item: Item) -> bool:
    """Whether this only names an item that is elsewhere."""
    return item.get("type") == "item_reference" or (not item.get("type") and "role" not in item and "id" in item)


def resolved(said: Iterable[Item], named: Mapping[str, bytes]) -> Iterator[Item]:
    """Items with what their references name, as far as that is known, in their place."""
    for item in said:
        yield from_json(named[item["id"]]) if is_reference(item) and item["id"] in named else item


def _parts(role: object, content: Any) -> Any:
    if not isinstance(content, str):
        return content
    if role == "assistant":
        return [{"type": "output_text", "text": content, "annotations": [], "logprobs": []}]
    return [{"type": "input_text", "text": content}]
