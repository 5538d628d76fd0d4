"""A fake Ollama: `/api/chat`."""

import json
from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from tests.rig.vendors import Call, Fake, Json
from tests.rig.vendors.ollama_rules import wrong
from tests.rig.vendors.script import Asked, Cited, Refuse, Say, Script, Think, Use

AT = "2026-02-03T04:05:06.789012345Z"
_TOO_LONG = {
    "error": {
        "code": 400,
        "message": "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 9000,
        "n_ctx": 4096,
    }
}
_ERRORS = {
    "context": (400, json.dumps(_TOO_LONG, separators=(",", ":"))),
    "key": (401, "invalid API key: sk-of-ours"),
    "quota": (429, "you have reached your weekly usage limit, upgrade for higher limits: https://ollama.com/upgrade"),
    "overload": (503, "server busy, please try again.  maximum pending requests exceeded"),
    "400": (400, 'option "temperature" must be of type float32'),
    "404": (404, "model 'error-404' not found"),
    "429": (429, "too many concurrent requests"),
    "500": (500, "llama runner process has terminated: exit status 2"),
}
_INSIDE = "an error was encountered while running the model: unexpected EOF"
_REASONS = {"length": "length"}
"""Any other end is `stop`: it has no filter."""
_THINKERS = ("think", "loop")


def mount(fake: Fake) -> APIRouter:
    router = APIRouter()

    @router.post("/api/chat")
    @router.post("/{prefix:path}/api/chat")
    async def chat(request: Request) -> Response:
        body = await request.json()
        model = str(body.get("model"))
        fake.calls.append(Call("POST", request.url.path, request.url.query, dict(request.headers), body, model))
        if complaints := list(wrong(body)):
            fake.refused += complaints
            return _error(400, "; ".join(complaints))
        thinker = model.rpartition("/")[2] in _THINKERS
        if body.get("think") and not thinker:
            return _error(400, f'"{model}" does not support thinking')
        asked = _asked(body, thinks=thinker and body.get("think") is not False)
        script = fake.play(model, asked)
        if script.error is not None:
            return _error(*_ERRORS.get(script.error) or (int(script.error), "something is wrong"))
        if not body["messages"]:
            return JSONResponse(_line(model, done=True, done_reason="load"))
        lines = stream(model, script)
        if asked.stream:
            said = (json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
            return StreamingResponse(said, media_type="application/x-ndjson")
        return _whole(list(lines))

    return router


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)


def _asked(body: Json, *, thinks: bool) -> Asked:
    messages = body["messages"]
    return Asked(
        stream=body.get("stream") is not False,
        system="\n".join(one["content"] for one in messages if one["role"] == "system"),
        said=tuple((one["role"], one.get("content") or "") for one in messages if one["role"] != "system"),
        tools=tuple(tool["function"]["name"] for tool in body.get("tools") or ()),
        results=tuple((one.get("tool_name", ""), one["content"]) for one in messages if one["role"] == "tool"),
        schema=body["format"] if isinstance(body.get("format"), dict) else None,
        thinks=thinks,
    )


def stream(model: str, script: Script) -> Iterator[Json]:
    """The answer, line by line."""
    for step in script.steps:
        match step:
            case Think(text):
                yield from (_line(model, thinking=piece) for piece in _pieces(text))
            case Say(text) | Refuse(text) | Cited(text):
                yield from (_line(model, content=piece) for piece in _pieces(text))
            case Use():
                call = {"function": {"name": step.name, "arguments": step.arguments}}
                yield {**_line(model), "message": {"role": "assistant", "content": "", "tool_calls": [call]}}
    if script.stop == "inside":
        yield {"error": _INSIDE}
    elif script.stop != "cut":
        used = {"prompt_eval_count": script.used.read, "eval_count": script.used.written}
        times = {"total_duration": 5_191_566_416, "load_duration": 2_154_458, "eval_duration": 4_799_921_000}
        yield {**_line(model, done=True, done_reason=_REASONS.get(script.stop, "stop")), **times, **used}


def _whole(lines: list[Json]) -> JSONResponse:
    """The same in one piece."""
    *said, last = lines
    if not last.get("done"):
        return _error(500, _INSIDE)
    message: Json = {"role": "assistant", "content": ""}
    for line in said:
        for name in ("content", "thinking", "tool_calls"):
            if part := line["message"].get(name):
                message[name] = message[name] + part if name in message else part
    return JSONResponse({**last, "message": message})


def _line(model: str, *, content: str = "", thinking: str = "", done: bool = False, done_reason: str = "") -> Json:
    message = {"role": "assistant", "content": content, **({"thinking": thinking} if thinking else {})}
    reason = {"done_reason": done_reason} if done_reason else {}
    return {"model": model, "created_at": AT, "message": message, **reason, "done": done}


def _pieces(text: str) -> Iterable[str]:
    return (text[at : at + 5] for at in range(0, len(text), 5))
