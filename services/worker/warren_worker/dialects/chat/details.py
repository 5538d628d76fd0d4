"""OpenRouter's `reasoning_details`: what the models behind it want to see again, in pieces as it streams."""

from collections.abc import Iterable, Iterator
from typing import Any

from warren.objects import Item
from warren_worker.dialect import Kept

_BY = "openrouter"
_GROWS = ("text", "summary", "data", "signature")


class Details:
    """Gathers the pieces of one answer."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[Item] = []

    def feed(self, pieces: Any) -> None:
        for piece in pieces:
            if not isinstance(piece, dict) or not isinstance(piece.get("type"), str):
                raise TypeError("no detail of reasoning")
            last = self._parts[-1] if self._parts else None
            if last is not None and _continues(last, piece):
                _grow(last, piece)
            else:
                self._parts.append(dict(piece))

    def flush(self, *, thought: bool = True) -> Iterator[Kept]:
        """What came since the last time."""
        if self._parts:
            parts, self._parts = self._parts, []
            yield Kept({"by": _BY, "details": parts}, thought)


def replayed(kept: Iterable[Item]) -> Item:
    """The field of a message that shows them again."""
    details = [detail for one in kept if one.get("by") == _BY for detail in one["details"]]
    return {"reasoning_details": details} if details else {}


def _continues(last: Item, piece: Item) -> bool:
    """Whole blocks have ids of their own; pieces of one have its place."""
    if last["type"] != piece["type"] or last.get("index") != piece.get("index"):
        return False
    return piece.get("id") in (None, last.get("id"))


def _grow(last: Item, piece: Item) -> None:
    for name, value in piece.items():
        if name in _GROWS and isinstance(value, str) and isinstance(last.get(name), str):
            last[name] += value
        elif value is not None:
            last[name] = value
