"""OpenAI's own SDK, sync and async: what it makes of the answers."""

from typing import Any

import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from tests.clients.conftest import MODEL, Warren


class Event(BaseModel):
    title: str
    day: int
    public: bool


def test_a_response_is_created_retrieved_and_deleted(either: Warren) -> None:
    with either.openai(_strict_response_validation=True) as client:
        made = client.responses.create(model=MODEL, input="hello", metadata={"team": "red"}, user="me")
        assert made.output_text.strip() == "You said: hello"
        assert client.responses.retrieve(made.id) == made
        client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)


@pytest.mark.anyio
async def test_the_async_client_says_the_same(either: Warren) -> None:
    async with either.async_openai(_strict_response_validation=True) as client:
        made = await client.responses.create(model=MODEL, input="hello", instructions="be brief")
        assert made.output_text.strip() == "You said: hello"
        assert made.instructions == "be brief"
        assert await client.responses.retrieve(made.id) == made
        async with client.responses.stream(model=MODEL, input="hello") as stream:
            said = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            final = await stream.get_final_response()
        assert "".join(said) == final.output_text == made.output_text
        raw = await client.responses.create(model=MODEL, input="hello", stream=True)
        kinds = [event.type async for event in raw]
        assert (kinds[0], kinds[1], kinds[-1]) == ("response.created", "response.in_progress", "response.completed")


@pytest.mark.parametrize("model", [MODEL, "words-20", "refuse", "reason", "length"])
def test_a_stream_is_read_by_the_sdk_to_its_end(warren: Warren, model: str) -> None:
    with warren.openai(_strict_response_validation=True) as client:
        events = list(client.responses.create(model=model, input="hello", stream=True))
        assert [event.sequence_number for event in events] == list(range(len(events)))
        with client.responses.stream(model=model, input="hello") as stream:
            assert [event.type for event in stream if "delta" not in event.type] == [
                event.type for event in events if "delta" not in event.type
            ]


def test_a_follow_up_knows_what_was_said(either: Warren) -> None:
    with either.openai() as client:
        first = client.responses.create(model=MODEL, input="my name is Ada", instructions="be kind")
        second = client.responses.create(model=MODEL, input="who am I?", previous_response_id=first.id)
        assert second.output_text.strip() == "You said: my name is Ada / who am I?"
        with client.responses.stream(model=MODEL, input="sure?", previous_response_id=second.id) as stream:
            third = stream.get_final_response()
        assert third.output_text.strip() == "You said: my name is Ada / who am I? / sure?"


def test_what_was_thought_is_sealed_for_who_keeps_it_himself(warren: Warren) -> None:
    with warren.openai(_strict_response_validation=True) as client:
        asked: Any = [{"role": "user", "content": "hello"}]
        first = client.responses.create(
            model=MODEL, input=asked, store=False, reasoning={"effort": "low"}, include=["reasoning.encrypted_content"]
        )
        thought = first.output[0]
        assert thought.type == "reasoning"
        assert thought.encrypted_content
        assert "Somebody said" not in thought.encrypted_content
        said: Any = [*asked, *(item.to_dict() for item in first.output), {"role": "user", "content": "and now?"}]
        second = client.responses.create(model=MODEL, input=said, store=False)
        assert second.output_text.strip() == "You said: hello / and now?"


def test_images_and_files_reach_the_model(warren: Warren) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    content: Any = [
        {"type": "input_text", "text": "look:"},
        {"type": "input_image", "image_url": pixel, "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQK"},
    ]
    with warren.openai() as client:
        made = client.responses.create(model=MODEL, input=[{"role": "user", "content": content}])
        assert made.output_text.strip() == "You said: look: [image_url] [file]"


def test_deltas_are_padded_when_that_is_asked_for(warren: Warren) -> None:
    with warren.openai() as client:
        for wanted in (True, False):
            options: Any = {"include_obfuscation": wanted}
            events: Any = client.responses.create(model=MODEL, input="hello", stream=True, stream_options=options)
            padded = {"obfuscation" in event.to_dict() for event in events if event.type.endswith(".delta")}
            assert padded == {wanted}


def test_structured_output_is_parsed(warren: Warren) -> None:
    with warren.openai() as client:
        made = client.responses.parse(model=MODEL, input="the event 'Ball' is on day 9", text_format=Event)
        assert made.output_parsed == Event(title="Ball", day=9, public=True)
        with client.responses.stream(model=MODEL, input="the event 'Ball' is on day 9", text_format=Event) as stream:
            assert stream.get_final_response().output_parsed == made.output_parsed


def test_input_items_are_listed_by_pages(either: Warren) -> None:
    said: Any = [{"role": "user", "content": f"message {number}"} for number in range(5)]
    with either.openai(_strict_response_validation=True) as client:
        made = client.responses.create(model=MODEL, input=said)
        page = client.responses.input_items.list(made.id, limit=2, order="asc")
        assert page.has_next_page()
        items: list[Any] = list(page)
        assert [item.content[0].text for item in items] == [message["content"] for message in said]
        newest: list[Any] = client.responses.input_items.list(made.id, limit=1).data
        assert newest[0].content[0].text == "message 4"


def test_input_tokens_are_counted(warren: Warren) -> None:
    with warren.openai(_strict_response_validation=True) as client:
        few = client.responses.input_tokens.count(model=MODEL, input="hello")
        many = client.responses.input_tokens.count(model=MODEL, input="hello " * 500)
        assert 0 < few.input_tokens < many.input_tokens


def test_a_long_talk_is_compacted(warren: Warren) -> None:
    with warren.openai() as client:
        first = client.responses.create(model=MODEL, input="my name is Ada")
        compact = client.responses.compact(model=MODEL, previous_response_id=first.id)
        assert compact.object == "response.compaction"
        assert compact.output[-1].type == "compaction"
        told = [item.to_dict(warnings=False) for item in compact.output]  # the SDK expects no user messages there
        said: Any = [*told, {"role": "user", "content": "who am I?"}]
        second = client.responses.create(model=MODEL, input=said)
        assert "my name is Ada" in second.output_text


def test_responses_are_listed(either: Warren) -> None:
    with either.openai() as client:
        made = [client.responses.create(model=MODEL, input="hello", metadata={"of": "the list"}) for _ in range(3)]
        for one in made:
            client.responses.retrieve(one.id)  # a list does not wait for what is on its way; this does
        listed = client.get("/responses?limit=2", cast_to=dict[str, Any])
        assert listed["object"] == "list"
        assert [one["id"] for one in listed["data"]] == [one.id for one in reversed(made)][:2]
        assert listed["has_more"]


def test_models_are_listed(warren: Warren) -> None:
    with warren.openai() as client:
        assert MODEL in {model.id for model in client.models.list()}
        assert client.models.retrieve(MODEL).id == MODEL


def test_failures_are_the_sdks_own(warren: Warren) -> None:
    with warren.openai() as client:
        with pytest.raises(openai.NotFoundError) as unknown:
            client.responses.create(model="nobody", input="hello")
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as wrong:
            client.responses.create(model=MODEL, input="hello", temperature=9)
        assert wrong.value.param == "temperature"
        long: Any = [{"role": "user", "content": "more"}] * 4
        with pytest.raises(openai.BadRequestError) as much:
            client.responses.create(model="short-3", input=long)
        assert much.value.code == "context_length_exceeded"
        with pytest.raises(openai.APIError, match="cut off"):
            list(client.responses.create(model="cut-3", input="hello", stream=True))
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong").responses.create(model=MODEL, input="hello")


def test_what_comes_is_a_response_in_the_raw_too(warren: Warren) -> None:
    with warren.openai() as client:
        raw = client.responses.with_raw_response.create(model=MODEL, input="hello")
        assert raw.headers["x-request-id"]
        assert isinstance(raw.parse(), Response)
        with client.responses.with_streaming_response.create(model=MODEL, input="hello", stream=True) as streaming:
            assert streaming.headers["content-type"].startswith("text/event-stream")
            assert list(streaming.iter_lines())[-2:] == ["data: [DONE]", ""]
