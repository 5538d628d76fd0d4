"""What a fake provider says, in the words of three wire formats: Chat Completions, Responses and Messages."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tests.rig.journal import Call, Json
from tests.rig.scripts import SCRIPTS

_SILENCE = 90.0


async def words(call: Call) -> AsyncIterator[str]:
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
        case ["moody", number, milliseconds]:
            count, pause = int(number), int(milliseconds) / 1000
    if call.fate == "silent":
        await asyncio.sleep(_SILENCE)
    if call.fate == "cut":
        count //= 2
    for at in range(count):
        if pause:
            await asyncio.sleep(pause)
        call.words = at + 1
        word = f"c{call.number}w{at} "
        call.characters += len(word)
        yield word


def quoting(call: Call) -> str:
    return f"{call.headers.get('authorization')} must not ask for {call.said!r}"


def sse(value: Json) -> bytes:
    name = f"event: {value['type']}\n" if "type" in value else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


def _chunk(call: Call, delta: Json, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **more}
    return _completion(call, choices=[choice])


def _completion(call: Call, **fields: Any) -> bytes:
    return sse({"id": f"chatcmpl-{call.number}", "object": "chat.completion.chunk", "created": 1, "model": call.model,
                 **fields})  # fmt: skip


async def chat(call: Call) -> AsyncIterator[bytes]:
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
        async for word in words(call):
            yield _chunk(call, {"content": word})
        if kind == "cut" or call.fate == "cut":
            return
        if kind in ("fail", "blurt"):
            message = quoting(call) if kind == "blurt" else "scripted failure"
            yield sse({"error": {"message": message, "type": "server_error", "code": "server_error"}})
            return
        yield _chunk(call, {}, "stop")
    call.reported = used = call.used
    counted = {
        "prompt_tokens": used.read, "completion_tokens": used.written, "total_tokens": used.read + used.written,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": used.reasoned},
    }  # fmt: skip
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


async def native(call: Call) -> AsyncIterator[bytes]:
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
        return sse({"type": f"response.{kind}", "sequence_number": next(numbers), **fields})

    yield event("created", response=response)
    yield event("in_progress", response=response)
    yield event("output_item.added", output_index=0, item=item)
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    yield event("content_part.added", **place, part=part)
    text = ""
    async for word in words(call):
        text += word
        yield event("output_text.delta", **place, delta=word, logprobs=[])
    kind = call.model.split("-")[0]
    if kind == "cut" or call.fate == "cut":
        return
    if kind in ("fail", "blurt"):
        error = {"code": "server_error", "message": quoting(call) if kind == "blurt" else "scripted failure"}
        yield event("failed", response={**response, "status": "failed", "error": error})
        return
    part = {**part, "text": text}
    item = {**item, "status": "completed", "content": [part]}
    yield event("output_text.done", **place, text=text, logprobs=[])
    yield event("content_part.done", **place, part=part)
    yield event("output_item.done", output_index=0, item=item)
    call.reported = used = call.used
    usage = {"input_tokens": used.read, "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": 0},
             "output_tokens": used.written, "output_tokens_details": {"reasoning_tokens": used.reasoned},
             "total_tokens": used.read + used.written}  # fmt: skip
    yield event("completed", response={**response, "status": "completed", "output": [item], "usage": usage})


async def messages(call: Call) -> AsyncIterator[bytes]:
    used = call.used
    read = {"input_tokens": used.read - used.cached, "cache_read_input_tokens": used.cached,
            "cache_creation_input_tokens": 0}  # fmt: skip
    message: Json = {
        "id": f"msg_up{call.number}", "type": "message", "role": "assistant", "model": call.model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {**read, "output_tokens": 1},
    }  # fmt: skip
    spoken = words(call)
    first = await anext(spoken, None)
    yield sse({"type": "message_start", "message": message})
    yield sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    if first is not None:
        yield _said(first)
    async for word in spoken:
        yield _said(word)
    if call.model.split("-")[0] == "cut" or call.fate == "cut":
        return
    yield sse({"type": "content_block_stop", "index": 0})
    call.reported = used = call.used
    said = {"output_tokens": used.written, "output_tokens_details": {"thinking_tokens": used.reasoned}}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield sse({"type": "message_delta", "delta": end, "usage": {**read, **said}})
    yield sse({"type": "message_stop"})


def _said(word: str) -> bytes:
    return sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})
