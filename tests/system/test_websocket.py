"""Responses over a WebSocket, with the official SDK and without."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.rig.legal import check_stream
from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, Service, embedded, models, ready
from tests.rig.upstream import FakeProvider
from tests.system.conftest import System

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}
Json = dict[str, Any]


def address(url: str, path: str = "/v1/responses") -> str:
    return url.replace("http", "ws", 1) + path


@asynccontextmanager
async def opened(url: str, path: str = "/v1/responses", **headers: str) -> AsyncIterator[ClientConnection]:
    async with connect(address(url, path), additional_headers=HEADERS | headers, max_size=None) as socket:
        yield socket


async def say(socket: ClientConnection, **fields: Any) -> None:
    await socket.send(json.dumps({"type": "response.create", "model": "words-3", **fields}))


async def answer(socket: ClientConnection) -> list[Json]:
    """All events up to and with the one that ends an answer."""
    events: list[Json] = []
    while True:
        events.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
        match events[-1]:
            case {"type": "response.completed" | "response.incomplete" | "response.failed"}:
                return events
            case {"type": "error", "status": _}:  # of a frame; that of a stream has a number, and is not its end
                return events


async def ask(socket: ClientConnection, **fields: Any) -> Json:
    """The final response, once its stream has been checked."""
    await say(socket, **fields)
    return check_stream(await answer(socket))


async def refused(socket: ClientConnection, **fields: Any) -> Json:
    """The error that this is answered with, once the ledger is sure."""
    while True:
        await say(socket, **fields)
        (event,) = await answer(socket)
        assert event["type"] == "error"
        if "ledger is behind" not in event["error"]["message"]:
            return event
        await asyncio.sleep(1)


def said(system: System, marker: str) -> str:
    (call,) = system.upstream.asked(marker)
    return json.dumps(call.said)


async def test_the_sdk_connects(system: System) -> None:
    async with system.client() as client, client.responses.connect() as connection:
        previous = None
        for text in ("one", "two"):
            await connection.response.create(model="words-3", input=text, previous_response_id=previous)
            kinds = []
            async for event in connection:
                kinds.append(event.type)
                if event.type == "response.completed":
                    previous = event.response.id
                    break
            assert kinds[:2] == ["response.created", "response.in_progress"]
            assert kinds.count("response.output_text.delta") == 3
        assert previous is not None
        stored = await client.responses.retrieve(previous)
        assert stored.status == "completed"


@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1"])
async def test_events_are_those_of_the_stream(system: System, prefix: str) -> None:
    async with opened(system.url, f"{prefix}/responses") as socket:
        final = await ask(socket, input="x", stream=True, stream_options={"include_obfuscation": False})
    async with httpx.AsyncClient(headers=HEADERS) as http:
        assert (await http.get(f"{system.url}/v1/responses/{final['id']}")).json() == final


@pytest.mark.parametrize("model", ["words-3", "native-words-3"])
async def test_what_is_not_stored_is_remembered_by_its_socket_only(system: System, model: str) -> None:
    unique = uuid4().hex
    async with opened(system.url) as socket:
        first = await ask(socket, model=model, input=f"first {unique}", store=False)
        second = await ask(socket, model=model, input=f"second {unique}", store=False, previous_response_id=first["id"])
        assert second["previous_response_id"] == first["id"]
        third = await ask(socket, model=model, input=f"third {unique}", store=False, previous_response_id=second["id"])
        async with opened(system.url) as other:
            event = await refused(other, model=model, input="x", previous_response_id=third["id"])
            assert (event["status"], event["error"]["code"]) == (400, "previous_response_not_found")
        event = await refused(socket, model=model, input="x", previous_response_id=first["id"])
        assert event["error"]["code"] == "previous_response_not_found", "the latest is remembered, none before it"
        await ask(socket, model=model, input=f"fourth {unique}", store=False, previous_response_id=third["id"])
    asked = said(system, f"fourth {unique}")
    texts = [one["output"][0]["content"][0]["text"].strip() for one in (first, second, third)]
    for text in (f"first {unique}", f"second {unique}", f"third {unique}", *texts):
        assert asked.count(text) == 1


async def test_a_memory_begins_at_what_is_stored(system: System) -> None:
    unique = uuid4().hex
    async with opened(system.url) as socket:
        stored = await ask(socket, input=f"stored {unique}")
        passing = await ask(socket, input=f"passing {unique}", store=False, previous_response_id=stored["id"])
        await ask(socket, input=f"after {unique}", store=False, previous_response_id=passing["id"])
    asked = said(system, f"after {unique}")
    for text in (f"stored {unique}", f"passing {unique}"):
        assert asked.count(text) == 1


async def test_what_is_stored_after_it_has_no_hole(system: System) -> None:
    unique = uuid4().hex
    async with opened(system.url) as socket:
        passing = await ask(socket, input=f"passing {unique}", store=False)
        stored = await ask(socket, input=f"stored {unique}", previous_response_id=passing["id"])
    async with system.client() as client:
        after = await client.responses.create(
            model="words-3", input=f"after {unique}", previous_response_id=stored["id"]
        )
        assert after.previous_response_id == stored["id"]
    asked = said(system, f"after {unique}")
    for text in (f"passing {unique}", f"stored {unique}"):
        assert asked.count(text) == 1


async def test_a_warm_up_generates_nothing_and_is_remembered(system: System) -> None:
    unique = uuid4().hex
    async with opened(system.url) as socket:
        warm = await ask_nothing(socket, input=f"prepared {unique}", generate=False)
        assert (warm["status"], warm["output"]) == ("completed", [])
        assert not system.upstream.asked(f"prepared {unique}")
        for store in (False, None):
            await ask(socket, input=f"asked {store} {unique}", store=store, previous_response_id=warm["id"])
            assert f"prepared {unique}" in said(system, f"asked {store} {unique}")
            warm = await ask_nothing(socket, input=f"prepared {unique}", generate=False)
        event = await refused(socket, model="nobody", input="x", generate=False)
        assert (event["status"], event["error"]["code"]) == (404, "model_not_found")


async def test_references_are_to_what_the_socket_remembers_or_the_ledger_has(system: System) -> None:
    unique = uuid4().hex
    async with opened(system.url) as socket:
        stored = await ask(socket, input=f"stored {unique}")
        kept: Json = {"type": "item_reference", "id": stored["output"][0]["id"]}
        passing = await ask(socket, input=[kept, {"role": "user", "content": "x"}], store=False)
        own: Json = {"type": "item_reference", "id": passing["output"][0]["id"]}
        again = [own, {"role": "user", "content": f"after {unique}"}]
        await ask(socket, input=again, store=False, previous_response_id=passing["id"])
        event = await refused(socket, input=[own], store=False)
        assert (event["status"], event["error"]["message"]) == (404, f"Item with id '{own['id']}' not found.")
    asked = said(system, f"after {unique}")
    assert asked.count(stored["output"][0]["content"][0]["text"].strip()) == 1
    assert asked.count(passing["output"][0]["content"][0]["text"].strip()) == 2


async def ask_nothing(socket: ClientConnection, **fields: Any) -> Json:
    await say(socket, **fields)
    events = await answer(socket)
    assert [event["type"] for event in events] == ["response.created", "response.completed"]
    final: Json = events[-1]["response"]
    return final


@pytest.mark.parametrize("nested", [False, True])
async def test_who_fails_to_go_on_must_begin_anew(system: System, *, nested: bool) -> None:
    async with opened(system.url) as socket:
        first = await ask(socket, input="one", store=False)
        fields = {"model": "status-400-999", "input": "two", "store": False, "previous_response_id": first["id"]}
        frame = {"response": fields} if nested else fields
        await socket.send(json.dumps({"type": "response.create", **frame}))
        (event,) = await answer(socket)
        assert event["status"] == 400
        event = await refused(socket, input="two", store=False, previous_response_id=first["id"])
        assert event["error"]["code"] == "previous_response_not_found"


BAD = [
    ("{", "invalid_json", None),
    ("[]", "invalid_json", None),
    ("{}", "unknown_event_type", "type"),
    ('{"type": "response.cancel"}', "unknown_event_type", "type"),
    ('{"type": "response.create"}', "missing_required_parameter", "model"),
    ('{"type": "response.create", "model": "words-3"}', "missing_required_parameter", "input"),
    ('{"type": "response.create", "model": "words-3", "input": "x", "background": true}',
     "unsupported_parameter", "background"),
    ('{"type": "response.create", "model": "nobody", "input": "x"}', "model_not_found", "model"),
    ('{"type": "response.create", "model": "words-3", "input": "x", "previous_response_id": "resp_1"}',
     "previous_response_not_found", "previous_response_id"),
]  # fmt: skip


async def test_bad_frames_are_refused_and_leave_the_socket_open(system: System) -> None:
    async with opened(system.url) as socket:
        for frame, code, param in BAD:
            await socket.send(frame)
            (event,) = await answer(socket)
            assert (event["type"], event["error"]["code"], event["error"]["param"]) == ("error", code, param)
            assert set(event["error"]) == {"type", "code", "message", "param"}
            assert event["status"] in (400, 404)
        await socket.send(b"\xff\x00")
        (event,) = await answer(socket)
        assert event["error"]["code"] == "invalid_json"
        assert (await ask(socket, input="still here"))["status"] == "completed"


async def test_what_a_provider_refuses_is_an_error_frame(system: System) -> None:
    async with opened(system.url) as socket:
        event = await refused(socket, model="status-401-999", input="x")
        assert (event["status"], event["error"]["code"]) == (502, "upstream_auth")
        await say(socket, model="fail-3", input="x")
        assert check_stream(await answer(socket))["status"] == "failed"


async def test_requests_wait_for_each_other_and_are_told_apart(system: System) -> None:
    async with opened(system.url) as socket:
        for number in range(4):
            await say(socket, input="x", stream_id=f"lane-{number}")
        for number in range(4):
            events = await answer(socket)
            assert {event.pop("stream_id") for event in events} == {f"lane-{number}"}
            assert check_stream(events)["status"] == "completed"


async def test_only_so_many_may_wait(system: System) -> None:
    async with opened(system.url) as socket:
        await say(socket, model="think-1500", input="x")
        for number in range(20):
            await say(socket, input="x", stream_id=str(number))
        event = json.loads(await socket.recv())
        while event["type"] != "error":
            event = json.loads(await socket.recv())
        assert (event["status"], event["error"]["code"]) == (429, "websocket_stream_limit_reached")


async def test_a_client_that_leaves_takes_its_request_along(system: System) -> None:
    unique = uuid4().hex
    async with opened(system.url) as socket:
        await say(socket, model="words-200-20", input=unique)
        while json.loads(await socket.recv())["type"] != "response.output_text.delta":
            pass
        left = monotonic()
    (call,) = system.upstream.asked(unique)
    while call.ended is None and monotonic() - left < 20:
        await asyncio.sleep(0.02)
    assert call.ended is not None
    assert not call.finished


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"origin": "https://elsewhere.example"}])
async def test_a_socket_needs_a_key(system: System, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(address(system.url), additional_headers=headers):
            pass
    response = refusal.value.response
    assert response.status_code == (403 if "origin" in headers else 401)
    assert set(json.loads(response.body or b"")["error"]) == {"message", "type", "param", "code"}


async def test_large_frames_are_taken_and_larger_ones_are_not(system: System) -> None:
    async with opened(system.url) as socket:
        fits = [{"role": "user", "content": "x" * 1_000_000} for _ in range(9)]
        assert (await ask(socket, input=fits))["status"] == "completed"
        with pytest.raises(ConnectionClosed) as closed:
            await ask(socket, input=["x" * (33 * 1024 * 1024)])
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@pytest.fixture
async def alone(upstream: FakeProvider, tmp_path: Path) -> AsyncIterator[tuple[Service, str]]:
    """A Warren of its own, whose sockets are soon too old."""
    (port,) = free_ports(1)
    service = embedded(models(upstream.url, "words-3", "words-40-50"), tmp_path, port, WARREN_WEBSOCKET_SECONDS="2")
    try:
        await ready(f"http://127.0.0.1:{port}")
        yield service, f"http://127.0.0.1:{port}"
    finally:
        service.kill()


async def test_a_socket_has_its_time(alone: tuple[Service, str]) -> None:
    async with opened(alone[1]) as socket:
        assert (await ask(socket, model="words-40-50", input="x"))["status"] == "completed"
        (event,) = await answer(socket)
        assert event["error"]["code"] == "websocket_connection_limit_reached"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


async def test_a_drained_gateway_ends_what_runs_and_closes(alone: tuple[Service, str]) -> None:
    async with opened(alone[1]) as idle, opened(alone[1]) as socket:
        await say(socket, model="words-40-50", input="x")
        first = json.loads(await socket.recv())
        stopping = asyncio.create_task(alone[0].stop())
        assert check_stream([first, *await answer(socket)])["status"] == "completed"
        for one in (idle, socket):
            with pytest.raises(ConnectionClosed) as closed:
                await one.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        assert await stopping == 0
