"""Lists: the responses of an account, and what a response was asked with."""

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


async def listed(system: System, path: str = "/v1/responses", **query: Any) -> httpx.Response:
    async with httpx.AsyncClient(headers=HEADERS) as http:
        return await http.get(f"{system.url}{path}", params=query)


async def test_input_items_are_listed_in_pages(system: System) -> None:
    given: Any = [{"role": "user", "content": f"text {number}"} for number in range(5)]
    async with system.client() as client:
        first = await client.responses.create(model="words-3", input="before")
        made = await client.responses.create(model="words-3", input=given, previous_response_id=first.id)
        page = await client.responses.input_items.list(made.id, order="asc", limit=2)
        assert page.has_more
        items = [item.to_dict() async for item in client.responses.input_items.list(made.id, limit=2)]
        upwards = [item.to_dict() async for item in client.responses.input_items.list(made.id, order="asc", limit=3)]
        assert items == upwards[::-1]
        texts = [part["text"] for item in upwards for part in item["content"]]  # type: ignore[attr-defined]
        assert texts == [item["content"] for item in given], "what came before is not"
        assert len({item["id"] for item in items}) == 5
        again = [item.id async for item in client.responses.input_items.list(made.id, limit=5)]
        assert again == [item["id"] for item in items], "ids stay"
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.input_items.list(made.id, after="msg_nobody")
        assert refused.value.param == "after"


async def test_a_text_is_listed_as_a_message(system: System) -> None:
    async with system.client() as client:
        made = await client.responses.create(model="words-3", input="hello")
        page = await client.responses.input_items.list(made.id, include=["message.input_image.image_url"])
        (item,) = [item.to_dict() for item in page.data]
        assert (item["type"], item["role"]) == ("message", "user")
        assert item["content"] == [{"type": "input_text", "text": "hello"}]
        for unknown in (made.id[:-1] + "x", "resp_123", "nonsense"):
            with pytest.raises(openai.NotFoundError):
                await client.responses.input_items.list(unknown)
        await client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.input_items.list(made.id)


BAD = [
    ({"limit": 0}, "limit", "integer_below_min_value"),
    ({"limit": 101}, "limit", "integer_above_max_value"),
    ({"limit": "x"}, "limit", "invalid_type"),
    ({"order": "x"}, "order", "invalid_value"),
    ({"before": "x"}, "before", "unknown_parameter"),
]


@pytest.mark.parametrize(("query", "param", "code"), [*BAD, ({"include[]": "x"}, "include[0]", "invalid_value")])
async def test_bad_questions_about_inputs_are_refused(system: System, query: Any, param: str, code: str) -> None:
    answer = await listed(system, "/v1/responses/resp_123/input_items", **query)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        *BAD,
        ({"status": "x"}, "status", "invalid_value"),
        ({"created_after": "x"}, "created_after", "invalid_type"),
        ({"after": "resp_nobody"}, "after", None),
    ],
)
async def test_bad_questions_about_responses_are_refused(
    system: System, query: Any, param: str, code: str | None
) -> None:
    answer = await listed(system, **query)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


async def test_responses_are_found_by_what_they_are(system: System) -> None:
    unique = uuid4().hex
    async with system.client() as client:
        talk = await client.conversations.create()
        plain = await client.responses.create(model="words-3", input="x", metadata={"run": unique})
        other = await client.responses.create(model="words-20", input="x", metadata={"run": unique, "a.b": "$c"})
        said = await client.responses.create(model="words-3", input="x", metadata={"run": unique}, conversation=talk.id)
        async with httpx.AsyncClient(headers=HEADERS, timeout=30) as http:
            body = {"model": "fail-3", "input": "x", "metadata": {"run": unique}, "stream": True}
            answer = await http.post(f"{system.url}/v1/responses", json=body)
            failed = check_stream(parse_sse(answer.content))["id"]
        await client.responses.create(model="words-3", input="x", metadata={"run": unique}, store=False)
        gone = await client.responses.create(model="words-3", input="x", metadata={"run": unique})
        await client.responses.delete(gone.id)
    everything = [failed, said.id, other.id, plain.id]
    for query, expected in (
        ({}, everything),
        ({"order": "asc"}, everything[::-1]),
        ({"model": "words-20"}, [other.id]),
        ({"status": "failed"}, [failed]),
        ({"metadata[a.b]": "$c"}, [other.id]),
        ({"metadata[a.b]": "c"}, []),
        ({"conversation": talk.id}, [said.id]),
        ({"after": said.id}, [other.id, plain.id]),
        ({"created_after": int(plain.created_at) - 2}, everything),
        ({"created_before": int(plain.created_at) - 2}, []),
    ):
        page = (await listed(system, **{"metadata[run]": unique} | query)).json()
        assert [response["id"] for response in page["data"]] == expected
        assert (page["object"], page["has_more"]) == ("list", False)
        assert (page["first_id"], page["last_id"]) == ((expected[0], expected[-1]) if expected else (None, None))
    page = (await listed(system, limit=1, **{"metadata[run]": unique})).json()
    assert page["has_more"]
    async with httpx.AsyncClient(headers=HEADERS) as http:
        assert (await http.get(f"{system.url}/v1/responses/{failed}")).json() == page["data"][0]


async def test_others_conversations_are_not_found(system: System) -> None:
    assert (await listed(system, conversation="conv_123")).status_code == 404


async def test_lists_need_the_key(system: System) -> None:
    async with httpx.AsyncClient() as http:
        for prefix in ("/v1", "", "/openai/v1"):
            for path in ("", "/resp_123/input_items"):
                answer = await http.get(f"{system.url}{prefix}/responses{path}")
                assert answer.status_code == 401
