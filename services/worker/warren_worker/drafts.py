"""Items in the making: each knows its own events, from the one that adds it to the one that says it is done."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from warren.events import Event
from warren.objects import Item
from warren_worker.dialect import Annotation, Arguments, Kept, Summary, Text
from warren_worker.tools import Tool
from warren_worker.wrapping import Unwrapper

NewId = Callable[[str], str]


class Message:
    """What the assistant says: text and refusals, a part each time it changes."""

    def __init__(self, new_id: NewId, index: int) -> None:
        self.item: Item = {
            "id": new_id("msg"),
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._index = index
        self._place: Item = {}
        self._part: Item | None = None
        self._pieces: list[str] = []

    def begin(self) -> Iterator[Event]:
        yield _added(self._index, self.item)

    def feed(self, delta: Any) -> Iterator[Event]:
        kind = "output_text" if isinstance(delta, Text | Annotation) else "refusal"
        if self._part is None or self._part["type"] != kind:
            yield from self._close_part()
            yield from self._open_part(kind)
        assert self._part is not None
        if isinstance(delta, Annotation):
            yield self._annotated(self._part["annotations"], delta.annotation)
            return
        self._pieces.append(delta.text)
        event = {"type": f"response.{kind}.delta", **self._place, "delta": delta.text}
        if isinstance(delta, Text):
            event["logprobs"] = delta.logprobs
            self._part["logprobs"].extend(delta.logprobs)
        yield event

    def end(self, status: str) -> Iterator[Event]:
        yield from self._close_part()
        self.item["status"] = status
        yield _done(self._index, self.item)

    def _annotated(self, annotations: list[Item], annotation: Item) -> Event:
        annotations.append(annotation)
        return {
            "type": "response.output_text.annotation.added",
            **self._place,
            "annotation_index": len(annotations) - 1,
            "annotation": annotation,
        }

    def _open_part(self, kind: str) -> Iterator[Event]:
        self._place = {
            "item_id": self.item["id"],
            "output_index": self._index,
            "content_index": len(self.item["content"]),
        }
        if kind == "output_text":
            self._part = {"type": kind, "text": "", "annotations": [], "logprobs": []}
        else:
            self._part = {"type": kind, "refusal": ""}
        self.item["content"].append(self._part)
        yield {"type": "response.content_part.added", **self._place, "part": _copy(self._part)}

    def _close_part(self) -> Iterator[Event]:
        if self._part is None:
            return
        key = "text" if self._part["type"] == "output_text" else "refusal"
        self._part[key] = "".join(self._pieces)
        self._pieces = []
        done = {"type": f"response.{self._part['type']}.done", **self._place, key: self._part[key]}
        if key == "text":
            done["logprobs"] = self._part["logprobs"]
        yield done
        yield {"type": "response.content_part.done", **self._place, "part": self._part}
        self._part = None


class Reasoning:
    """Reasoning as the model wrote it, one part of raw text; or summaries of it, a part each. With `seal` it ends with
    its content sealed, and with what is `kept` under its id by then, for a client that keeps them for us.
    """

    def __init__(
        self, new_id: NewId, index: int, seal: Callable[[bytes], str] | None, kept: Mapping[str, list[Item]]
    ) -> None:
        self.item: Item = {"id": new_id("rs"), "type": "reasoning", "summary": [], "content": []}
        self._index = index
        self._seal = seal
        self._kept = kept
        self._place: Item = {}
        self._part: Item | None = None
        self._at: int | None = None  # the provider's number of the summary that is open
        self._pieces: list[str] = []

    def begin(self) -> Iterator[Event]:
        yield _added(self._index, self.item)

    def feed(self, delta: Any) -> Iterator[Event]:
        if isinstance(delta, Kept):
            return  # nobody is told
        summary = isinstance(delta, Summary)
        kind, at = ("summary_text", delta.part) if summary else ("reasoning_text", None)
        if self._part is None or self._part["type"] != kind or self._at != at:
            yield from self._close_part()
            self._at = at
            yield self._open_part(kind)
        self._pieces.append(delta.text)
        name = "reasoning_summary_text" if summary else kind
        yield {"type": f"response.{name}.delta", **self._place, "delta": delta.text}

    def end(self, _status: str) -> Iterator[Event]:
        yield from self._close_part()
        kept = self._kept.get(self.item["id"], [])
        if self._seal is not None and (self.item["content"] or kept):
            self.item["encrypted_content"] = self._seal(to_json({"content": self.item["content"], "kept": kept}))
        yield _done(self._index, self.item)

    def _open_part(self, kind: str) -> Event:
        field, number, part = _PLACES[kind]
        self._place = {"item_id": self.item["id"], "output_index": self._index, number: len(self.item[field])}
        self._part = {"type": kind, "text": ""}
        self.item[field].append(self._part)
        return {"type": f"response.{part}.added", **self._place, "part": dict(self._part)}

    def _close_part(self) -> Iterator[Event]:
        if self._part is None:
            return
        kind = self._part["type"]
        text = self._part["text"] = "".join(self._pieces)
        self._pieces = []
        name = "reasoning_summary_text" if kind == "summary_text" else kind
        yield {"type": f"response.{name}.done", **self._place, "text": text}
        yield {"type": f"response.{_PLACES[kind][2]}.done", **self._place, "part": self._part}
        self._part = None


_PLACES = {
    "reasoning_text": ("content", "content_index", "content_part"),
    "summary_text": ("summary", "summary_index", "reasoning_summary_part"),
}


class Call:
    """A call of a function, or of a custom tool, which was shown to the model as a function."""

    def __init__(self, new_id: NewId, index: int, delta: Any, tool: Tool | None) -> None:
        custom = tool is not None and tool.kind == "custom"
        self.item: Item = {
            "id": new_id("ctc" if custom else "fc"),
            "type": "custom_tool_call" if custom else "function_call",
            "status": "in_progress",
            "call_id": delta.call_id or new_id("call"),
            "name": tool.name if tool is not None else delta.name,
            "input" if custom else "arguments": "",
        }
        if tool is not None and tool.namespace is not None:
            self.item["namespace"] = tool.namespace["name"]
        self.call = delta.call
        self._index = index
        self._place = {"item_id": self.item["id"], "output_index": index}
        self._pieces: list[str] = []
        self._input = Unwrapper() if custom else None
        self._said: list[str] = []

    @property
    def complete(self) -> bool:
        """Whether the arguments so far are whole: a JSON object that has ended."""
        if not self._pieces or not self._pieces[-1].rstrip().endswith("}"):
            return False
        try:
            return isinstance(from_json("".join(self._pieces)), dict)
        except ValueError:
            return False

    def begin(self) -> Iterator[Event]:
        yield _added(self._index, self.item)

    def feed(self, delta: Any) -> Iterator[Event]:
        self._pieces.append(delta.part)
        if self._input is None:
            yield {"type": "response.function_call_arguments.delta", **self._place, "delta": delta.part}
        elif said := self._input.feed(delta.part):
            yield self._told(said)

    def end(self, status: str) -> Iterator[Event]:
        if self._input is not None:
            yield from self._end_input(self._input)
        else:
            yield from self._end_arguments(status)
        self.item["status"] = status
        yield _done(self._index, self.item)

    def _end_arguments(self, status: str) -> Iterator[Event]:
        if not self._pieces and status == "completed":
            yield from self.feed(Arguments(self.call, "{}"))  # a call without arguments; clients parse them as JSON
        self.item["arguments"] = "".join(self._pieces)
        yield {
            "type": "response.function_call_arguments.done",
            **self._place,
            "name": self.item["name"],
            "arguments": self.item["arguments"],
        }

    def _end_input(self, unwrapper: Unwrapper) -> Iterator[Event]:
        if rest := unwrapper.end():
            yield self._told(rest)
        self.item["input"] = "".join(self._said)
        yield {"type": "response.custom_tool_call_input.done", **self._place, "input": self.item["input"]}

    def _told(self, text: str) -> Event:
        self._said.append(text)
        return {"type": "response.custom_tool_call_input.delta", **self._place, "delta": text}


Draft = Message | Reasoning | Call


def _added(index: int, item: Item) -> Event:
    return {"type": "response.output_item.added", "output_index": index, "item": _copy(item)}


def _done(index: int, item: Item) -> Event:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def _copy(value: Item) -> Item:
    """A picture of what will still change: its lists are filled later."""
    return {key: list(inner) if isinstance(inner, list) else inner for key, inner in value.items()}
