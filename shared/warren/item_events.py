"""The events of one item that is complete: each text in one delta."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from warren.objects import Item

Event = dict[str, Any]

STAGES = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_list_tools": ("in_progress", "completed"),
    "mcp_call": ("in_progress", "completed"),
}
"""What the tools of a provider go through; each stage has an event."""
_TOLD_FAILURES = ("mcp_list_tools", "mcp_call")
_RUNNING = ("in_progress", "searching", "interpreting", "generating", "calling")
_ENDED = ("completed", "incomplete", "failed")
_INPUTS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
    "mcp_call": ("response.mcp_call_arguments", "arguments"),
    "code_interpreter_call": ("response.code_interpreter_call_code", "code"),
}
_ENDS_ONLY = ("apply_patch_call_output",)
"""Types whose items never are under way."""
_LATER = {"mcp_call": "output", "code_interpreter_call": "outputs", "image_generation_call": "result"}
"""What an item of these types has only when it is done."""


def whole_item(index: int, item: Item) -> Iterator[Event]:
    place = {"item_id": item.get("id", ""), "output_index": index}
    opened = deepcopy(item)
    if opened.get("status") in _ENDED and item.get("type") not in _ENDS_ONLY:
        opened["status"] = "in_progress"
    inner = list(_inside(place, item, opened))
    yield {"type": "response.output_item.added", "output_index": index, "item": opened}
    yield from inner
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def done_input(place: Item, item: Item) -> list[Event]:
    """That the arguments of this call, or what else is put into it, are whole; nothing for other items."""
    name, key = _INPUTS.get(item["type"], ("", ""))
    if not isinstance(item.get(key), str):
        return []
    more = {"name": item.get("name", "")} if item["type"] == "function_call" else {}
    return [{"type": f"{name}.done", **place, key: item[key], **more}]


def closed(item: Item, status: str, *, always: bool = False) -> Item:
    """The item as it ends with this status, if it is still under way, or `always`, whatever it says of itself."""
    running = always and "status" in item and item.get("type") not in _ENDS_ONLY
    if not running and item.get("status") not in _RUNNING:
        return item
    cut = status == "incomplete" and item.get("type") == "image_generation_call"  # which knows no half pictures
    return {**item, "status": "failed" if cut else status}


def _inside(place: Item, item: Item, opened: Item) -> Iterator[Event]:
    """What happens between the first and the last event; `opened` loses what comes only then."""
    match item:
        case {"type": "message", "content": list(parts)}:
            opened["content"] = []
            for at, part in enumerate(parts):
                yield from part_events(place, at, part)
        case {"type": "reasoning"}:
            yield from _thought(place, item, opened)
        case {"type": "function_call" | "custom_tool_call"}:
            yield from _input(place, item, opened)
        case {"type": str(kind)} if kind in STAGES:
            yield from _staged(place, item, opened)
        case {"type": "shell_call", "action": {"commands": list(commands)}}:
            opened["action"]["commands"] = []
            for at, command in enumerate(commands):
                yield from _command({"output_index": place["output_index"], "command_index": at}, command)
        case {"type": "shell_call_output", "output": list(outputs)}:
            opened["output"] = []
            for at, output in enumerate(outputs):
                yield from _printed({**place, "command_index": at}, output)


def _thought(place: Item, item: Item, opened: Item) -> Iterator[Event]:
    opened["summary"] = []
    for at, part in enumerate(item.get("summary") or []):
        yield from summary_events(place, at, part)
    if item.get("content"):
        opened["content"] = []
        for at, part in enumerate(item["content"]):
            yield from part_events(place, at, part)


def _staged(place: Item, item: Item, opened: Item) -> Iterator[Event]:
    kind = item["type"]
    if kind in _LATER and _LATER[kind] in opened:
        opened[_LATER[kind]] = None
    first, *middle, last = STAGES[kind]
    yield {"type": f"response.{kind}.{first}", **place}
    yield from _input(place, item, opened)
    for stage in middle:
        yield {"type": f"response.{kind}.{stage}", **place}
    if kind in _TOLD_FAILURES and (item.get("error") or item.get("status") == "failed"):
        yield {"type": f"response.{kind}.failed", **place}
    elif item.get("status") in (None, "completed"):
        yield {"type": f"response.{kind}.{last}", **place}


def _input(place: Item, item: Item, opened: Item) -> Iterator[Event]:
    name, key = _INPUTS.get(item["type"], ("", ""))
    if not isinstance(item.get(key), str):
        return
    opened[key] = ""
    if item[key]:
        yield {"type": f"{name}.delta", **place, "delta": item[key]}
    yield from done_input(place, item)


def _command(place: Item, command: str) -> Iterator[Event]:
    name = "response.shell_call_command"
    yield {"type": f"{name}.added", **place, "command": ""}
    if command:
        yield {"type": f"{name}.delta", **place, "delta": command}
    yield {"type": f"{name}.done", **place, "command": command}


def _printed(place: Item, output: Item) -> Iterator[Event]:
    name = "response.shell_call_output_content"
    printed = {stream: output[stream] for stream in ("stdout", "stderr") if output.get(stream)}
    if printed:
        yield {"type": f"{name}.delta", **place, "delta": printed}
    yield {"type": f"{name}.done", **place, "output": [output]}


def part_events(place: Item, at: int, part: Item) -> list[Event]:
    place = {**place, "content_index": at}
    inner: list[Event] = []
    opened = dict(part)
    match part:
        case {"type": "output_text", "text": text}:
            opened |= {"text": "", "annotations": [], "logprobs": []}
            logprobs = part.get("logprobs") or []
            whole = _whole("response.output_text", place, "text", text)
            inner = [
                *({**event, "logprobs": logprobs} for event in whole[:-1]),
                *(
                    {
                        "type": "response.output_text.annotation.added",
                        **place,
                        "annotation_index": number,
                        "annotation": annotation,
                    }
                    for number, annotation in enumerate(part.get("annotations") or [])
                ),
                {**whole[-1], "logprobs": logprobs},
            ]
        case {"type": "refusal", "refusal": text}:
            opened["refusal"] = ""
            inner = _whole("response.refusal", place, "refusal", text)
        case {"type": "reasoning_text", "text": text}:
            opened["text"] = ""
            inner = _whole("response.reasoning_text", place, "text", text)
    return [
        {"type": "response.content_part.added", **place, "part": opened},
        *inner,
        {"type": "response.content_part.done", **place, "part": part},
    ]


def summary_events(place: Item, at: int, part: Item) -> list[Event]:
    place = {**place, "summary_index": at}
    return [
        {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}},
        *_whole("response.reasoning_summary_text", place, "text", part["text"]),
        {"type": "response.reasoning_summary_part.done", **place, "part": part},
    ]


def _whole(event: str, place: Item, key: str, text: str, **more: str) -> list[Event]:
    deltas = [{"type": f"{event}.delta", **place, "delta": text}] if text else []
    return [*deltas, {"type": f"{event}.done", **place, key: text, **more}]
