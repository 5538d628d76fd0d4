"""What a script says as a completion, in the words of whoever serves it."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tests.rig.vendors import Json
from tests.rig.vendors.chat_errors import inside
from tests.rig.vendors.script import Cited, Refuse, Say, Script, Search, Step, Think, Use

AT = 1_770_000_000
_REASONS = {"end": "stop", "length": "length", "filter": "content_filter", "tool": "tool_calls"}
_SILENT = ("azure", "xai-silent")
"""They show no thoughts."""
_CALM = {"openrouter": b": OPENROUTER PROCESSING\n\n", "deepseek": b": keep-alive\n\n\n"}


def data(chunk: Json) -> bytes:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def comment(vendor: str) -> bytes:
    """What is no event: some send it while a request waits."""
    return _CALM.get(vendor, b"")


def whole(vendor: str, body: Json, script: Script, number: int) -> Json:
    message: Json = {"role": "assistant", "content": None}
    for delta in _deltas(vendor, body, script, number):
        for name, value in delta.items():
            if name == "tool_calls":
                _call(message.setdefault(name, []), value)
            elif name != "role" and value is not None:
                message[name] = value if message.get(name) is None else _joined(message[name], value)
    reason = _REASONS.get(script.stop, "stop")
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    return {**_head(body, number, "chat.completion"), "choices": [choice], "usage": _usage(vendor, script)}


def _joined(said: Any, more: Any) -> Any:
    """Text behind parts is one more of them."""
    if isinstance(said, str) or isinstance(more, list):
        return said + more
    if said[-1]["type"] == "text":
        return [*said[:-1], {"type": "text", "text": said[-1]["text"] + more}]
    return [*said, {"type": "text", "text": more}]


def _call(calls: list[Json], deltas: list[Json]) -> None:
    for delta in deltas:
        if delta["index"] == len(calls):
            calls.append({"id": delta["id"], "type": "function", "function": dict(delta["function"])})
        else:
            calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]


def stream(vendor: str, body: Json, script: Script, number: int) -> Iterator[Json]:
    """The answer, chunk by chunk."""
    head = _head(body, number, "chat.completion.chunk")
    if vendor == "azure":
        filtered = {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
        yield {**head, "id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [filtered]}
    yield _chunk(head, {"role": "assistant", "content": ""})
    for delta in _deltas(vendor, body, script, number):
        yield _chunk(head, delta)
    if script.stop == "cut":
        return
    if script.stop == "inside":
        yield {**head, **inside(vendor)}
        return
    yield from _end(vendor, body, script, head)


def _end(vendor: str, body: Json, script: Script, head: Json) -> Iterator[Json]:
    """The reason, and where each of them tells what was used."""
    usage = _usage(vendor, script)
    last = _chunk(head, {}, _REASONS[script.stop])
    asked = (body.get("stream_options") or {}).get("include_usage")
    match vendor:
        case "mistral":
            yield {**last, "usage": usage}
        case "moonshot":
            last["choices"][0]["usage"] = usage
            yield last
        case "groq":
            yield {**last, "x_groq": {"id": "req_1", "usage": usage}}
        case "perplexity":
            results = [{"title": step.title, "url": step.url, "date": None} for step in _cited(script)]
            yield {**last, "usage": usage, "search_results": results, "citations": [one["url"] for one in results]}
        case _:
            yield last
            if asked:
                yield {**head, "choices": [], "usage": usage}


def _cited(script: Script) -> list[Cited]:
    return [step for step in script.steps if isinstance(step, Cited)]


def _head(body: Json, number: int, kind: str) -> Json:
    return {"id": f"chatcmpl-{number:08}", "object": kind, "created": AT, "model": body["model"]}


def _chunk(head: Json, delta: Json, reason: str | None = None) -> Json:
    return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}


def _deltas(vendor: str, body: Json, script: Script, number: int) -> Iterator[Json]:
    calls = 0
    for step in script.steps:
        match step:
            case Think():
                yield from _thoughts(vendor, step)
            case Use():
                thoughtful = any(isinstance(one, Think) for one in script.steps)
                yield from _use(vendor, step, calls, id_of(vendor, number, calls, thoughtful=thoughtful))
                calls += 1
            case Refuse(text):
                yield from ({"refusal": piece} for piece in _pieces(text))
            case _:
                yield from _text(vendor, body, step)


def _text(vendor: str, body: Json, step: Step) -> Iterator[Json]:
    match step:
        case Say(text):
            yield from ({"content": piece} for piece in _pieces(text))
        case Cited(text, url, title):
            said = text + "[1]" if vendor == "perplexity" else text
            yield from ({"content": piece} for piece in _pieces(said))
            if "web_search_options" in body or any(tool["type"] != "function" for tool in body.get("tools") or ()):
                place = {"url": url, "title": title, "start_index": 0, "end_index": len(text)}
                yield {"annotations": [{"type": "url_citation", "url_citation": place}]}
        case Search():
            pass  # nobody tells


def _thoughts(vendor: str, step: Think) -> Iterator[Json]:
    pieces = list(_pieces(step.text))
    match vendor:
        case "mistral":
            for piece in pieces:
                yield {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": piece}]}]}
        case "databricks":
            for piece in pieces:
                yield {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": piece}]}]}
        case "perplexity":
            yield from ({"content": piece} for piece in _pieces(f"<think>\n{step.text}</think>\n\n"))
        case "openrouter":
            detail: Json = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
            for piece in pieces:
                yield {"content": "", "reasoning": piece, "reasoning_details": [{**detail, "text": piece}]}
            yield {"content": "", "reasoning_details": [{**detail, "signature": step.signature}]}
        case "groq" | "cerebras" | "sambanova" | "together_ai" | "hosted_vllm":
            yield from ({"reasoning": piece} for piece in pieces)
        case vendor if vendor not in _SILENT:
            yield from ({"content": None, "reasoning_content": piece} for piece in pieces)


def id_of(vendor: str, number: int, call: int, *, thoughtful: bool) -> str:
    """An id tells the rules whether thoughts led to the call."""
    mark = "t" if thoughtful else "c"
    if vendor == "mistral":
        return f"{mark}{number:07}{call}"
    return f"call_{vendor}_{mark}{number:07}{call}"


def _use(vendor: str, step: Use, index: int, id_: str) -> Iterator[Json]:
    arguments = json.dumps(step.arguments)
    if vendor == "mistral":  # in one piece
        function = {"name": step.name, "arguments": arguments}
        yield {"tool_calls": [{"index": index, "id": id_, "function": function}]}
        return
    begun = {"name": step.name, "arguments": ""}
    yield {"tool_calls": [{"index": index, "id": id_, "type": "function", "function": begun}]}
    for piece in _pieces(arguments):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _usage(vendor: str, script: Script) -> Json:
    used = script.used
    usage: Json = {
        "prompt_tokens": used.read,
        "completion_tokens": used.written,
        "total_tokens": used.read + used.written,
    }
    details: Json = {"cached_tokens": used.cached}
    match vendor:
        case "deepseek":
            usage |= {"prompt_cache_hit_tokens": used.cached, "prompt_cache_miss_tokens": used.read - used.cached}
        case "moonshot":
            return {**usage, "cached_tokens": used.cached}
        case "xai":
            usage["completion_tokens"] -= used.reasoned
        case "openrouter":
            details["cache_write_tokens"] = used.cache_written
            usage |= {"cost": 0.00014, "is_byok": False}
        case "perplexity":
            usage |= {"citation_tokens": 0, "num_search_queries": 1, "search_context_size": "low"}
    usage["prompt_tokens_details"] = details
    usage["completion_tokens_details"] = {"reasoning_tokens": used.reasoned}
    return usage


def _pieces(text: str) -> Iterable[Any]:
    return (text[at : at + 7] for at in range(0, len(text), 7))
