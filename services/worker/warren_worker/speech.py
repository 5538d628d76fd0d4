"""What a model says, as items: each is closed before the next opens, in the order in which the model began them.

Parallel calls that take turns are held back until the open one is complete, and all that comes behind them, too. What a
provider wants to see again is kept beside its item, out of every event.
"""

from collections.abc import Callable, Iterator

from warren import events
from warren.errors import UpstreamError
from warren.events import Event
from warren.objects import OTHER_PREFIX, PREFIXES, Item
from warren_worker.dialect import (
    Annotation,
    Arguments,
    Delta,
    Hosted,
    Kept,
    Refusal,
    Summary,
    Text,
    Thought,
    ToolCall,
)
from warren_worker.drafts import Call, Draft, Message, Reasoning
from warren_worker.tools import Tool, named

_SOURCES = "web_search_call.action.sources"
_KINDS: dict[type[Delta], type[Draft]] = {
    Text: Message,
    Refusal: Message,
    Annotation: Message,
    Thought: Reasoning,
    Summary: Reasoning,
    ToolCall: Call,
}
"""Which kind of item says what."""


class Speech:
    """The items of an answer, into `output`."""

    def __init__(
        self, output: list[Item], request: Item, seal: Callable[[bytes], str] | None, new_id: Callable[[str], str]
    ) -> None:
        self._output = output
        self._request = request
        included = request.get("include") or ()
        self._seal = seal if "reasoning.encrypted_content" in included else None
        self._sources = _SOURCES in included
        self._new_id = new_id
        self._tools: dict[str, Tool] | None = None
        self._open: Draft | None = None
        self._held: list[Delta] = []
        self._ending: str | None = None
        self.kept: dict[str, list[Item]] = {}
        """By the id of its item: the `data` of every `Kept`, in order."""

    def say(self, delta: Delta) -> Iterator[Event]:
        if self._held and not isinstance(delta, Arguments):
            self._held.append(delta)
            return
        match delta:
            case Arguments():
                yield from self._argue(delta)
            case Hosted(item):
                yield from self._whole(delta, item)
            case Kept(thought=thought):
                if thought:
                    yield from self._into(Reasoning, delta)
                if not thought or isinstance(self._open, Reasoning):  # else it is held back
                    self._keep(delta)
            case _:
                yield from self._into(_KINDS[type(delta)], delta)

    def end(self, status: str) -> Iterator[Event]:
        """Close everything: what is held back comes out, complete or not. More may be said behind that."""
        self._ending = status
        yield from self._let_go()
        yield from self._close(status)
        self._ending = None

    def _argue(self, delta: Arguments) -> Iterator[Event]:
        """More of a call: of the open one, or of one that waits."""
        if isinstance(self._open, Call) and self._open.call == delta.call:
            yield from self._open.feed(delta)
            if self._held and self._open.complete:
                yield from self._let_go()
        elif any(isinstance(held, ToolCall) and held.call == delta.call for held in self._held):
            self._held.append(delta)
        elif delta.part.strip():
            raise UpstreamError("The provider sent arguments for a call that is not open.")

    def _keep(self, delta: Kept) -> None:
        """Keep this beside the item that came last; with none at all it belongs to nothing."""
        if self._output:
            self.kept.setdefault(self._output[-1]["id"], []).append(delta.data)

    def _whole(self, delta: Delta, item: Item) -> Iterator[Event]:
        """An item that is over and done, once the open one may be closed."""
        if self._must_wait(delta):
            return
        yield from self._make_room()
        item = {"id": self._new_id(PREFIXES.get(item["type"], OTHER_PREFIX)), **item}
        if not self._sources and isinstance(item.get("action"), dict):
            item["action"] = {name: value for name, value in item["action"].items() if name != "sources"}
        self._output.append(item)
        yield from events.whole_item(len(self._output) - 1, item)

    def _must_wait(self, delta: Delta) -> bool:
        """Hold this back, if a call is open that may not be closed yet."""
        waits = isinstance(self._open, Call) and not self._open.complete and self._ending is None
        if waits:
            self._held.append(delta)
        return waits

    def _make_room(self) -> Iterator[Event]:
        """Close the open item: as complete, unless it is a call that has come to no end."""
        cut = isinstance(self._open, Call) and not self._open.complete
        yield from self._close((self._ending if cut else None) or "completed")

    def _into(self, kind: type[Draft], delta: Delta) -> Iterator[Event]:
        """Say this in an item of its kind: the open one, or a new one once the open one may be closed."""
        if isinstance(self._open, kind) and kind is not Call:
            yield from self._open.feed(delta)
            return
        if self._must_wait(delta):
            return
        yield from self._make_room()
        self._open = self._draft(kind, delta)
        self._output.append(self._open.item)
        yield from self._open.begin()
        if kind is not Call:
            yield from self._open.feed(delta)

    def _draft(self, kind: type[Draft], delta: Delta) -> Draft:
        index = len(self._output)
        if kind is Message:
            return Message(self._new_id, index)
        if kind is Reasoning:
            return Reasoning(self._new_id, index, self._seal, self.kept)
        assert isinstance(delta, ToolCall)
        if self._tools is None:
            self._tools = named(self._request)
        return Call(self._new_id, index, delta, self._tools.get(delta.name))

    def _let_go(self) -> Iterator[Event]:
        """What was held back, now that the open item is complete, or all is at its end."""
        held, self._held = self._held, []
        for delta in _grouped(held):
            yield from self.say(delta)

    def _close(self, status: str) -> Iterator[Event]:
        if self._open is not None:
            open_, self._open = self._open, None
            yield from open_.end(status)


def _grouped(held: list[Delta]) -> list[Delta]:
    """Arguments right behind the call they are for; everything else in its order."""
    groups: list[list[Delta]] = []
    calls: dict[int | str, list[Delta]] = {}
    for delta in held:
        if isinstance(delta, Arguments):
            calls[delta.call].append(delta)
            continue
        groups.append([delta])
        if isinstance(delta, ToolCall):
            calls[delta.call] = groups[-1]
    return [delta for group in groups for delta in group]
