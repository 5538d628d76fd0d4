"""OpenAI's SDK on what outlives a request: background runs, conversations, sockets."""

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import openai
import pytest
from openai.types.responses import Response

from tests.clients.conftest import MODEL, Warren


def _polled(client: openai.OpenAI, response_id: str) -> Response:
    """The response, when it has ended: as every client waits for it."""
    while (response := client.responses.retrieve(response_id)).status in ("queued", "in_progress"):
        pass
    return response


def _end(socket: Iterable[Any]) -> Response:
    """The response that this socket tells to its end."""
    for event in socket:
        assert event.type not in ("error", "response.failed"), event
        if event.type == "response.completed":
            response: Response = event.response
            return response
    raise AssertionError("the socket was closed")


def test_a_background_response_is_polled_until_it_ends(either: Warren) -> None:
    with either.openai(_strict_response_validation=True) as client:
        made = client.responses.create(model="words-40-50", input="hello", background=True)
        assert made.status == "queued"
        assert made.background
        assert made.output == []
        ended = _polled(client, made.id)
        assert ended.status == "completed"
        assert len(ended.output_text.split()) == 40


def test_a_background_stream_is_taken_up_again_where_it_was_left(either: Warren) -> None:
    with either.openai() as client:
        seen = []
        with client.responses.create(model="words-40-50", input="hello", background=True, stream=True) as stream:
            for event in stream:
                seen.append(event)
                if event.type == "response.output_text.delta":
                    break
        first: Any = seen[0]
        rest = list(client.responses.retrieve(first.response.id, stream=True, starting_after=seen[-1].sequence_number))
        events = [*seen, *rest]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert [event.type for event in events[:3]] == [
            "response.created", "response.queued", "response.in_progress",
        ]  # fmt: skip
        last = events[-1]
        assert last.type == "response.completed"
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert text == last.response.output_text
        again = list(client.responses.retrieve(first.response.id, stream=True))
        assert [event.to_dict() for event in again] == [event.to_dict() for event in events]


def test_the_stream_helper_joins_a_response_that_runs(either: Warren) -> None:
    with either.openai() as client:
        made = client.responses.create(model="words-40-50", input="hello", background=True, stream=True)
        with made as stream:
            begun: Any = next(iter(stream))
        with client.responses.stream(response_id=begun.response.id) as joined:
            kinds = [event.type for event in joined]
            final = joined.get_final_response()
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
        assert len(final.output_text.split()) == 40


def test_a_background_stream_ends_when_it_is_cancelled(either: Warren) -> None:
    with either.openai() as client:
        seen = []
        with client.responses.create(model="words-400-50", input="hello", background=True, stream=True) as stream:
            for event in stream:
                seen.append(event)
                if event.type == "response.output_text.delta" and len(seen) < 8:
                    first: Any = seen[0]
                    client.responses.cancel(first.response.id)
        last: Any = seen[-1]
        assert last.type == "response.incomplete"
        assert last.response.status == "cancelled"
        assert client.responses.retrieve(last.response.id).to_dict() == last.response.to_dict()


def test_a_background_response_is_cancelled(either: Warren) -> None:
    with either.openai(_strict_response_validation=True) as client:
        made = client.responses.create(model="words-400-50", input="hello", background=True)
        assert client.responses.cancel(made.id).status == "cancelled"
        assert client.responses.cancel(made.id).status == "cancelled"
        assert client.responses.retrieve(made.id).status == "cancelled"
        done = client.responses.create(model=MODEL, input="hello")
        with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
            client.responses.cancel(done.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.cancel("resp_unknown")


def test_a_key_that_was_used_gives_the_same_response_again(either: Warren) -> None:
    with either.openai() as client:
        key = {"Idempotency-Key": uuid4().hex}
        first = client.responses.create(model="words-20", input="hello", extra_headers=key)
        again = client.responses.with_raw_response.create(model="words-20", input="hello", extra_headers=key)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.parse().to_dict() == first.to_dict()
        with pytest.raises(openai.UnprocessableEntityError) as other:
            client.responses.create(model="words-20", input="something else", extra_headers=key)
        assert other.value.code == "idempotency_key_reused"


def test_a_conversation_remembers(either: Warren) -> None:
    with either.openai(_strict_response_validation=True) as client:
        said: Any = [{"type": "message", "role": "user", "content": "my name is Ada"}]
        conversation = client.conversations.create(metadata={"topic": "names"}, items=said)
        made = client.responses.create(model=MODEL, input="who am I?", conversation=conversation.id)
        assert made.conversation is not None
        assert made.conversation.id == conversation.id
        assert made.output_text.strip() == "You said: my name is Ada / who am I?"
        with client.responses.stream(model=MODEL, input="sure?", conversation=conversation.id) as stream:
            final = stream.get_final_response()
        assert final.output_text.strip() == "You said: my name is Ada / who am I? / sure?"
        items: list[Any] = list(client.conversations.items.list(conversation.id, order="asc", limit=2))
        assert [item.role for item in items] == ["user", "user", "assistant", "user", "assistant"]
        assert items[2].id == made.output[0].id


def test_a_conversation_is_changed_and_deleted(either: Warren) -> None:
    with either.openai(_strict_response_validation=True) as client:
        conversation = client.conversations.create(metadata={"topic": "names"})
        assert client.conversations.retrieve(conversation.id) == conversation
        assert client.conversations.update(conversation.id, metadata={"topic": "none"}).metadata == {"topic": "none"}
        said: Any = [{"type": "message", "role": "user", "content": text} for text in ("one", "two")]
        added = client.conversations.items.create(conversation.id, items=said)
        first, second = added.data
        assert first.id is not None
        assert client.conversations.items.retrieve(first.id, conversation_id=conversation.id) == first
        client.conversations.items.delete(first.id, conversation_id=conversation.id)
        assert [item.id for item in client.conversations.items.list(conversation.id)] == [second.id]
        assert client.conversations.delete(conversation.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.conversations.retrieve(conversation.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model=MODEL, input="hello", conversation=conversation.id)


def test_an_item_is_said_again_by_its_id(either: Warren) -> None:
    with either.openai() as client:
        first = client.responses.create(model=MODEL, input="hello")
        said: Any = [{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "and now?"}]
        second = client.responses.create(model="remember", input=said)
        assert second.output_text.strip() == "assistant: You said: hello | user: and now?"
        unknown: Any = [{"type": "item_reference", "id": "msg_unknown"}, {"role": "user", "content": "and now?"}]
        with pytest.raises(openai.NotFoundError, match="Item with id 'msg_unknown' not found"):
            client.responses.create(model=MODEL, input=unknown)


def test_a_socket_serves_one_turn_after_the_other(either: Warren) -> None:
    with either.openai() as client, client.responses.connect() as socket:
        previous: str | None = None
        texts = []
        for said, store in (("my name is Ada", False), ("I am 36", True), ("who am I?", False)):
            socket.response.create(model=MODEL, input=said, store=store, previous_response_id=previous)
            final = _end(socket)
            previous = final.id
            texts.append(final.output_text.strip())
        assert texts[-1] == "You said: my name is Ada / I am 36 / who am I?"


@pytest.mark.anyio
async def test_a_socket_tells_what_is_wrong_and_stays_open(warren: Warren) -> None:
    async with warren.async_openai() as client, client.responses.connect() as socket:
        await socket.response.create(model="nobody", input="hello")
        assert (await socket.recv()).type == "error"
        await socket.response.create(model=MODEL, input="hello")
        async for event in socket:
            assert event.type != "error"
            if event.type == "response.completed":
                assert event.response.output_text.strip() == "You said: hello"
                break
