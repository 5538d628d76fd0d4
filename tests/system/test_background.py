"""Responses in the background: they run whoever listens, and are followed from anywhere."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import openai
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.rig.services import KEY
from tests.system.conftest import System

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}
RUNNING = ("queued", "in_progress")
BACKGROUND = {"input": "hello", "background": True}


def client(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{system.url}/v1", headers=HEADERS, timeout=30)


async def ended(http: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    """The response, once it has ended."""
    while True:
        answer = await http.get(f"/responses/{id_}")
        assert answer.status_code == 200, answer.text
        response: dict[str, Any] = answer.json()
        if response["status"] not in RUNNING:
            return response
        await asyncio.sleep(0.05)


async def begun(http: httpx.AsyncClient, body: dict[str, Any]) -> str:
    """The id of a background stream; its client leaves when it knows it."""
    seen = b""
    async with http.stream("POST", "/responses", json=body | {"background": True, "stream": True}) as answer:
        async for piece in answer.aiter_raw():
            seen += piece
            if b"\n\n" in seen:
                break
    id_: str = parse_sse(seen[: seen.index(b"\n\n") + 2])[0]["response"]["id"]
    return id_


def refused(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["param"], error["code"]


@pytest.mark.parametrize("model", ["words-20", "native-words-20"])
async def test_a_background_response_is_queued_and_ends_on_its_own(system: System, model: str) -> None:
    async with client(system) as http:
        made = (await http.post("/responses", json=BACKGROUND | {"model": model})).json()
        assert (made["status"], made["background"], made["output"], made["usage"]) == ("queued", True, [], None)
        final = await ended(http, made["id"])
        assert final["status"] == "completed"
        assert final["usage"]["output_tokens"] == 20
        same = ("id", "created_at", "background", "model", "metadata", "tools", "store")
        assert {key: final[key] for key in same} == {key: made[key] for key in same}


async def test_the_sdk_polls_a_background_response(system: System) -> None:
    async with system.client() as sdk:
        made = await sdk.responses.create(model="words-40-50", input="hello", background=True)
        while made.status in RUNNING:
            assert made.output == []
            await asyncio.sleep(0.1)
            made = await sdk.responses.retrieve(made.id)
        assert len(made.output_text.split()) == 40
        follow_up = await sdk.responses.create(model="words-3", input="more", previous_response_id=made.id)
        assert follow_up.status == "completed"


@pytest.mark.parametrize("model", ["words-20", "native-words-20", "tool"])
async def test_a_background_stream_is_legal_and_can_be_read_again_from_anywhere(system: System, model: str) -> None:
    async with client(system) as http:
        answer = await http.post("/responses", json=BACKGROUND | {"model": model, "stream": True})
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = parse_sse(answer.content)
        assert [event["type"] for event in events[:3]] == [
            "response.created", "response.queued", "response.in_progress",
        ]  # fmt: skip
        final = check_stream(events)
        assert (await http.get(f"/responses/{final['id']}")).json() == final
        again = await http.get(f"/responses/{final['id']}", params={"stream": "true"})
        assert again.content == answer.content
        for after in (0, 2, len(events) // 2, len(events) - 1):
            rest = await http.get(f"/responses/{final['id']}?stream=true&starting_after={after}")
            assert parse_sse(rest.content) == events[after + 1 :]
            assert rest.content.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("words-20", {}),
        ("native-words-20", {}),
        ("reason", {"stream_options": {"include_obfuscation": True}}),
        ("parallel", {"tools": [{"type": "function", "name": "lookup", "parameters": {}}]}),
        ("fail-3", {}),
    ],
)
async def test_a_stream_is_resumed_behind_every_event_byte_for_byte(
    system: System, model: str, more: dict[str, Any]
) -> None:
    async with client(system) as http:
        answer = await http.post("/responses", json=BACKGROUND | {"model": model, "stream": True} | more)
        events = parse_sse(answer.content)
        url = f"/responses/{check_stream(events)['id']}?stream=true"
        frames = answer.content.split(b"\n\n")
        assert (len(frames), frames[-2:]) == (len(events) + 2, [b"data: [DONE]", b""])
        assert (await http.get(url)).content == answer.content
        for after in range(len(events)):
            rest = await http.get(f"{url}&starting_after={after}")
            assert rest.content == b"\n\n".join(frames[after + 1 :])


async def test_a_client_that_leaves_a_background_stream_comes_back(system: System) -> None:
    async with client(system) as http:
        seen: list[dict[str, Any]] = []
        body = b""
        asked = BACKGROUND | {"model": "words-40-50", "stream": True}
        async with http.stream("POST", "/responses", json=asked) as left:
            async for piece in left.aiter_raw():
                body += piece
                seen = parse_sse(body[: body.rfind(b"\n\n") + 2])
                if len(seen) > 10:
                    break
        id_, after = seen[0]["response"]["id"], seen[-1]["sequence_number"]
        assert (await http.get(f"/responses/{id_}")).json()["status"] == "in_progress"
        rest = await http.get(f"/responses/{id_}?stream=true&starting_after={after}")
        final = check_stream(seen + parse_sse(rest.content))
        assert final["status"] == "completed"
        assert final["usage"]["output_tokens"] == 40


async def test_any_number_follow_one_response(system: System) -> None:
    async with client(system) as http:
        id_ = await begun(http, {"model": "words-40-50", "input": "x"})
        answers = await asyncio.gather(*(http.get(f"/responses/{id_}?stream=true") for _ in range(5)))
        (body,) = {answer.content for answer in answers}
        assert check_stream(parse_sse(body))["id"] == id_


async def test_obfuscation_comes_and_goes_as_it_is_asked_for(system: System) -> None:
    async with client(system) as http:
        body = BACKGROUND | {"model": "words-20", "stream": True}
        id_ = check_stream(parse_sse((await http.post("/responses", json=body)).content))["id"]
        for wanted in ("true", "false"):
            query = {"stream": "true", "include_obfuscation": wanted}
            events = parse_sse((await http.get(f"/responses/{id_}", params=query)).content)
            deltas = [event for event in events if event["type"].endswith(".delta")]
            assert len(deltas) == 20
            assert {"obfuscation" in event for event in deltas} == {wanted == "true"}
            check_stream(events)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_runs_is_cancelled_and_stays_so(system: System, stream: bool) -> None:
    marker = uuid4().hex
    async with client(system) as http:
        body = {"model": "words-200-20", "input": marker}
        if stream:
            id_ = await begun(http, body)
        else:
            id_ = (await http.post("/responses", json=body | {"background": True})).json()["id"]
        while not (calls := system.upstream.asked(marker)) or calls[0].words < 3:
            await asyncio.sleep(0.02)
        cancelled = await http.post(f"/responses/{id_}/cancel")
        assert cancelled.status_code == 200, cancelled.text
        assert cancelled.json()["status"] == "cancelled"
        assert (await http.post(f"/responses/{id_}/cancel")).json() == cancelled.json()
        assert (await http.get(f"/responses/{id_}")).json() == cancelled.json()
        while calls[0].ended is None:
            await asyncio.sleep(0.02)
        assert not calls[0].finished
        if stream:
            events = parse_sse((await http.get(f"/responses/{id_}?stream=true")).content)
            assert events[-1]["type"] == "response.incomplete"
            assert check_stream(events) == cancelled.json()


async def test_only_what_runs_in_the_background_can_be_cancelled(system: System) -> None:
    async with client(system) as http:
        made = (await http.post("/responses", json={"model": "words-3", "input": "x"})).json()
        answer = await http.post(f"/responses/{made['id']}/cancel")
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == "Cannot cancel a synchronous response."
        background = (await http.post("/responses", json=BACKGROUND | {"model": "words-3"})).json()
        final = await ended(http, background["id"])
        assert (await http.post(f"/responses/{background['id']}/cancel")).json() == final
        assert (await http.post("/responses/resp_123/cancel")).status_code == 404


async def test_what_runs_is_not_followed_up(system: System) -> None:
    async with client(system) as http:
        made = (await http.post("/responses", json=BACKGROUND | {"model": "words-200-20"})).json()
        body = {"model": "words-3", "input": "x", "previous_response_id": made["id"]}
        answer = await http.post("/responses", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "previous_response_id")
        assert (await http.delete(f"/responses/{made['id']}")).json()["deleted"] is True
        assert (await http.get(f"/responses/{made['id']}")).status_code == 404


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_in_the_background_is_a_failed_response(system: System, stream: bool) -> None:
    async with client(system) as http:
        body = BACKGROUND | {"model": "status-400-999", "stream": stream}
        answer = await http.post("/responses", json=body)
        assert answer.status_code == 200
        if stream:
            final = check_stream(parse_sse(answer.content))
        else:
            final = await ended(http, answer.json()["id"])
        assert (final["status"], final["error"]["code"]) == ("failed", "upstream_refused")


@pytest.mark.parametrize(
    ("background", "stream", "word"),
    [(False, False, "background"), (False, True, "background"), (True, False, "stream")],
)
async def test_only_a_background_stream_can_be_streamed_again(
    system: System, background: bool, stream: bool, word: str
) -> None:
    async with client(system) as http:
        body = {"model": "words-3", "input": "x", "background": background, "stream": stream}
        answer = await http.post("/responses", json=body)
        id_ = parse_sse(answer.content)[0]["response"]["id"] if stream else answer.json()["id"]
        again = await http.get(f"/responses/{id_}", params={"stream": "true"})
        assert again.status_code == 400
        assert again.json()["error"]["param"] == "stream"
        assert f"because it was not created with {word}=true." in again.json()["error"]["message"]


BAD = [
    ({"stream": "1"}, "stream", "invalid_value"),
    ({"stream": "True"}, "stream", "invalid_value"),
    ({"starting_after": "3"}, "starting_after", "invalid_value"),
    ({"stream": "true", "starting_after": "x"}, "starting_after", "invalid_type"),
    ({"stream": "true", "starting_after": "-1"}, "starting_after", "integer_below_min_value"),
    ({"include_obfuscation": "yes"}, "include_obfuscation", "invalid_value"),
    ({"include": "nonsense"}, "include[0]", "invalid_value"),
    ({"nonsense": "1"}, "nonsense", "unknown_parameter"),
]


@pytest.mark.parametrize(("query", "param", "code"), BAD)
async def test_bad_queries_are_refused_by_name(system: System, query: dict[str, str], param: str, code: str) -> None:
    async with client(system) as http:
        assert refused(await http.get("/responses/resp_1", params=query)) == (400, param, code)


async def test_background_needs_a_store(system: System) -> None:
    async with client(system) as http:
        body = BACKGROUND | {"model": "words-3", "store": False}
        assert refused(await http.post("/responses", json=body)) == (400, "background", "unsupported_parameter")


async def test_the_sdk_resumes_a_background_stream(system: System) -> None:
    async with system.client() as sdk:
        stream = await sdk.responses.create(model="words-40-50", input="x", background=True, stream=True)
        seen = []
        async for event in stream:
            seen.append(event)
            if len(seen) > 8:
                break
        await stream.close()
        created = seen[0]
        assert created.type == "response.created"
        rest = await sdk.responses.retrieve(created.response.id, stream=True, starting_after=seen[-1].sequence_number)
        seen += [event async for event in rest]
        assert [event.sequence_number for event in seen] == list(range(len(seen)))
        assert seen[-1].type == "response.completed"


async def test_a_deleted_background_response_is_gone(system: System) -> None:
    async with client(system) as http:
        body = BACKGROUND | {"model": "words-3", "stream": True}
        id_ = check_stream(parse_sse((await http.post("/responses", json=body)).content))["id"]
        assert (await http.delete(f"/responses/{id_}")).status_code == 200
        assert (await http.get(f"/responses/{id_}", params={"stream": "true"})).status_code == 404
        assert (await http.post(f"/responses/{id_}/cancel")).status_code == 404
    async with system.client() as sdk:
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.cancel(id_)


async def test_a_large_request_runs_in_the_background_too(system: System) -> None:
    unique = uuid4().hex
    said = [{"role": "user", "content": f"{unique} {'x' * 999_900}"} for _ in range(9)]
    async with client(system) as http:
        answer = await http.post("/responses", json={"model": "words-3", "input": said, "background": True})
        assert answer.status_code == 200, answer.text
        assert (await ended(http, answer.json()["id"]))["status"] == "completed"
    assert len(system.upstream.asked(unique)[0].said) == 9
