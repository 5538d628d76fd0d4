"""The API as its clients see it: the official SDK against a whole Warren."""

import asyncio
import json
from time import monotonic
from uuid import uuid4

import httpx
import openai
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.services import KEY
from tests.system.conftest import System

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize("model", ["words-20", "native-words-20"])
async def test_a_response_is_created_retrieved_and_deleted(system: System, model: str) -> None:
    async with system.client() as client:
        made = await client.responses.create(model=model, input="hello", metadata={"a.b": "$c"})
        assert made.status == "completed"
        assert len(made.output_text.split()) == 20
        assert made.usage is not None
        assert (made.usage.input_tokens, made.usage.output_tokens) == (7, 20)
        assert made.model == model
        assert made.metadata == {"a.b": "$c"}
        assert await client.responses.retrieve(made.id) == made
        await client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(made.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.delete(made.id)


@pytest.mark.parametrize("model", ["words-20", "native-words-20", "tool", "words-3"])
async def test_a_stream_is_legal_and_folds_into_what_is_stored(system: System, model: str) -> None:
    async with httpx.AsyncClient(headers=HEADERS) as http:
        body = {"model": model, "input": "hello", "stream": True}
        answer = await http.post(f"{system.url}/v1/responses", json=body)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.content.endswith(b"data: [DONE]\n\n")
        assert b"\r" not in answer.content
        final = check_stream(parse_sse(answer.content))
        stored = await http.get(f"{system.url}/v1/responses/{final['id']}")
        assert stored.json() == final


async def test_the_sdk_streams(system: System) -> None:
    async with system.client() as client, client.responses.stream(model="words-20", input="hello") as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert len(final.output_text.split()) == 20


async def test_a_bodys_validity_is_strict_for_the_sdk(system: System) -> None:
    async with system.client(_strict_response_validation=True) as client:
        made = await client.responses.create(model="tool", input="hello", tools=[{"type": "function", "name": "lookup",
                                             "parameters": {"type": "object"}, "strict": False}])  # fmt: skip
        assert (await client.responses.retrieve(made.id)).output == made.output


@pytest.mark.parametrize("model", ["words-3", "native-words-3"])
async def test_a_follow_up_brings_its_history_and_only_that(system: System, model: str) -> None:
    unique = uuid4().hex
    async with system.client() as client:
        first = await client.responses.create(model=model, input="who is Michael Jordan", instructions="be brief")
        second = await client.responses.create(
            model=model, input=f"tell me more {unique}", previous_response_id=first.id
        )
        sibling = await client.responses.create(model=model, input="another way", previous_response_id=first.id)
        third = await client.responses.create(model=model, input=f"and then {unique}", previous_response_id=second.id)
        await client.responses.create(model=model, input=f"a fresh start {unique}")
    asked = json.dumps(system.upstream.asked(f"tell me more {unique}")[0].said)
    assert "who is Michael Jordan" in asked
    assert first.output_text.strip() in asked
    assert "be brief" not in asked, "instructions are not inherited"
    asked = json.dumps(system.upstream.asked(f"and then {unique}")[0].said)
    for text in ("who is Michael Jordan", first.output_text, "tell me more", second.output_text):
        assert text.strip() in asked
    assert sibling.output_text.strip() not in asked, "a sibling is not history"
    assert len(system.upstream.asked(f"a fresh start {unique}")[0].said) == 1
    assert third.previous_response_id == second.id


async def test_unknown_and_forged_ids_are_refused_by_name(system: System) -> None:
    async with system.client(max_retries=5) as client:
        made = await client.responses.create(model="words-3", input="hello")
        forged = made.id[:-1] + ("0" if made.id[-1] != "0" else "1")
        for unknown in ("resp_123", forged, "nonsense", (await client.conversations.create()).id):
            with pytest.raises(openai.BadRequestError) as refused:
                await client.responses.create(model="words-3", input="x", previous_response_id=unknown)
            assert refused.value.code == "previous_response_not_found"
            assert refused.value.param == "previous_response_id"
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(unknown)


async def test_what_is_not_to_be_stored_is_not(system: System) -> None:
    async with system.client(max_retries=5) as client:
        made = await client.responses.create(model="words-3", input="hello", store=False)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(made.id)
        with pytest.raises(openai.BadRequestError):
            await client.responses.create(model="words-3", input="x", previous_response_id=made.id)


async def test_a_deleted_turn_breaks_the_conversation_by_name(system: System) -> None:
    async with system.client() as client:
        first = await client.responses.create(model="words-3", input="one")
        second = await client.responses.create(model="words-3", input="two", previous_response_id=first.id)
        await client.responses.delete(first.id)
        with pytest.raises(openai.BadRequestError, match=first.id) as refused:
            await client.responses.create(model="words-3", input="three", previous_response_id=second.id)
        assert refused.value.param == "previous_response_id"


BAD = [
    (b"{", 400, None, "invalid_json"),
    (b"[]", 400, None, "invalid_type"),
    (b'{"input": "x"}', 400, "model", "missing_required_parameter"),
    (b'{"model": "words-3"}', 400, "input", "missing_required_parameter"),
    (b'{"model": "words-3", "input": ""}', 400, None, "missing_required_parameter"),
    (b'{"model": "words-3", "input": 5}', 400, "input", "invalid_type"),
    (b'{"model": "words-3", "input": [1]}', 400, "input[0]", "invalid_type"),
    (b'{"model": "words-3", "input": [{"type": "nonsense"}]}', 400, "input[0].type", "invalid_value"),
    (b'{"model": "nobody", "input": "x"}', 404, "model", "model_not_found"),
    (b'{"model": "words-3", "input": "x", "temperature": 3}', 400, "temperature", "decimal_above_max_value"),
    (b'{"model": "words-3", "input": "x", "stream": "yes"}', 400, "stream", "invalid_type"),
    (b'{"model": "words-3", "input": "x", "nonsense": 1}', 400, "nonsense", "unknown_parameter"),
    (
        b'{"model": "words-3", "input": "x", "tools": [{"type": "image_generation"}]}',
        400,
        "tools[0].type",
        "unsupported_parameter",
    ),
]


@pytest.mark.parametrize(("body", "status", "param", "code"), BAD)
async def test_bad_requests_are_refused_in_openais_words(
    system: System, body: bytes, status: int, param: str | None, code: str
) -> None:
    async with httpx.AsyncClient(headers=HEADERS) as http:
        answer = await http.post(f"{system.url}/v1/responses", content=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("status-500-999", 502, "upstream_error"),
        ("status-401-999", 502, "upstream_auth"),
        ("status-400-999", 400, "upstream_refused"),
        ("status-404-999", 404, "upstream_refused"),
    ],
)
async def test_what_a_provider_refuses_is_an_http_error_streamed_or_not(
    system: System, model: str, status: int, code: str
) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        for stream in (False, True):
            body = {"model": model, "input": "x", "stream": stream}
            answer = await http.post(f"{system.url}/v1/responses", json=body)
            if answer.status_code == 200:  # the retries took longer than a stream is held back
                assert parse_sse(answer.content)[-1]["response"]["error"]["code"] == code
            else:
                assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_rate_limit_is_waited_out(system: System) -> None:
    async with system.client() as client:
        made = await client.responses.with_raw_response.create(model="status-429-1", input="x")
        assert made.parse().status == "completed"


@pytest.mark.parametrize("model", ["cut-3", "native-cut-3", "fail-3", "native-fail-3"])
async def test_a_stream_that_breaks_ends_as_failed_and_is_stored_so(system: System, model: str) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        answer = await http.post(f"{system.url}/v1/responses", json={"model": model, "input": "x", "stream": True})
        events = parse_sse(answer.content)
        final = check_stream(events)
        assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
        assert final["status"] == "failed"
        stored = await http.get(f"{system.url}/v1/responses/{final['id']}")
        assert stored.json() == final


async def test_nobody_waits_for_a_client_that_has_left(system: System) -> None:
    for stream in (True, False):
        marker = f"leaving {stream} {system.url}"
        async with httpx.AsyncClient(headers=HEADERS) as http:
            body = {"model": "words-200-20", "input": marker, "stream": stream}
            asking = asyncio.create_task(http.post(f"{system.url}/v1/responses", json=body))
            while not (calls := system.upstream.asked(marker)):
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            left = monotonic()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        while calls[0].ended is None and monotonic() - left < 5:
            await asyncio.sleep(0.02)
        assert calls[0].ended is not None
        assert not calls[0].finished
        assert calls[0].ended - left < 1.2


@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1"])
async def test_the_api_is_found_where_clients_look(system: System, prefix: str) -> None:
    async with httpx.AsyncClient(headers=HEADERS) as http:
        made = await http.post(f"{system.url}{prefix}/responses", json={"model": "words-3", "input": "x"})
        assert made.status_code == 200
        for name in ("x-request-id", "openai-processing-ms", "x-warren-model", "x-warren-deployment",
                     "x-warren-attempt"):  # fmt: skip
            assert made.headers[name]
        assert (await http.get(f"{system.url}{prefix}/responses/{made.json()['id']}")).json() == made.json()
        gone = await http.delete(f"{system.url}{prefix}/responses/{made.json()['id']}")
        assert gone.json() == {"id": made.json()["id"], "object": "response", "deleted": True}
        assert "words-3" in [model["id"] for model in (await http.get(f"{system.url}{prefix}/models")).json()["data"]]


async def test_without_the_key_there_is_only_health(system: System) -> None:
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{system.url}/health/liveliness")).status_code == 200
        ready = await http.get(f"{system.url}/health/readiness")
        assert ready.json() == {"status": "healthy", "bus": "up", "ledger": "up", "store": "up"}
        for key in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}):
            for method, path in (("POST", "responses"), ("GET", "responses/x"), ("DELETE", "responses/x"),
                                 ("GET", "models"), ("GET", "models/x")):  # fmt: skip
                answer = await http.request(method, f"{system.url}/v1/{path}", headers=key)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        lost = await http.get(f"{system.url}/v1/nowhere", headers=HEADERS)
        assert lost.status_code == 404
        assert lost.json()["error"]["message"] == "Invalid URL (GET /v1/nowhere)"


@pytest.mark.parametrize("megabytes", [7, 9, 31])
async def test_large_bodies_are_served(system: System, megabytes: int) -> None:
    unique = uuid4().hex
    text = [{"role": "user", "content": f"{unique} {'x' * 999_900}"} for _ in range(megabytes)]
    async with system.client(timeout=60) as client:
        made = await client.responses.create(model="words-3", input=text)  # type: ignore[arg-type]
        assert made.status == "completed"
        assert len(system.upstream.asked(unique)[0].said) == megabytes
        assert await client.responses.retrieve(made.id) == made


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_large_instructions_are_repeated_or_refused(system: System, *, stream: bool, background: bool) -> None:
    body = {"model": "words-3", "input": "hello", "stream": stream, "background": background}
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        served = await http.post(f"{system.url}/v1/responses", json=body | {"instructions": "x" * 4_000_000})
        assert served.status_code == 200, served.text
        shown = check_stream(parse_sse(served.content)) if stream else served.json()
        assert len(shown["instructions"]) == 4_000_000
        for size in (4_200_000, 9_000_000, 30_000_000):
            refused = await http.post(f"{system.url}/v1/responses", json=body | {"instructions": "x" * size})
            error = refused.json()["error"]
            assert (refused.status_code, error["code"], error["param"]) == (413, "request_too_large", "instructions")


async def test_bodies_that_are_too_large_are_refused(system: System) -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
        text = "x" * (33 * 1024 * 1024)
        answer = await http.post(f"{system.url}/v1/responses", json={"model": "words-3", "input": text})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


async def test_fifty_streams_at_once_are_not_mixed(system: System) -> None:
    async def one(http: httpx.AsyncClient) -> None:
        body = {"model": "words-200", "input": "x", "stream": True}
        answer = await http.post(f"{system.url}/v1/responses", json=body)
        final = check_stream(parse_sse(answer.content))
        words = final["output"][0]["content"][0]["text"].split()
        call = words[0].partition("w")[0]
        assert words == [f"{call}w{number}" for number in range(200)]

    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        await asyncio.gather(*(one(http) for _ in range(50)))


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_left_out_where_that_is_allowed_is_told_in_a_header(system: System, *, stream: bool) -> None:
    body = {"input": "hello", "stream": stream, "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}]}
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as http:
        answer = await http.post(f"{system.url}/v1/responses", json={"model": "lenient", **body})
        assert (answer.status_code, answer.headers["x-warren-dropped"]) == (200, "tools[0]")
        answer = await http.post(f"{system.url}/v1/responses", json={"model": "words-3", **body})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "tools[0].type"
        assert "x-warren-dropped" not in answer.headers
