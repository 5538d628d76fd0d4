"""Thoughts that stand in the text itself: `<think>` at its very beginning, up to `</think>`."""

from collections.abc import Iterator

from warren_worker.dialect import Text, Thought

_OPEN, _CLOSE = "<think>", "</think>"


class Tags:
    """Tells them apart, wherever the text is cut. Line feeds right behind a tag belong to it."""

    __slots__ = ("_held", "_inside", "_known", "_trims")

    def __init__(self) -> None:
        self._held = ""
        self._known = False  # whether it begins with thoughts
        self._inside = False
        self._trims = False

    def feed(self, text: str) -> Iterator[Text | Thought]:
        self._held += text
        if not self._known:
            self._begin()
        if self._inside:
            yield from self._thought()
        if self._known and not self._inside and (said := self._trimmed()):
            self._held = ""
            yield Text(said)

    def end(self) -> Iterator[Text | Thought]:
        """What was held back because more might have come."""
        held, self._held = self._trimmed(), ""
        if held and (self._inside or held.strip()):
            yield Thought(held) if self._inside else Text(held)

    def _begin(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(_OPEN):
            self._known = self._inside = self._trims = True
            self._held = begun.removeprefix(_OPEN)
        else:
            self._known = not _OPEN.startswith(begun)

    def _thought(self) -> Iterator[Thought]:
        held = self._trimmed()
        thought, closed, rest = held.partition(_CLOSE)
        if closed:
            self._inside, self._trims, self._held = False, True, rest
        else:
            begun = next((size for size in range(len(_CLOSE) - 1, 0, -1) if held.endswith(_CLOSE[:size])), 0)
            thought, self._held = held[: len(held) - begun], held[len(held) - begun :]
        if thought:
            yield Thought(thought)

    def _trimmed(self) -> str:
        """What is held, without the line feeds of the tag before it."""
        if not self._trims:
            return self._held
        held = self._held.lstrip("\n")
        self._trims = not held
        return held
