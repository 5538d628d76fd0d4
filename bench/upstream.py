"""A fake provider as a process of its own: OpenAI's wire, canned.

`python -m bench.upstream PORT` serves `POST /v1/chat/completions` and `POST /v1/responses`, streamed and not, for the
models of `bench.replies`. An answer is put together from pieces that were made once; of a request only the model, the
number and `stream` are looked for. Every streamed event is an HTTP chunk of its own, as servers write them.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import uvloop

from bench.replies import DIGITS, NUMBER, Model, model, pieces

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_NAME = re.compile(rb'"model"\s*:\s*"([^"]+)"')
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_HOLE = "@" * DIGITS
_HEAD = b"HTTP/1.1 200 OK\r\nx-request-id: req_bench\r\n"
_END = b"0\r\n\r\n"
_CREATED = 1_700_000_000

Event = tuple[str, dict[str, Any]] | str


class Provider(asyncio.Protocol):
    """One connection. A client that pipelines is answered in order, unless its model takes time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head = received[: end + 2]
            length = _LENGTH.search(head)
            last = end + 4 + (int(length[1]) if length else 0)
            if len(received) < last:
                break
            self._answer(head, received[end + 4 : last])
            received = received[last:]
        self._received = received

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._transport = None

    def _answer(self, head: bytes, body: bytes) -> None:
        name, numbers = _NAME.search(body), NUMBER.findall(body)
        chat = head.startswith(b"POST /v1/chat/completions ")
        if name is None or not numbers or not (chat or head.startswith(b"POST /v1/responses ")):
            self._write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        number: bytes = numbers[-1]  # of the last turn
        wanted, canned = _canned(name[1].decode(), chat, _STREAM.search(body) is not None)
        if not wanted.after and not wanted.every:
            self._write(number.join(canned[0]))
            return
        pieces = iter([number.join(piece) for piece in canned])
        loop = asyncio.get_running_loop()
        loop.call_later(wanted.after, self._say, pieces, wanted.every, loop.time() + wanted.after)

    def _say(self, pieces: Iterator[bytes], every: float, due: float) -> None:
        """Write one piece now and the others in their time."""
        if (piece := next(pieces, None)) is not None:
            self._write(piece)
            asyncio.get_running_loop().call_at(due + every, self._say, pieces, every, due + every)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


@cache
def _canned(name: str, chat: bool, stream: bool) -> tuple[Model, list[list[bytes]]]:
    """What is written, one after the other; each piece cut where the number belongs."""
    wanted = model(name)
    if not stream:
        body = json.dumps((_completion if chat else _response)(name, wanted.words)).encode()
        head = _HEAD + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        return wanted, [_cut(head + body)]
    head = _HEAD + b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    events = [_chunk(event) for event in (_chat_events if chat else _response_events)(name, wanted.words)]
    if not wanted.every:
        return wanted, [_cut(head + b"".join(events) + _END)]
    first, last = (2, 3) if chat else (5, 4)  # what comes up to the first word, and after the last
    written = [
        head + b"".join(events[:first]),
        *events[first:-last],
        b"".join(events[-last:]) + _END,
    ]
    return wanted, [_cut(piece) for piece in written]


def _cut(data: bytes) -> list[bytes]:
    return data.split(_HOLE.encode())


def _chunk(event: Event) -> bytes:
    if isinstance(event, str):
        data = f"data: {event}\n\n"
    else:
        name, value = event
        data = (f"event: {name}\n" if name else "") + f"data: {json.dumps(value, separators=(',', ':'))}\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data.encode())


def _chat_events(name: str, words: int) -> Iterator[Event]:
    chunk = {
        "id": f"chatcmpl-{_HOLE}",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": name,
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    }

    def choice(delta: dict[str, Any], reason: str | None = None) -> Event:
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
        return "", {**chunk, "choices": choices, "usage": None}

    yield choice({"role": "assistant", "content": "", "refusal": None})
    for piece in pieces(words, _HOLE):
        yield choice({"content": piece})
    yield choice({}, "stop")
    yield "", {**chunk, "choices": [], "usage": _chat_usage(words)}
    yield "[DONE]"


def _completion(name: str, words: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(pieces(words, _HOLE)),
        "refusal": None,
        "annotations": [],
    }
    return {
        "id": f"chatcmpl-{_HOLE}",
        "object": "chat.completion",
        "created": _CREATED,
        "model": name,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _chat_usage(words),
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    }


def _chat_usage(words: int) -> dict[str, Any]:
    return {
        "prompt_tokens": 24,
        "completion_tokens": words,
        "total_tokens": 24 + words,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _response_events(name: str, words: int) -> Iterator[Event]:
    ended = _response(name, words)
    item = ended["output"][0]
    part = item["content"][0]
    opened = {**ended, "status": "in_progress", "completed_at": None, "output": [], "usage": None}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    made: list[dict[str, Any]] = [
        {"type": "response.created", "response": opened},
        {"type": "response.in_progress", "response": opened},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
            for piece in pieces(words, _HOLE)
        ),
        {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": ended},
    ]
    for number, event in enumerate(made):
        yield event["type"], {"type": event["type"], "sequence_number": number, **event}


def _response(name: str, words: int) -> dict[str, Any]:
    part = {"type": "output_text", "text": "".join(pieces(words, _HOLE)), "annotations": [], "logprobs": []}
    item = {"id": f"msg_up{_HOLE}", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    return {
        "id": f"resp_up{_HOLE}",
        "object": "response",
        "created_at": _CREATED,
        "completed_at": _CREATED + 1,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": name,
        "output": [item],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 24,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": words,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 24 + words,
        },
    }


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
