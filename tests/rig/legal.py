"""What a legal event stream is, said a second time and independently of what makes the streams."""

import json
import re
from itertools import chain
from typing import Annotated, Any, get_args

from openai.types.responses import ResponseStreamEvent
from pydantic import Field, TypeAdapter

from warren import sse
from warren.events import fold

Event = dict[str, Any]

TERMINAL = {
    "response.completed": {"completed"},
    "response.incomplete": {"incomplete", "cancelled"},
    "response.failed": {"failed"},
}
_TEXT = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text", "summary_text": "text"}
_PLACES = {"content_part": ("content", "content_index"), "reasoning_summary_part": ("summary", "summary_index")}
_TOOLS = {
    "web_search_call": "in_progress (searching )*(completed )?",
    "file_search_call": "in_progress (searching )*(completed )?",
    "code_interpreter_call": "in_progress (code.delta )*(code.done )?(interpreting )?(completed )?",
    "image_generation_call": "in_progress (generating )?(partial_image )*(completed )?",
    "mcp_list_tools": "in_progress (completed |failed )?",
    "mcp_call": "in_progress (arguments.delta )*(arguments.done )?(completed |failed )?",
    "shell_call": "(command.added (command.delta )*(command.done )?)*",
    "shell_call_output": "((content.delta )*content.done )*(content.delta )*",
    "compaction": "(compacting )?",
}
"""What happens inside of other items: the ends of the types of their events. What broke off has only a beginning."""
_KINDS: Any = get_args(ResponseStreamEvent)[0]
_EVENT: TypeAdapter[Any] = TypeAdapter(Annotated[_KINDS, Field(discriminator="type")])


def parse_sse(body: bytes) -> list[Event]:
    """The events of a stream, without its `[DONE]`. Each must be named for its type."""
    events = []
    for event in sse.Reader().feed(body):
        if event.data != b"[DONE]":
            events.append(json.loads(event.data))
            assert event.name == events[-1]["type"]
    return events


def check_stream(events: list[Event]) -> dict[str, Any]:
    """The final object of a stream. The stream must be legal in every respect, to its end."""
    numbers = [event["sequence_number"] for event in events]
    assert numbers == list(range(len(events))), (numbers, [(e["type"], e["sequence_number"]) for e in events[-9:]])
    said = [event for event in events if event["type"] != "keepalive"]
    for event in said:
        _EVENT.validate_python(known(event))
    begun = 3 if said[1]["type"] == "response.queued" else 2
    _check_begin(said[:begun])
    assert said[-1]["type"] in TERMINAL, "it has no end"
    final: dict[str, Any] = said[-1]["response"]
    assert final["status"] in TERMINAL[said[-1]["type"]]
    assert final["id"] == said[0]["response"]["id"]
    failed = final["status"] == "failed"
    if failed:
        _check_failure(said[-2], final)
    assert _items(said[begun : -2 if failed else -1]) == final["output"]
    assert fold(events[:-1])["output"] == final["output"]
    assert fold(events) == final
    ids = [item["id"] for item in final["output"]]
    assert len(ids) == len(set(ids))
    return final


def known(event: Event) -> Event:
    """The SDK lists the codes of OpenAI's own failures; others are read all the same, but not by its validator."""
    error = (event.get("response") or {}).get("error")
    if error is None:
        return event
    return {**event, "response": {**event["response"], "error": {**error, "code": "server_error"}}}


def _check_begin(events: list[Event]) -> None:
    kinds = [event["type"] for event in events]
    assert kinds in (
        ["response.created", "response.in_progress"],
        ["response.created", "response.queued", "response.in_progress"],
    )
    for event in events:
        status = "queued" if len(events) == 3 and event["type"] != "response.in_progress" else "in_progress"
        response = event["response"]
        assert response["status"] == status
        assert response["id"] == events[0]["response"]["id"]
        assert response["output"] == []
        assert response["usage"] is None
        assert response["error"] is None


def _check_failure(event: Event, final: dict[str, Any]) -> None:
    assert event["type"] == "error"
    assert event["error"]["code"] == event["code"] == final["error"]["code"]
    assert event["error"]["message"] == event["message"] == final["error"]["message"]


def _items(events: list[Event]) -> list[dict[str, Any]]:
    """What the events between begin and end make, one item after the other."""
    output: list[dict[str, Any]] = []
    at = 0
    while at < len(events):
        assert events[at]["type"] == "response.output_item.added", f"{events[at]['type']} outside of any item"
        ends = [i for i in range(at, len(events)) if events[i]["type"] == "response.output_item.done"]
        assert ends, "an item was left open"
        group = events[at : ends[0] + 1]
        assert {event["output_index"] for event in group} == {len(output)}
        output.append(_item(group[0]["item"], group[1:-1], group[-1]["item"]))
        at = ends[0] + 1
    return output


def _item(added: dict[str, Any], inside: list[Event], done: dict[str, Any]) -> dict[str, Any]:
    assert added["type"] == done["type"]
    assert added.get("id") == done.get("id")
    if done["type"] in ("message", "function_call", "custom_tool_call") and "status" in done:
        assert added["status"] == "in_progress"
        assert done["status"] in ("completed", "incomplete")
    for event in inside:
        assert event.get("item_id", done.get("id", "")) == done.get("id", "")
    match done["type"]:
        case "message" | "reasoning":
            parts = _parts(inside)
            for field in ("content", "summary"):
                assert not added.get(field)
                assert parts[field] == (done.get(field) or [])
        case "function_call":
            assert added["arguments"] == ""
            assert _text(inside, "response.function_call_arguments", "arguments") == done["arguments"]
        case "custom_tool_call":
            assert added["input"] == ""
            assert _text(inside, "response.custom_tool_call_input", "input") == done["input"]
        case str(kind):
            _check_tool(kind, inside, done)
    return done


def _check_tool(kind: str, inside: list[Event], done: dict[str, Any]) -> None:
    """The stages of a hosted tool, and what is put into it."""
    names = "".join(f"{_short(kind, event['type'])} " for event in inside)
    assert re.fullmatch(_TOOLS.get(kind, ""), names) or not inside, (kind, names)
    for name, key in (("mcp_call_arguments", "arguments"), ("code_interpreter_call_code", "code")):
        if said := [event for event in inside if event["type"].startswith(f"response.{name}.")]:
            assert _text(said, f"response.{name}", key) == done[key]
    if inside and inside[-1]["type"].endswith(".failed"):
        assert done.get("status") != "completed"
    commands = [event["command"] for event in inside if event["type"] == "response.shell_call_command.done"]
    if kind == "shell_call" and done["status"] == "completed":
        assert commands == done["action"]["commands"]


def _short(kind: str, name: str) -> str:
    """`response.mcp_call_arguments.delta` of an `mcp_call` is `arguments.delta`."""
    return name.removeprefix("response.").removeprefix(kind).lstrip("._")


def _parts(events: list[Event]) -> dict[str, list[dict[str, Any]]]:
    """What the events inside an item make, one part after the other."""
    parts: dict[str, list[dict[str, Any]]] = {"content": [], "summary": []}
    at = 0
    while at < len(events):
        kind = events[at]["type"].removeprefix("response.").removesuffix(".added")
        assert kind in _PLACES, f"{events[at]['type']} outside of any part"
        field, index = _PLACES[kind]
        ends = [i for i in range(at, len(events)) if events[i]["type"] == f"response.{kind}.done"]
        assert ends, "a part was left open"
        group = events[at : ends[0] + 1]
        assert {event[index] for event in group} == {len(parts[field])}
        parts[field].append(_part(group[0]["part"], group[1:-1], group[-1]["part"]))
        at = ends[0] + 1
    return parts


def _part(added: dict[str, Any], inside: list[Event], done: dict[str, Any]) -> dict[str, Any]:
    kind = done["type"]
    assert added["type"] == kind
    if kind in _TEXT:
        key = _TEXT[kind]
        assert added[key] == ""
        notes = [event for event in inside if event["type"] == "response.output_text.annotation.added"]
        assert [event["annotation"] for event in notes] == (done.get("annotations") or [])
        assert [event["annotation_index"] for event in notes] == list(range(len(notes)))
        rest = [event for event in inside if event not in notes]
        assert _text(rest, f"response.{'reasoning_summary_text' if kind == 'summary_text' else kind}", key) == done[key]
        if kind == "output_text":
            assert list(chain.from_iterable(event["logprobs"] for event in rest[:-1])) == (done.get("logprobs") or [])
    return done


def _text(events: list[Event], name: str, key: str) -> str:
    """Deltas, then the whole, which they make."""
    *deltas, whole = events
    assert {event["type"] for event in deltas} <= {f"{name}.delta"}
    assert whole["type"] == f"{name}.done"
    assert "".join(event["delta"] for event in deltas) == whole[key]
    text: str = whole[key]
    return text
