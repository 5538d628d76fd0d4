"""A fake Anthropic: `/v1/messages` and `/v1/messages/count_tokens`, and both of them as Vertex AI has them."""

import json
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.rig.vendors import Call, Fake, sse
from tests.rig.vendors.messages_rules import Wrong, check
from tests.rig.vendors.script import Asked, Cited, Refuse, Say, Script, Search, Step, Think, Use

Json = dict[str, Any]
_STOPS = {"end": "end_turn", "length": "max_tokens", "filter": "refusal", "tool": "tool_use"}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_ERRORS: dict[str, tuple[int, str, Json]] = {
    "context": (400, "prompt is too long: 215032 tokens > 200000 maximum", {}),
    "key": (401, "invalid x-api-key: sk-of-ours", {}),
    "quota": (
        429,
        "You have reached your API usage limits: your organization has crossed its monthly threshold.",
        {"details": {"error_code": "enforced_spend_limit_reached"}},
    ),
    "overload": (529, "Overloaded", {}),
    "429": (429, "This request would exceed your organization's rate limit.", {}),
}


def mount(fake: Fake) -> APIRouter:
    router = APIRouter()
    numbers = count(1)

    async def create(request: Request, model: str | None = None) -> Response:
        body = await _journal(fake, request, model)
        request_id = f"req_{next(numbers):024}"
        try:
            check(body, request.headers, counts=False, vertex=model is not None)
        except Wrong as wrong:
            fake.refused.append(str(wrong))
            return _error(400, str(wrong), {}, request_id)
        script = fake.play(model or body["model"], asked(body))
        if script.error is not None:
            status, message, more = _ERRORS.get(script.error, (0, "Something is wrong.", {}))
            return _error(status or int(script.error), message, more, request_id)
        answer = _message(body.get("model") or str(model), script, body, numbers)
        headers = {"request-id": request_id}
        if body.get("stream"):
            return StreamingResponse(_stream(script, answer), media_type="text/event-stream", headers=headers)
        return JSONResponse(answer, headers=headers)

    async def tokens(request: Request) -> Response:
        vertex = request.url.path.endswith("rawPredict")
        body = await _journal(fake, request)
        try:
            check(body, request.headers, counts=True, vertex=vertex)
        except Wrong as wrong:
            fake.refused.append(str(wrong))
            return _error(400, str(wrong), {}, "req_counting")
        return JSONResponse({"input_tokens": fake.play(body["model"], asked(body)).used.read})

    for prefix in ("", "/{prefix:path}"):
        router.post(f"{prefix}/v1/messages")(create)
        router.post(f"{prefix}/v1/messages/count_tokens")(tokens)
        router.post(f"{prefix}/publishers/anthropic/models/count-tokens:rawPredict")(tokens)
        router.post(f"{prefix}/publishers/anthropic/models/{{model}}:streamRawPredict")(create)
        router.post(f"{prefix}/publishers/anthropic/models/{{model}}:rawPredict")(create)
    return router


async def _journal(fake: Fake, request: Request, model: str | None = None) -> Json:
    body: Json = await request.json()
    called = model or str(body.get("model"))
    headers = dict(request.headers)
    fake.calls.append(Call(request.method, request.url.path, request.url.query, headers, body, called))
    return body


def asked(body: Json) -> Asked:
    """What this request says, in nobody's words."""
    turns = [(message["role"], _blocks(message["content"])) for message in body["messages"]]
    results = [
        (block["tool_use_id"], _text(block.get("content", "")))
        for _, blocks in turns
        for block in blocks
        if block["type"] == "tool_result"
    ]
    return Asked(
        stream=bool(body.get("stream")),
        system=_text(body.get("system", "")),
        said=tuple(said for role, blocks in turns for said in _said(role, blocks)),
        tools=tuple(tool["name"] for tool in body.get("tools", ())),
        results=tuple(results),
        signatures=tuple(block["signature"] for _, blocks in turns for block in blocks if block["type"] == "thinking"),
        schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
    )


def _blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _text(content: Any) -> str:
    return "\n".join(block["text"] for block in _blocks(content) if block["type"] == "text") if content else ""


def _said(role: str, blocks: list[Json]) -> Iterator[tuple[str, str]]:
    for block in blocks:
        if block["type"] == "tool_result":
            yield "tool", _text(block.get("content", ""))
    if text := _text([block for block in blocks if block["type"] == "text"]):
        yield role, text


def _message(model: str, script: Script, body: Json, numbers: "count[int]") -> Json:
    stop = _STOPS.get(script.stop, "end_turn")
    refusals = [step.text for step in script.steps if isinstance(step, Refuse)]
    details = {"type": "refusal", "category": None, "explanation": refusals[0]} if refusals else None
    used = script.used
    return {
        "id": f"msg_{next(numbers):024}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block for step in script.steps for block in _content(step, body, numbers)],
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": details,
        "usage": {
            "input_tokens": used.read - used.cached - used.cache_written,
            "cache_creation_input_tokens": used.cache_written,
            "cache_read_input_tokens": used.cached,
            "cache_creation": {"ephemeral_5m_input_tokens": used.cache_written, "ephemeral_1h_input_tokens": 0},
            "output_tokens": used.written,
            "output_tokens_details": {"thinking_tokens": used.reasoned},
            "service_tier": "standard",
            "inference_geo": "global",
        },
    }


def _content(step: Step, body: Json, numbers: "count[int]") -> Iterator[Json]:
    """Its blocks. Thoughts are shown to those who asked for them."""
    thinking = body.get("thinking") or {}
    match step:
        case Think(text, signature) if thinking.get("type") in ("enabled", "adaptive"):
            shown = thinking["type"] == "enabled" or thinking.get("display") == "summarized"
            yield {"type": "thinking", "thinking": text if shown else "", "signature": signature}
        case Say(text):
            yield {"type": "text", "text": text}
        case Cited(text, url, title):
            cited = {"cited_text": text[:20], "encrypted_index": "Eo8BCioIAhgC", "title": title, "url": url}
            yield {"type": "text", "text": text, "citations": [{"type": "web_search_result_location", **cited}]}
        case Search(query, urls):
            id_ = f"srvtoolu_{next(numbers):024}"
            yield {"type": "server_tool_use", "id": id_, "name": "web_search", "input": {"query": query}}
            page = {"type": "web_search_result", "encrypted_content": "EqgfCioIARgB", "page_age": None}
            found = [{**page, "url": url, "title": "A page"} for url in urls]
            yield {"type": "web_search_tool_result", "tool_use_id": id_, "content": found}
        case Use(name, arguments):
            yield {"type": "tool_use", "id": f"toolu_{next(numbers):024}", "name": name, "input": arguments}


async def _stream(script: Script, answer: Json) -> AsyncIterator[bytes]:
    for piece in sse((event["type"], event) for event in _events(script, answer)):
        yield piece
    if script.stop == "cut":
        raise ConnectionResetError("the script says so")


def _events(script: Script, answer: Json) -> Iterator[Json]:
    begun = {**answer["usage"], "output_tokens": 1}
    del begun["output_tokens_details"]
    yield {
        "type": "message_start",
        "message": {**answer, "content": [], "stop_reason": None, "stop_details": None, "usage": begun},
    }
    for index, block in enumerate(answer["content"]):
        yield from _streamed(index, block)
    if script.stop == "cut":
        return
    if script.stop == "inside":
        yield {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
        return
    usage = {name: value for name, value in answer["usage"].items() if name.endswith(("_tokens", "_details"))}
    end = {name: answer[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    yield {"type": "message_delta", "delta": end, "usage": usage}
    yield {"type": "message_stop"}


def _streamed(index: int, block: Json) -> Iterator[Json]:
    began, deltas = _pieces(block)
    yield {"type": "content_block_start", "index": index, "content_block": began}
    if index == 0:
        yield {"type": "ping"}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _pieces(block: Json) -> tuple[Json, list[Json]]:
    """How a block begins, and what is then added to it."""
    match block:
        case {"type": "text", "text": text}:
            cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ()]
            empty: Json = {"citations": []} if cited else {}
            return {**block, "text": "", **empty}, [*cited, *_cut("text_delta", "text", text)]
        case {"type": "thinking", "thinking": text, "signature": signature}:
            deltas = [*_cut("thinking_delta", "thinking", text), {"type": "signature_delta", "signature": signature}]
            return {**block, "thinking": "", "signature": ""}, deltas
        case {"type": "tool_use" | "server_tool_use", "input": given}:
            text = json.dumps(given, ensure_ascii=False) if given else ""
            empty_first: list[Json] = [{"type": "input_json_delta", "partial_json": ""}]
            return {**block, "input": {}}, empty_first + _cut("input_json_delta", "partial_json", text)
        case _:
            return block, []


def _cut(kind: str, field: str, text: str) -> list[Json]:
    return [{"type": kind, field: text[at : at + 7]} for at in range(0, len(text), 7)]


def _error(status: int, message: str, more: Json, request_id: str) -> JSONResponse:
    error = {"type": _TYPES.get(status, "api_error"), "message": message, **more}
    headers = {"request-id": request_id}
    if status == 429 and not more:
        headers["retry-after"] = "1"
    return JSONResponse({"type": "error", "error": error, "request_id": request_id}, status, headers)
