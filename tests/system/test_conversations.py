"""Conversations and their items, and responses that are said in them."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.rig.services import KEY
from tests.system.conftest import System

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}
Json = dict[str, Any]


def user(text: str) -> Json:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def texts(client: AsyncOpenAI, conversation: str) -> list[str]:
    """What was said in it, oldest first."""
    found = []
    async for item in client.conversations.items.list(conversation, order="asc", limit=2):
        found += [part["text"].strip() for part in item.to_dict().get("content", ())]  # type: ignore[attr-defined]
    return found


async def test_a_conversation_is_made_changed_and_deleted(system: System) -> None:
    async with system.client() as client:
        made = await client.conversations.create(metadata={"a.b": "$c"}, items=[user("hello")])  # type: ignore[list-item]
        assert made.id.startswith("conv_")
        assert (made.object, made.metadata) == ("conversation", {"a.b": "$c"})
        assert await client.conversations.retrieve(made.id) == made
        changed = await client.conversations.update(made.id, metadata={"d": "e"})
        assert (changed.id, changed.created_at, changed.metadata) == (made.id, made.created_at, {"d": "e"})
        assert await client.conversations.retrieve(made.id) == changed
        assert await texts(client, made.id) == ["hello"]
        gone = await client.conversations.delete(made.id)
        assert (gone.id, gone.object, gone.deleted) == (made.id, "conversation.deleted", True)
        for use in (client.conversations.retrieve, client.conversations.delete):
            with pytest.raises(openai.NotFoundError, match=f"Conversation with id '{made.id}' not found."):
                await use(made.id)
        with pytest.raises(openai.NotFoundError):
            await client.conversations.items.create(made.id, items=[user("x")])  # type: ignore[list-item]
        with pytest.raises(openai.NotFoundError):
            await client.responses.create(model="words-3", input="x", conversation=made.id)


async def test_a_body_may_be_left_out(system: System) -> None:
    async with httpx.AsyncClient(headers=HEADERS) as http:
        made = await http.post(f"{system.url}/v1/conversations")
        assert made.status_code == 200
        assert made.json()["metadata"] == {}
        listed = await http.get(f"{system.url}/v1/conversations/{made.json()['id']}/items")
        assert listed.json() == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_items_are_added_listed_shown_and_taken_out(system: System) -> None:
    async with system.client() as client:
        made = await client.conversations.create()
        added = await client.conversations.items.create(made.id, items=[user(str(n)) for n in range(5)])  # type: ignore[misc]
        assert len(added.data) == 5
        assert all(item.id and item.status == "completed" for item in added.data)  # type: ignore[union-attr]
        assert await texts(client, made.id) == ["0", "1", "2", "3", "4"]
        page = await client.conversations.items.list(made.id, limit=2)
        assert [item.id for item in page.data] == [added.data[4].id, added.data[3].id]
        assert (page.has_more, page.last_id) == (True, added.data[3].id)
        one = await client.conversations.items.retrieve(added.data[2].id, conversation_id=made.id)  # type: ignore[arg-type]
        assert one == added.data[2]
        left = await client.conversations.items.delete(added.data[2].id, conversation_id=made.id)  # type: ignore[arg-type]
        assert left == made, "the answer is the conversation"
        assert await texts(client, made.id) == ["0", "1", "3", "4"]
        for use in (client.conversations.items.retrieve, client.conversations.items.delete):
            with pytest.raises(openai.NotFoundError):
                await use(added.data[2].id, conversation_id=made.id)  # type: ignore[arg-type]
        with pytest.raises(openai.BadRequestError) as refused:
            await client.conversations.items.list(made.id, after="msg_nobody")
        assert refused.value.param == "after"


@pytest.mark.parametrize("stream", [False, True])
async def test_responses_are_said_in_a_conversation(system: System, stream: bool) -> None:
    unique = uuid4().hex
    async with system.client() as client:
        made = await client.conversations.create(items=[user(f"zero {unique}")])  # type: ignore[list-item]
        answers = []
        for text in ("one", "two"):
            asked: Any = {"model": "words-3", "input": f"{text} {unique}", "conversation": made.id}
            if stream:
                async with client.responses.stream(**asked) as events:
                    response = await events.get_final_response()
            else:
                response = await client.responses.create(**asked)
            assert response.conversation is not None
            assert response.conversation.id == made.id
            assert response.previous_response_id is None
            answers.append(response.output_text.strip())
            expected = [f"zero {unique}", f"one {unique}", answers[0], f"two {unique}", answers[-1]]
            assert await texts(client, made.id) == expected[: 1 + 2 * len(answers)], "the end is already in it"
    (call,) = system.upstream.asked(f"two {unique}")
    asked_with = json.dumps(call.said)
    for text in (f"zero {unique}", f"one {unique}", answers[0]):
        assert asked_with.count(text) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_not_stored_is_said_in_its_conversation_all_the_same(system: System, stream: bool) -> None:
    unique = uuid4().hex
    async with system.client() as client:
        made = await client.conversations.create()
        asked: Any = {"model": "words-3", "input": f"one {unique}", "conversation": made.id, "store": False}
        if stream:
            async with client.responses.stream(**asked) as events:
                response = await events.get_final_response()
        else:
            response = await client.responses.create(**asked)
        assert await texts(client, made.id) == [f"one {unique}", response.output_text.strip()]
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(response.id)
        await client.responses.create(model="words-3", input=f"two {unique}", conversation=made.id)
    (call,) = system.upstream.asked(f"two {unique}")
    assert f"one {unique}" in json.dumps(call.said)


async def test_two_at_a_time_are_refused_and_nothing_partial_is_seen(system: System) -> None:
    async with system.client() as client:
        made = await client.conversations.create()
        running = asyncio.create_task(
            client.responses.create(model="words-40-50", input="first", conversation=made.id, stream=True)
        )
        stream = await running
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        assert await texts(client, made.id) == []
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(model="words-3", input="second", conversation=made.id)
        assert (refused.value.code, refused.value.param) == ("conversation_locked", "conversation")
        assert [event.type async for event in stream][-1] == "response.completed"
        assert len(await texts(client, made.id)) == 2
        again = await client.responses.create(model="words-3", input="second", conversation=made.id)
        assert again.status == "completed"


async def test_a_failure_leaves_no_trace_and_no_lock(system: System) -> None:
    async with system.client() as client:
        made = await client.conversations.create()
        with pytest.raises(openai.BadRequestError):
            await client.responses.create(model="status-400-999", input="x", conversation=made.id)
        assert await texts(client, made.id) == []
        assert (await client.responses.create(model="words-3", input="x", conversation=made.id)).status == "completed"


async def test_others_conversations_are_not_found(system: System) -> None:
    async with system.client() as client:
        made = await client.conversations.create()
        response = await client.responses.create(model="words-3", input="x")
        forged = made.id[:-1] + ("0" if made.id[-1] != "0" else "1")
        for unknown in ("conv_123", forged, response.id, "nonsense"):
            with pytest.raises(openai.NotFoundError, match="not found"):
                await client.conversations.retrieve(unknown)
            with pytest.raises(openai.NotFoundError, match="not found") as refused:
                await client.responses.create(model="words-3", input="x", conversation=unknown)
            assert refused.value.code is None
            assert refused.value.param is None


BAD = [
    ("", b"[]", None, "invalid_type"),
    ("", b'{"metadata": {"a": 1}}', "metadata.a", "invalid_type"),
    ("", b'{"items": [{"type": "nonsense"}]}', "items[0].type", "invalid_value"),
    ("", b'{"nonsense": 1}', "nonsense", "unknown_parameter"),
    ("", json.dumps({"items": [user("x")] * 21}).encode(), "items", "array_above_max_length"),
    ("", json.dumps({"metadata": {str(n): "" for n in range(17)}}).encode(), "metadata", "object_above_max_properties"),
    ("/{id}", b"{}", "metadata", "missing_required_parameter"),
    ("/{id}/items", b"{}", "items", "missing_required_parameter"),
    ("", json.dumps({"items": [user("x") | {"id": "msg_1"}] * 2}).encode(), "items", None),
    ("/{id}/items", json.dumps({"items": [user("x") | {"id": "msg_1"}] * 2}).encode(), "items", None),
    ("/{id}/items", json.dumps({"items": [user("x")] * 21}).encode(), "items", "array_above_max_length"),
]


@pytest.mark.parametrize(("path", "body", "param", "code"), BAD)
async def test_bad_bodies_are_refused_in_openais_words(
    system: System, path: str, body: bytes, param: str | None, code: str | None
) -> None:
    async with httpx.AsyncClient(headers=HEADERS) as http:
        made = await http.post(f"{system.url}/v1/conversations")
        url = f"{system.url}/v1/conversations{path.format(id=made.json()['id'])}"
        answer = await http.post(url, content=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


async def test_all_of_it_needs_the_key(system: System) -> None:
    async with httpx.AsyncClient() as http:
        for method, path in (
            ("POST", ""), ("GET", "/x"), ("POST", "/x"), ("DELETE", "/x"), ("POST", "/x/items"), ("GET", "/x/items"),
            ("GET", "/x/items/y"), ("DELETE", "/x/items/y"),
        ):  # fmt: skip
            for prefix in ("/v1", "", "/openai/v1"):
                answer = await http.request(method, f"{system.url}{prefix}/conversations{path}")
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
