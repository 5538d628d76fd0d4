"""The event stream of a response, as a value: folded into the object it ends in, and made of one again."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from secrets import token_urlsafe
from typing import Any

from warren.item_events import Event, closed, done_input, part_events, summary_events, whole_item
from warren.objects import TERMINAL, Item

__all__ = [
    "Event",
    "Fold",
    "begin",
    "cut",
    "end",
    "failure",
    "fold",
    "interrupted",
    "obfuscated",
    "replay",
    "whole_item",
]

_TEXTS = {
    "response.output_text": ("content", "content_index", "text"),
    "response.refusal": ("content", "content_index", "refusal"),
    "response.reasoning_text": ("content", "content_index", "text"),
    "response.reasoning_summary_text": ("summary", "summary_index", "text"),
}
_INPUTS = {
    "response.function_call_arguments": "arguments",
    "response.mcp_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.code_interpreter_call_code": "code",
}


class Fold:
    """The response that the events so far make. Events it does not know change nothing.

    One that does not fit, of an item that is not there, say, raises a LookupError, TypeError or ValueError and
    changes nothing either.
    """

    def __init__(self, response: Item | None = None) -> None:
        self._response: Item = response or {}
        self._pieces: dict[tuple[int, str, int], list[str]] = {}
        self._open: dict[int, set[tuple[str, int]]] = {}
        self._whole: set[tuple[int, str, int]] = set()  # texts that are done, in parts or items that are open

    def feed(self, event: Event) -> None:
        kind = str(event["type"])
        if isinstance(event.get("response"), dict):
            self._pieces.clear()
            self._open.clear()
            self._whole.clear()
            self._response = dict(event["response"])
            self._response["output"] = list(self._response.get("output") or [])
        elif kind.startswith("response.output_item."):
            index = event["output_index"]
            self._place(self._response["output"], index, _object(event["item"]))
            self._pieces = {place: pieces for place, pieces in self._pieces.items() if place[0] != index}
            self._whole = {place for place in self._whole if place[0] != index}
        elif kind.startswith("response.shell_call_command."):
            self._command(event, kind.rpartition(".")[2])
        elif kind.endswith((".delta", ".done")):
            self._text(event, *kind.rsplit(".", 1))
        elif kind == "response.content_part.added":
            self._place(self._item(event)["content"], event["content_index"], _object(event["part"]))
        elif kind == "response.reasoning_summary_part.added":
            self._place(self._item(event)["summary"], event["summary_index"], _object(event["part"]))
        elif kind == "response.output_text.annotation.added":
            part = self._item(event)["content"][event["content_index"]]
            self._place(part["annotations"], event["annotation_index"], event["annotation"])
        self._follow(kind, event)

    @property
    def response(self) -> Item:
        """As far as it goes: what is still open shows the text that came."""
        for (index, field, part), pieces in self._pieces.items():
            item = self._response["output"][index]
            if part < 0:
                item[field] = "".join(pieces)
            else:
                key = "refusal" if item[field][part]["type"] == "refusal" else "text"
                item[field][part][key] = "".join(pieces)
        return self._response

    def closing(self, status: str = "incomplete") -> list[Event]:
        """The events that close what is open; feed them like any others."""
        response = self.response
        made: list[Event] = []
        for index, parts in sorted(self._open.items()):
            item = response["output"][index]
            place = {"item_id": item.get("id", ""), "output_index": index}
            for field, at in sorted(parts):
                whole = (part_events if field == "content" else summary_events)(place, at, item[field][at])
                made += whole[-1:] if (index, field, at) in self._whole else whole[1:][-2:]
            made += [done for done in done_input(place, item) if self._lacks(done, item["type"])]
            ended = closed(item, status, always=True)
            made.append({"type": "response.output_item.done", "output_index": index, "item": ended})
        return made

    def _lacks(self, done: Event, kind: str) -> bool:
        """Whether this end of what is put into a call has still to come. A hosted tool may not even have begun."""
        place = (done["output_index"], _INPUTS[done["type"].removesuffix(".done")], -1)
        called = kind in ("function_call", "custom_tool_call")
        return place not in self._whole and (called or place in self._pieces)

    def _follow(self, kind: str, event: Event) -> None:
        """Know what is open."""
        match kind:
            case "response.output_item.added":
                self._open[event["output_index"]] = set()
            case "response.output_item.done":
                self._open.pop(event["output_index"], None)
            case "response.content_part.added":
                self._open.setdefault(event["output_index"], set()).add(("content", event["content_index"]))
            case "response.content_part.done":
                self._open.get(event["output_index"], set()).discard(("content", event["content_index"]))
            case "response.reasoning_summary_part.added":
                self._open.setdefault(event["output_index"], set()).add(("summary", event["summary_index"]))
            case "response.reasoning_summary_part.done":
                self._open.get(event["output_index"], set()).discard(("summary", event["summary_index"]))

    def _text(self, event: Event, name: str, step: str) -> None:
        if name in ("response.content_part", "response.reasoning_summary_part"):
            field, at = ("content", "content_index") if "content" in name else ("summary", "summary_index")
            self._place(self._item(event)[field], event[at], _object(event["part"]))
            return
        if name in _TEXTS:
            field, at, key = _TEXTS[name]
            place = (event["output_index"], field, event[at])
        elif name in _INPUTS:
            key = _INPUTS[name]
            place = (event["output_index"], key, -1)
        else:
            return
        target = self._item(event) if place[2] < 0 else self._item(event)[place[1]][place[2]]
        if step == "done":
            target[key] = event[key]
            self._pieces.pop(place, None)
            self._whole.add(place)
        elif isinstance(target[key], str) and isinstance(event["delta"], str):
            if event.get("logprobs"):
                target.setdefault("logprobs", []).extend(event["logprobs"])
            self._pieces.setdefault(place, []).append(event["delta"])
        else:
            raise TypeError("not text")

    def _command(self, event: Event, step: str) -> None:
        commands, at = self._item(event)["action"]["commands"], event["command_index"]
        if step != "delta":
            self._place(commands, at, event["command"])
        elif not isinstance(event["delta"], str):
            raise TypeError("not text")
        else:
            commands[at] += event["delta"]

    def _item(self, event: Event) -> Item:
        item: Item = self._response["output"][event["output_index"]]
        return item

    @staticmethod
    def _place(values: list[Any], index: int, value: Any) -> None:
        if not 0 <= index <= len(values):
            raise IndexError(index)
        values[index : index + 1] = [value]


def _object(value: Any) -> Item:
    """A copy of an item or a part, which at least says what it is."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise TypeError("no object with a type")
    return deepcopy(value)


def obfuscated(event: Event) -> Event:
    """The event with a text of no meaning, so that its size does not tell the length of what it adds."""
    delta = event.get("delta")
    if not isinstance(delta, str):
        return event
    return {**event, "obfuscation": token_urlsafe(16)[: 16 - len(delta) % 16]}


def fold(events: Iterable[Event]) -> Item:
    state = Fold()
    for event in events:
        state.feed(event)
    return state.response


def interrupted(response: Item, code: str, message: str) -> Item:
    """This response as it stands when nobody will go on with it."""
    return {**cut(response), "status": "failed", "error": {"code": code, "message": message}}


def cut(response: Item) -> Item:
    """This response with what is open in it marked as incomplete."""
    output = [closed(item, "incomplete") for item in response.get("output", [])]
    return {**response, "output": output}


def failure(response: Item, param: str | None = None, kind: str = "server_error") -> list[Event]:
    """How a stream ends whose response has failed. `error` carries its keys both nested and flat: clients differ."""
    detail = {"type": kind, "param": param, **response["error"]}
    return [
        {"type": "error", "error": detail, "code": detail["code"], "message": detail["message"], "param": param},
        {"type": "response.failed", "response": response},
    ]


def begin(response: Item) -> list[Event]:
    """How every stream begins."""
    opened = {
        **response,
        "status": "in_progress",
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        "completed_at": None,
    }
    return [{"type": "response.created", "response": opened}, {"type": "response.in_progress", "response": opened}]


def end(response: Item) -> list[Event]:
    """How the stream of this response ends; a cancelled one ends as incomplete, there is no event for it."""
    status = response["status"]
    if status not in TERMINAL:
        raise ValueError("this response has not ended")
    if status == "failed":
        return failure(response)
    return [{"type": f"response.{'incomplete' if status == 'cancelled' else status}", "response": response}]


def replay(response: Item) -> Iterator[Event]:
    """A stream, not numbered, that folds into this ended response: each text in one delta."""
    yield from begin(response)
    for index, item in enumerate(response["output"]):
        yield from whole_item(index, item)
    yield from end(response)
