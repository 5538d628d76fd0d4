"""What a script says as a response of OpenAI's."""

import json
from collections.abc import Iterable, Iterator
from itertools import count

from tests.rig.vendors import Json
from tests.rig.vendors.script import Cited, Refuse, Say, Script, Search, Step, Think, Use

AT = 1_770_000_000
_CUT = {"length": "max_output_tokens", "filter": "content_filter"}


def whole(body: Json, script: Script, number: int) -> Json:
    """The response at its end."""
    output = [_item(step, body, number, at) for at, step in enumerate(script.steps)]
    cut = _CUT.get(script.stop)
    return {
        **_begun(body, number),
        "status": "incomplete" if cut else "completed",
        "completed_at": None if cut else AT + 1,
        "incomplete_details": {"reason": cut} if cut else None,
        "output": output,
        "usage": _usage(script),
    }


def _begun(body: Json, number: int) -> Json:
    return {
        "id": f"resp_{number:048}",
        "object": "response",
        "created_at": AT,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium", **(body.get("text") or {})},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
        "metadata": body.get("metadata") or {},
    }


def _usage(script: Script) -> Json:
    used = script.used
    return {
        "input_tokens": used.read,
        "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.cache_written},
        "output_tokens": used.written,
        "output_tokens_details": {"reasoning_tokens": used.reasoned},
        "total_tokens": used.read + used.written,
    }


def _item(step: Step, body: Json, number: int, at: int) -> Json:
    id_ = f"{number:08}{at:02}"
    match step:
        case Think(text, signature):
            shown = (body.get("reasoning") or {}).get("summary") is not None
            sealed = "reasoning.encrypted_content" in (body.get("include") or ())
            return {
                "id": f"rs_{id_}",
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": text}] if shown else [],
                **({"encrypted_content": signature} if sealed else {}),
            }
        case Use(name, arguments):
            said = json.dumps(arguments)
            call = {"type": "function_call", "status": "completed", "arguments": said, "name": name}
            return {"id": f"fc_{id_}", **call, "call_id": f"call_{id_}"}
        case Search(query, urls):
            sources = [{"type": "url", "url": url} for url in urls]
            wanted = "web_search_call.action.sources" in (body.get("include") or ())
            action = {"type": "search", "query": query, **({"sources": sources} if wanted else {})}
            return {"id": f"ws_{id_}", "type": "web_search_call", "status": "completed", "action": action}
        case _:
            message = {"type": "message", "status": "completed", "role": "assistant"}
            return {"id": f"msg_{id_}", **message, "content": [_part(step)]}


def _part(step: Step) -> Json:
    match step:
        case Refuse(text):
            return {"type": "refusal", "refusal": text}
        case Cited(text, url, title):
            place = {"start_index": 0, "end_index": len(text)}
            cited = {"type": "url_citation", "url": url, "title": title, **place}
            return {"type": "output_text", "annotations": [cited], "logprobs": [], "text": text}
        case Say(text):
            return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
        case _:
            raise TypeError(step)


def stream(body: Json, script: Script, number: int) -> Iterator[Json]:
    """The answer, event by event."""
    numbers = count()
    for event in _events(body, script, number):
        yield {**event, "sequence_number": next(numbers)}


def _events(body: Json, script: Script, number: int) -> Iterator[Json]:
    begun, done = _begun(body, number), whole(body, script, number)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    broken = script.stop in ("cut", "inside")
    for at, item in enumerate(done["output"]):
        events = list(_told(item, at))
        yield from events[:-1] if broken else events
    if script.stop == "inside":
        yield {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
    elif script.stop != "cut":
        yield {"type": f"response.{done['status']}", "response": done}


def _told(item: Json, at: int) -> Iterator[Json]:
    """One item from its beginning to its end."""
    here = {"output_index": at, "item_id": item["id"]}
    yield {"type": "response.output_item.added", "output_index": at, "item": _empty(item)}
    match item["type"]:
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield from _summary({**here, "summary_index": index}, part)
        case "message":
            for index, part in enumerate(item["content"]):
                yield from _content({**here, "content_index": index}, part)
        case "function_call":
            for piece in _pieces(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", **here, "delta": piece, "obfuscation": "x1"}
            done = {"arguments": item["arguments"], "name": item["name"]}
            yield {"type": "response.function_call_arguments.done", **here, **done}
        case "web_search_call":
            for state in ("in_progress", "searching", "completed"):
                yield {"type": f"response.web_search_call.{state}", **here}
    yield {"type": "response.output_item.done", "output_index": at, "item": item}


def _empty(item: Json) -> Json:
    match item["type"]:
        case "reasoning":
            return {**item, "summary": []}
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "function_call":
            return {**item, "status": "in_progress", "arguments": ""}
        case _:
            return {name: value for name, value in item.items() if name != "action"} | {"status": "in_progress"}


def _summary(here: Json, part: Json) -> Iterator[Json]:
    yield {"type": "response.reasoning_summary_part.added", **here, "part": {**part, "text": ""}}
    for piece in _pieces(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", **here, "delta": piece, "obfuscation": "x2"}
    yield {"type": "response.reasoning_summary_text.done", **here, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **here, "part": part}


def _content(here: Json, part: Json) -> Iterator[Json]:
    kind = "output_text" if part["type"] == "output_text" else "refusal"
    name = "text" if kind == "output_text" else "refusal"
    logprobs: Json = {"logprobs": []} if kind == "output_text" else {}
    blank = {**part, name: "", **({"annotations": []} if "annotations" in part else {})}
    yield {"type": "response.content_part.added", **here, "part": blank}
    for piece in _pieces(part[name]):
        yield {"type": f"response.{kind}.delta", **here, "delta": piece, **logprobs, "obfuscation": "x3"}
    for index, annotation in enumerate(part.get("annotations", ())):
        added = {"annotation_index": index, "annotation": annotation}
        yield {"type": "response.output_text.annotation.added", **here, **added}
    yield {"type": f"response.{kind}.done", **here, name: part[name], **logprobs}
    yield {"type": "response.content_part.done", **here, "part": part}


def _pieces(text: str) -> Iterable[str]:
    return (text[at : at + 7] for at in range(0, len(text), 7))
