"""A fake Cohere: its Chat API, version 2."""

import json
from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from tests.rig.vendors import Call, Fake, Json, sse
from tests.rig.vendors.cohere_rules import wrong
from tests.rig.vendors.script import Asked, Cited, Refuse, Say, Script, Step, Think, Use

ID = "c14c80c3-18eb-4519-9460-6c92edd8cfb4"
_TRIAL = "You are using a Trial key, which is limited to {} API calls / {}. You can continue to use the Trial key."
_ERRORS = {
    "context": (400, "too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 131072."),
    "quota": (429, _TRIAL.format(1000, "month")),
    "overload": (503, "the service is temporarily unavailable, please try again later"),
    "400": (400, "invalid request: temperature must be at least 0."),
    "404": (404, "model 'error-404' not found, make sure the correct model ID was used."),
    "429": (429, _TRIAL.format(20, "minute")),
    "500": (500, "internal server error, this has been reported to our developers."),
}
_REASONS = {
    "end": "COMPLETE",
    "tool": "TOOL_CALL",
    "length": "MAX_TOKENS",
    "filter": "ERROR_TOXIC",
    "inside": "ERROR",
}
_INSIDE = "an error occurred during the generation"


def mount(fake: Fake) -> APIRouter:
    router = APIRouter()

    @router.post("/v2/chat")
    @router.post("/{prefix:path}/v2/chat")
    async def chat(request: Request) -> Response:
        body = await request.json()
        model = str(body.get("model"))
        fake.calls.append(Call("POST", request.url.path, request.url.query, dict(request.headers), body, model))
        if complaints := list(wrong(body)):
            fake.refused += complaints
            return _error(400, f"invalid request: {'; '.join(complaints)}")
        asked = _asked(body)
        script = fake.play(model, asked)
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if script.error == "key" or not key:
            return _error(401, f"invalid api token {key}")
        if script.error is not None:
            return _error(*_ERRORS.get(script.error) or (int(script.error), "something is wrong"))
        if asked.stream:
            return StreamingResponse(
                sse((event["type"], event) for event in stream(script)), media_type="text/event-stream"
            )
        if script.stop in ("cut", "inside"):
            return _error(*_ERRORS["500"])
        return JSONResponse(whole(script))

    return router


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"id": ID, "message": message}, status, headers={"x-debug-trace-id": ID.replace("-", "")})


def _asked(body: Json) -> Asked:
    messages = body["messages"]
    said = [(message["role"], _words(message)) for message in messages if message["role"] != "system"]
    return Asked(
        stream=bool(body.get("stream")),
        system="\n".join(_words(message) for message in messages if message["role"] == "system"),
        said=tuple(said),
        tools=tuple(tool["function"]["name"] for tool in body.get("tools") or ()),
        results=tuple((one["tool_call_id"], _words(one)) for one in messages if one["role"] == "tool"),
        schema=(body.get("response_format") or {}).get("json_schema"),
        thinks=(body.get("thinking") or {}).get("type") == "enabled",
    )


def _words(message: Json) -> str:
    content = message.get("content") or message.get("tool_plan") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def whole(script: Script) -> Json:
    """The answer in one piece."""
    content: list[Json] = []
    message: Json = {"role": "assistant", "content": content}
    for at, step in enumerate(script.steps):
        match step:
            case Think(text):
                content.append({"type": "thinking", "thinking": text})
            case Say(text) | Refuse(text) if _plans(script.steps[at:]):
                message["tool_plan"] = text
            case Say(text) | Refuse(text):
                content.append({"type": "text", "text": text})
            case Cited(text):
                message["citations"] = [_citation(step, len(content))]
                content.append({"type": "text", "text": text})
            case Use():
                message.setdefault("tool_calls", []).append(_call(step, _arguments(step)))
    return {"id": ID, "finish_reason": _REASONS[script.stop], "message": message, "usage": _usage(script)}


def stream(script: Script) -> Iterator[Json]:
    """The answer in events."""
    start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": ID, "type": "message-start", "delta": {"message": start}}
    blocks = calls = 0
    for at, step in enumerate(script.steps):
        match step:
            case Think(text):
                yield from _block(blocks, "thinking", text)
                blocks += 1
            case Say(text) | Refuse(text) if _plans(script.steps[at:]):
                for piece in _pieces(text):
                    yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
            case Say(text) | Refuse(text) | Cited(text):
                cited = [_citation(step, blocks)] if isinstance(step, Cited) else []
                yield from _block(blocks, "text", text, cited)
                blocks += 1
            case Use():
                yield from _called(calls, step)
                calls += 1
    if script.stop == "cut":
        return
    delta: Json = {"finish_reason": _REASONS[script.stop], "usage": _usage(script)}
    if script.stop == "inside":
        delta["error"] = _INSIDE
    yield {"type": "message-end", "id": ID, "delta": delta}


def _plans(steps: Iterable[Step]) -> bool:
    """Words in front of a call are the plan for it."""
    return any(isinstance(step, Use) for step in steps)


def _block(index: int, kind: str, text: str, citations: Iterable[Json] = ()) -> Iterator[Json]:
    begun = {"type": kind, kind: ""}
    yield {"type": "content-start", "index": index, "delta": {"message": {"content": begun}}}
    for piece in _pieces(text):
        yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}}
    for at, citation in enumerate(citations):
        yield {"type": "citation-start", "index": at, "delta": {"message": {"citations": citation}}}
        yield {"type": "citation-end", "index": at}
    yield {"type": "content-end", "index": index}


def _called(index: int, use: Use) -> Iterator[Json]:
    yield {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": _call(use, "")}}}
    for piece in _pieces(_arguments(use)):
        delta = {"function": {"arguments": piece}}
        yield {"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": delta}}}
    yield {"type": "tool-call-end", "index": index}


def _call(use: Use, arguments: str) -> Json:
    return {
        "id": f"{use.name}_{use.call_id}",
        "type": "function",
        "function": {"name": use.name, "arguments": arguments},
    }


def _arguments(use: Use) -> str:
    return json.dumps(use.arguments, indent=4)


def _citation(cited: Cited, index: int) -> Json:
    source = {"type": "document", "id": "doc:0", "document": {"id": "doc:0", "title": cited.title, "url": cited.url}}
    return {
        "start": 0,
        "end": len(cited.text),
        "text": cited.text,
        "sources": [source],
        "content_index": index,
        "type": "TEXT_CONTENT",
    }


def _pieces(text: str) -> Iterator[str]:
    """As tokens come; one of them may be nothing."""
    yield ""
    for at in range(0, len(text), 5):
        yield text[at : at + 5]


def _usage(script: Script) -> Json:
    """What is billed is less than what is read: Cohere's own words around a prompt are free."""
    used = script.used
    return {
        "billed_units": {"input_tokens": used.read // 2, "output_tokens": used.written},
        "tokens": {"input_tokens": used.read, "output_tokens": used.written},
        "cached_tokens": used.cached,
    }
