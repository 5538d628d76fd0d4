"""The Idempotency-Key: the same request runs once, however often it is sent."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.services import KEY
from tests.system.conftest import System

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}
REPLAYED = "idempotent-replayed"


def client(system: System) -> httpx.AsyncClient:
    """Of one logical request: each client has a key of its own."""
    headers = HEADERS | {"idempotency-key": uuid4().hex}
    return httpx.AsyncClient(base_url=f"{system.url}/v1", headers=headers, timeout=30)


def request(model: str, **more: Any) -> dict[str, Any]:
    """A request of which the provider can tell whether it came twice."""
    return {"model": model, "input": uuid4().hex, **more}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["words-20", "native-words-20"])
async def test_the_same_request_is_answered_the_same_way_and_runs_once(
    system: System, model: str, stream: bool
) -> None:
    body = request(model, stream=stream)
    async with client(system) as http:
        first = await http.post("/responses", json=body)
        assert first.status_code == 200, first.text
        assert REPLAYED not in first.headers
        assert first.headers["x-warren-deployment"]
        again = await http.post("/responses", json=dict(reversed(body.items())))
        assert again.headers[REPLAYED] == "true"
        assert again.content == first.content
        assert again.headers["content-type"] == first.headers["content-type"]
        final = check_stream(parse_sse(first.content)) if stream else first.json()
        assert (await http.get(f"/responses/{final['id']}")).json() == final
    assert len(system.upstream.asked(body["input"])) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_who_comes_while_it_runs_joins_it(system: System, stream: bool) -> None:
    body = request("words-40-50", stream=stream)
    async with client(system) as http:
        answers = await asyncio.gather(*(http.post("/responses", json=body) for _ in range(4)))
    assert len({answer.content for answer in answers}) == 1
    assert sorted(REPLAYED in answer.headers for answer in answers) == [False, True, True, True]
    assert len(system.upstream.asked(body["input"])) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_who_comes_while_it_runs_joins_it_in_its_conversation(system: System, stream: bool) -> None:
    async with client(system) as http:
        conversation = (await http.post("/conversations")).json()["id"]
        body = request("words-40-50", stream=stream, conversation=conversation)
        answers = await asyncio.gather(*(http.post("/responses", json=body) for _ in range(4)))
        assert len({answer.content for answer in answers}) == 1
        assert sorted(REPLAYED in answer.headers for answer in answers) == [False, True, True, True]
        assert len((await http.get(f"/conversations/{conversation}/items")).json()["data"]) == 2
        assert (await http.post("/responses", json=body)).content == answers[0].content
    assert len(system.upstream.asked(body["input"])) == 1


async def test_another_key_waits_for_the_conversation_and_is_not_used_up(system: System) -> None:
    async with client(system) as http, client(system) as other:
        conversation = (await http.post("/conversations")).json()["id"]
        body = request("words-40-50", conversation=conversation)
        first = asyncio.create_task(http.post("/responses", json=body))
        while not system.upstream.asked(body["input"]):
            await asyncio.sleep(0.02)
        locked = await other.post("/responses", json=body)
        assert (locked.status_code, locked.json()["error"]["code"]) == (400, "conversation_locked")
        assert (await first).status_code == 200
        again = await other.post("/responses", json=body)
        assert again.status_code == 200
        assert REPLAYED not in again.headers


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_has_left_finds_its_answer(system: System, stream: bool) -> None:
    body = request("words-40-50", stream=stream)
    async with client(system) as http:
        asking = asyncio.create_task(http.post("/responses", json=body))
        while not system.upstream.asked(body["input"]):
            await asyncio.sleep(0.02)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        again = await http.post("/responses", json=body)
        assert again.headers[REPLAYED] == "true"
        final = check_stream(parse_sse(again.content)) if stream else again.json()
        assert (final["status"], final["usage"]["output_tokens"]) == ("completed", 40)
    assert len(system.upstream.asked(body["input"])) == 1


async def test_a_key_stands_for_one_request_only(system: System) -> None:
    async with client(system) as http:
        assert (await http.post("/responses", json=request("words-3"))).status_code == 200
        other = await http.post("/responses", json=request("words-3"))
    assert other.status_code == 422
    error = other.json()["error"]
    assert (error["code"], error["type"]) == ("idempotency_key_reused", "idempotency_error")


async def test_without_a_store_the_answer_is_still_kept_for_its_key(system: System) -> None:
    body = request("words-3", store=False)
    async with client(system) as http:
        first = await http.post("/responses", json=body)
        assert (await http.post("/responses", json=body)).content == first.content
        assert (await http.get(f"/responses/{first.json()['id']}")).status_code == 404


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_provider_refuses_is_asked_anew(system: System, stream: bool) -> None:
    body = request("status-400-999", stream=stream)
    async with client(system) as http:
        for times in (1, 2):
            answer = await http.post("/responses", json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "upstream_refused")
            assert REPLAYED not in answer.headers
            assert len(system.upstream.asked(body["input"])) == times


async def test_a_request_that_is_refused_here_uses_no_key(system: System) -> None:
    async with client(system) as http:
        assert (await http.post("/responses", json=request("nobody"))).status_code == 404
        assert (await http.post("/responses", json=request("words-3"))).status_code == 200


async def test_a_stream_that_broke_is_replayed_as_it_broke(system: System) -> None:
    body = request("cut-3", stream=True)
    async with client(system) as http:
        first = await http.post("/responses", json=body)
        assert check_stream(parse_sse(first.content))["status"] == "failed"
        assert (await http.post("/responses", json=body)).content == first.content


async def test_a_background_response_is_found_by_its_key(system: System) -> None:
    body = request("words-40-50", background=True)
    async with client(system) as http:
        first = await http.post("/responses", json=body)
        again = await http.post("/responses", json=body)
        assert (again.json()["id"], again.headers[REPLAYED]) == (first.json()["id"], "true")
        assert again.json()["status"] in ("queued", "in_progress")
    streamed = request("words-3", background=True, stream=True)
    async with client(system) as http:
        one, other = [await http.post("/responses", json=streamed) for _ in range(2)]
        assert check_stream(parse_sse(one.content))["status"] == "completed"
        assert one.content == other.content


@pytest.mark.parametrize("bad", ["x" * 256, "a b"])
async def test_a_key_has_its_form(system: System, bad: str) -> None:
    async with client(system) as http:
        answer = await http.post("/responses", json=request("words-3"), headers={"idempotency-key": bad})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Idempotency-Key")
