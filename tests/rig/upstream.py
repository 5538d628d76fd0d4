"""A fake provider: a real HTTP server that speaks Chat Completions and Responses, does what the model's name says, and
keeps a journal of every call.

Every word of an answer carries the number of its call (`c7w3` is word 3 of call 7), so answers that were mixed,
repeated or lost show in the text itself. Models, their parts joined by `-`:

    words-N[-MS]      N words, MS milliseconds apart
    status-CODE-K     HTTP status CODE for the first K calls of this model, then words-3
    think-MS          MS milliseconds of silence, then words-3
    cut-N             N words, then the connection ends
    fail-N            N words, then an error inside the stream
    drip              headers, then comments for ever
    tool              a call of the function `lookup`
    short-N           a refusal of more than N messages: they are too long; else words-3
    policy            a filter's refusal
    quote-CODE        HTTP status CODE, in words that quote what it was asked, and by which key
    blurt             3 words, then an error inside the stream in such words
    babble            a stream of no JSON, in such words
    …                 what `tests.rig.scripts` lists, in Chat Completions only
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.rig.scripts import SCRIPTS
from warren_gateway.server import listen, serving

Json = dict[str, Any]


@dataclass
class Call:
    """One entry of the journal."""

    number: int
    path: str
    model: str
    body: Json
    headers: dict[str, str]
    started: float = field(default_factory=monotonic)
    words: int = 0
    ended: float | None = None
    finished: bool = False
    """It sent all that it had to say; otherwise the caller hung up."""

    @property
    def said(self) -> list[Json]:
        """The messages or items that it was asked with."""
        return list(self.body.get("messages") or self.body["input"])


class FakeProvider:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.url = ""
        self._times: Counter[str] = Counter()

    def asked(self, marker: str) -> list[Call]:
        """The calls whose body holds this text."""
        return [call for call in self.calls if marker in json.dumps(call.body)]

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        call = Call(len(self.calls), request.url.path, body["model"], body, dict(request.headers))
        self.calls.append(call)
        self._times[call.model] += 1
        match call.model.split("-"):
            case ["status", code, times] if self._times[call.model] <= int(times):
                return _refused(call, int(code), f"scripted {code}", None)
            case ["short", most] if len(call.said) > int(most):
                message = f"This model's maximum context length is {most} messages."
                return _refused(call, 400, message, "context_length_exceeded")
            case ["policy"]:
                return _refused(call, 400, "The response was filtered.", "content_filter")
            case ["quote", code]:
                return _refused(call, int(code), _quoting(call), None)
            case ["babble"]:
                return StreamingResponse(iter([f"data: {_quoting(call)}\n\n"]), media_type="text/event-stream")
        native = request.url.path.endswith("/responses")
        script = _native(call) if native else _chat(call)
        return StreamingResponse(self._journaled(call, script), media_type="text/event-stream")

    async def _journaled(self, call: Call, script: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in script:
                yield piece
            call.finished = True
        finally:
            call.ended = monotonic()


@asynccontextmanager
async def provider() -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    app = FastAPI()
    app.add_api_route("/v1/chat/completions", fake.answer, methods=["POST"], response_model=None)
    app.add_api_route("/v1/responses", fake.answer, methods=["POST"], response_model=None)
    app.add_api_route("/openai/v1/responses", fake.answer, methods=["POST"], response_model=None)  # as on Azure
    bound = listen("127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
    async with serving(app, bound, drain=0):
        yield fake


@contextmanager
def provider_in_thread() -> Iterator[FakeProvider]:
    """For clients that block the thread they are in."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(provider()) as fake:
        yield fake


def _refused(call: Call, status: int, message: str, code: str | None) -> Response:
    call.ended, call.finished = monotonic(), True
    error = {"message": message, "type": "scripted", "param": None, "code": code}
    return JSONResponse({"error": error}, status, {"retry-after": "0"})


def _quoting(call: Call) -> str:
    return f"{call.headers.get('authorization')} must not ask for {call.said!r}"


async def _words(call: Call) -> AsyncIterator[str]:
    """The words of this call's script, at their pace."""
    count, pause = 3, 0.0
    match call.model.split("-"):
        case ["words", number]:
            count = int(number)
        case ["words", number, milliseconds]:
            count, pause = int(number), int(milliseconds) / 1000
        case ["think", milliseconds]:
            await asyncio.sleep(int(milliseconds) / 1000)
        case ["cut" | "fail", number]:
            count = int(number)
    for word in range(count):
        if pause:
            await asyncio.sleep(pause)
        call.words = word + 1
        yield f"c{call.number}w{word} "


def _sse(value: Json) -> bytes:
    name = f"event: {value['type']}\n" if "type" in value else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


def _chunk(call: Call, delta: Json, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **more}
    return _completion(call, choices=[choice])


def _completion(call: Call, **fields: Any) -> bytes:
    return _sse({"id": f"chatcmpl-{call.number}", "object": "chat.completion.chunk", "created": 1, "model": call.model,
                 **fields})  # fmt: skip


async def _chat(call: Call) -> AsyncIterator[bytes]:
    kind = call.model.split("-")[0]
    if kind == "drip":
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0.05)
    usage: Json = {}
    yield _chunk(call, {"role": "assistant", "content": ""})
    if kind == "tool":
        function = {"name": "lookup", "arguments": ""}
        yield _chunk(call, {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})
        for part in ('{"q":', ' "x"}'):
            yield _chunk(call, {"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
        yield _chunk(call, {}, "tool_calls")
    elif kind in SCRIPTS:
        for delta, choice in _scripted(call):
            usage = choice.pop("usage", usage)
            yield _chunk(call, delta, **choice)
    else:
        async for word in _words(call):
            yield _chunk(call, {"content": word})
        if kind == "cut":
            return
        if kind in ("fail", "blurt"):
            message = _quoting(call) if kind == "blurt" else "scripted failure"
            yield _sse({"error": {"message": message, "type": "server_error", "code": "server_error"}})
            return
        yield _chunk(call, {}, "stop")
    counted = {"prompt_tokens": 7, "completion_tokens": call.words, "total_tokens": 7 + call.words}
    yield _completion(call, choices=[], usage=usage or counted)
    yield b"data: [DONE]\n\n"


def _scripted(call: Call) -> Iterator[tuple[Json, Json]]:
    """The deltas of a script, each with what stands beside it in its choice, and `usage` where the script tells it."""
    for piece in SCRIPTS[call.model.split("-")[0]](call.body):
        if isinstance(piece, str):
            yield {}, {"reason": piece}
            continue
        call.words += 1
        beside: Json = {key: piece[key] for key in ("logprobs", "usage") if key in piece}
        yield {key: value for key, value in piece.items() if key not in beside}, beside


async def _native(call: Call) -> AsyncIterator[bytes]:
    numbers = iter(range(1_000_000))
    response: Json = {
        "id": f"resp_upstream{call.number}", "object": "response", "created_at": 1, "status": "in_progress",
        "model": f"{call.model}-2026", "output": [], "usage": None, "error": None, "incomplete_details": None,
        "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto",
        "tools": [], "top_p": 1.0,
    }  # fmt: skip
    item: Json = {"id": f"msg_up{call.number}", "type": "message", "status": "in_progress", "role": "assistant",
                  "content": []}  # fmt: skip
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}

    def event(kind: str, **fields: Any) -> bytes:
        return _sse({"type": f"response.{kind}", "sequence_number": next(numbers), **fields})

    yield event("created", response=response)
    yield event("in_progress", response=response)
    yield event("output_item.added", output_index=0, item=item)
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    yield event("content_part.added", **place, part=part)
    text = ""
    async for word in _words(call):
        text += word
        yield event("output_text.delta", **place, delta=word, logprobs=[])
    kind = call.model.split("-")[0]
    if kind == "cut":
        return
    if kind in ("fail", "blurt"):
        error = {"code": "server_error", "message": _quoting(call) if kind == "blurt" else "scripted failure"}
        yield event("failed", response={**response, "status": "failed", "error": error})
        return
    part = {**part, "text": text}
    item = {**item, "status": "completed", "content": [part]}
    yield event("output_text.done", **place, text=text, logprobs=[])
    yield event("content_part.done", **place, part=part)
    yield event("output_item.done", output_index=0, item=item)
    usage = {"input_tokens": 7, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
             "output_tokens": call.words, "output_tokens_details": {"reasoning_tokens": 0},
             "total_tokens": 7 + call.words}  # fmt: skip
    yield event("completed", response={**response, "status": "completed", "output": [item], "usage": usage})
