"""Calls to providers: an answer that is interrupted by the provider itself, and tokens that it counts."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import time
from typing import Any

import pytest
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic_core import to_json

from tests.rig.legal import check_stream
from tests.rig.vendors import Call, Fake, fake, messages, sse
from tests.worker.telling import assembler, wire
from warren import config
from warren.contracts import Usage
from warren.errors import UpstreamError
from warren.events import Event
from warren_worker.dialect import Conversation, Counting
from warren_worker.exchange import Calls, Nobody
from warren_worker.provider import Endpoint, endpoint
from warren_worker.upstream import Patience, connect

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
ASKED = {"model": "m", "input": "Does it rain?", "tools": [{"type": "web_search"}]}
TEXT = {"type": "text", "text": "I look."}
USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {"type": "web_search_result", "url": "https://x", "title": "X", "encrypted_content": "e", "page_age": None}
    ],
}


class Listening(Nobody):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def say(self, events: list[Event]) -> None:
        self.heard += wire(events)


def pausing(times: int, *, fails: bool = False) -> Any:
    """An Anthropic that looks something up, and pauses so often before it goes on, or fails to."""

    def mount(vendor: Fake) -> APIRouter:
        router = APIRouter()

        @router.post("/v1/messages")
        async def create(request: Request) -> Response:
            body = await request.json()
            vendor.calls.append(Call("POST", request.url.path, "", dict(request.headers), body, body["model"]))
            number = len(vendor.calls)
            if fails and number > times:
                return JSONResponse({}, 500)
            blocks: list[Json] = [TEXT, USE] if number == 1 else [FOUND, {"type": "text", "text": "It does."}]
            stop = "pause_turn" if number <= times else "end_turn"
            headers = {"request-id": f"req_{number}"}
            return StreamingResponse(sse(_said(blocks, stop)), media_type="text/event-stream", headers=headers)

        return router

    return mount


def _said(blocks: list[Json], stop: str) -> Iterator[tuple[str, Json]]:
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    yield "message_start", {"type": "message_start", "message": message}
    for at, block in enumerate(blocks):
        opened = block | ({"text": ""} if "text" in block else {}) | ({"input": {}} if "input" in block else {})
        yield "content_block_start", {"type": "content_block_start", "index": at, "content_block": opened}
        more = None
        if "text" in block:
            more = {"type": "text_delta", "text": block["text"]}
        elif "input" in block:
            more = {"type": "input_json_delta", "partial_json": to_json(block["input"]).decode()}
        if more is not None:
            yield "content_block_delta", {"type": "content_block_delta", "index": at, "delta": more}
        yield "content_block_stop", {"type": "content_block_stop", "index": at}
    ended = {"stop_reason": stop, "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 5}}
    yield "message_stop", {"type": "message_stop"}


@asynccontextmanager
async def calling(model: str, *mounts: Any) -> AsyncIterator[tuple[Calls, Endpoint, Fake]]:
    """Calls to an Anthropic of the tests."""
    async with fake(*mounts) as vendor, connect(Patience(), 4) as upstream:
        params = {"model": f"anthropic/{model}", "api_base": vendor.url, "api_key": "k"}
        parsed = config.parse(to_json({"model_list": [{"model_name": "m", "litellm_params": params}]}).decode())
        (deployment,) = parsed.deployments.values()
        yield Calls(upstream, "att_1", time() + 60), endpoint(deployment, {}), vendor


def conversation(request: Json) -> Conversation:
    return Conversation(request, [{"role": "user", "content": request["input"]}])


async def test_a_provider_that_pauses_is_asked_to_go_on() -> None:
    audience = Listening()
    async with calling("m", pausing(1)) as (calls, there, vendor):
        one = assembler(ASKED)
        audience.say(one.start())
        audience.say(await calls.ask(there, conversation(ASKED), one, audience))
    final = check_stream(audience.heard)
    assert final == wire([one.response])[0]
    assert [item["type"] for item in final["output"]] == ["message", "web_search_call", "message"]
    assert (final["usage"]["input_tokens"], final["usage"]["output_tokens"]) == (20, 10)
    assert vendor.calls[0].body["messages"] == vendor.calls[1].body["messages"][:1]
    assert vendor.calls[1].body["messages"][1:] == [{"role": "assistant", "content": [TEXT, USE]}]
    assert [(call.call_id, call.usage) for call in calls.made] == [
        ("att_1.1", Usage(input_tokens=10, output_tokens=5, tools={"web_search": 1, "web_queries": 1})),
        ("att_1.2", Usage(input_tokens=10, output_tokens=5)),
    ]
    assert [call.upstream_request_id for call in calls.made] == ["req_1", "req_2"]


async def test_who_pauses_for_ever_is_asked_only_so_often() -> None:
    async with calling("m", pausing(99)) as (calls, there, _):
        one = assembler(ASKED)
        (end,) = [event for event in await calls.ask(there, conversation(ASKED), one) if "response" in event]
    assert end["response"]["status"] == "completed"
    assert len(calls.made) == 11


async def test_a_call_that_fails_behind_a_pause_fails_the_answer() -> None:
    async with calling("m", pausing(1, fails=True)) as (calls, there, _):
        one = assembler(ASKED)
        with pytest.raises(UpstreamError):
            await calls.ask(there, conversation(ASKED), one)
    assert [(call.status, call.error) for call in calls.made] == [(200, None), (500, "upstream_error")]
    assert [item["status"] for item in one.response["output"]] == ["completed", "completed"]


async def test_the_provider_counts_tokens() -> None:
    async with calling("text", messages.mount) as (calls, there, vendor):
        assert isinstance(there.dialect, Counting)
        counted = await calls.count(there, there.dialect, conversation({"model": "text", "input": "Does it rain?"}))
    assert isinstance(counted, int)
    assert vendor.calls[0].path.endswith("/count_tokens")
    assert calls.made == []


@pytest.mark.parametrize("model", ["error-404", "error-500"])
async def test_who_cannot_count_says_nothing(model: str) -> None:
    def mount(_vendor: Fake) -> APIRouter:
        router = APIRouter()

        @router.post("/v1/messages/count_tokens")
        async def count() -> Response:
            return JSONResponse({"type": "error"}, int(model.removeprefix("error-")))

        return router

    async with calling(model, mount) as (calls, there, _):
        assert isinstance(there.dialect, Counting)
        assert await calls.count(there, there.dialect, conversation({"model": "m", "input": "hi"})) is None
