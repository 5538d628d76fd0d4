"""Thoughts that a model writes into its text, between tags: what old templates leave of reasoning."""

from collections.abc import Iterator

from warren_worker.dialect import Text, Thought

_OPENING, _CLOSING = "<think>", "</think>"


class Tags:
    """Tells thoughts from text, piece by piece. Only text that begins with the tag has thoughts in it.

    White space around the tags is not said.
    """

    __slots__ = ("_bare", "_held", "_kind")

    def __init__(self) -> None:
        self._kind: type[Text | Thought] | None = None  # None while nobody knows
        self._held = ""
        self._bare = False  # a tag stands right before what comes now

    def feed(self, piece: str) -> Iterator[Text | Thought]:
        self._held += piece
        if self._kind is None:
            self._begin()
        if self._kind is Thought:
            thought, closed, rest = self._held.partition(_CLOSING)
            if not closed:
                sure = len(thought) - _begun(thought)
                self._held = thought[sure:]
                yield from self._said(thought[:sure])
                return
            yield from self._said(thought)
            self._kind, self._held, self._bare = Text, rest, True
        if self._kind is Text:
            text, self._held = self._held, ""
            yield from self._said(text)

    def end(self) -> Iterator[Text | Thought]:
        """What was held back, now that no more comes, or that thoughts turn out to have a place of their own."""
        text, self._held = self._held, ""
        yield from self._said(text)
        self._kind, self._bare = Text, False

    def _begin(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(_OPENING):
            self._kind, self._held, self._bare = Thought, begun.removeprefix(_OPENING), True
        elif not _OPENING.startswith(begun):
            self._kind = Text

    def _said(self, text: str) -> Iterator[Text | Thought]:
        if self._bare:
            text = text.lstrip()
        if text:
            self._bare = False
            yield (self._kind or Text)(text)


def _begun(text: str) -> int:
    """How much of the end of this may be the beginning of the closing tag."""
    return next(size for size in range(len(_CLOSING) - 1, -1, -1) if text.endswith(_CLOSING[:size]))
