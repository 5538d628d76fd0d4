"""What can be done with a client: the same by a gateway and inside of the process."""

import asyncio
import time

import pytest
from pydantic import BaseModel

import warren
from tests.clients.conftest import MODEL
from tests.rig.upstream import FakeProvider
from warren import Client
from warren.client.events import OutputItemEvent, ResponseEvent, TextDelta


class Event(BaseModel):
    title: str
    day: int
    public: bool


PROMPT = "the event 'Ball' is on day 9"


def test_a_response_is_created_retrieved_and_deleted(client: Client) -> None:
    made = client.responses("hello", MODEL, metadata={"team": "red"})
    assert made.output_text.strip() == "You said: hello"
    assert (made.status, made.metadata, made.model) == ("completed", {"team": "red"}, MODEL)
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens
    assert made.headers["x-warren-deployment"].startswith(MODEL)
    assert client.get_responses(made.id) == made
    gone = client.delete_responses(made.id)
    assert (gone.id, gone.object, gone.deleted) == (made.id, "response", True)
    with pytest.raises(warren.NotFoundError) as unknown:
        client.get_responses(response_id=made.id)
    assert unknown.value.status_code == 404
    assert unknown.value.request_id


def test_what_is_an_attribute_is_a_key_too(client: Client) -> None:
    made = client.responses(model=MODEL, input="hello")
    assert made["id"] == made.id == made.get("id")
    assert "output" in made
    assert "cost" not in made
    assert made.get("nothing", 3) == 3
    with pytest.raises(KeyError):
        made["nothing"]


def test_no_price_is_no_cost(client: Client) -> None:
    assert client.responses("hello", MODEL).cost is None


def test_a_stream_is_typed_events(client: Client) -> None:
    with client.responses("hello", MODEL, stream=True) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert isinstance(events[0], ResponseEvent)
    assert isinstance(events[2], OutputItemEvent)
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert any(isinstance(event, TextDelta) for event in events)
    assert stream.response is not None
    assert stream.response.output_text == said
    assert stream.last_sequence_number == len(events) - 1
    assert client.get_responses(stream.response.id) == stream.response


def test_a_follow_up_knows_what_was_said(client: Client) -> None:
    first = client.responses("my name is Ada", MODEL)
    second = client.responses("who am I?", MODEL, previous_response_id=first.id)
    assert second.output_text.strip() == "You said: my name is Ada / who am I?"
    third = client.responses("sure?", MODEL, previous_response_id=second.id, stream=True).until_done()
    assert third.output_text.strip() == "You said: my name is Ada / who am I? / sure?"


def test_what_a_call_gave_is_what_the_next_one_takes(client: Client) -> None:
    first = client.responses("my name is Ada", MODEL, store=False, reasoning={"effort": "low"})
    asked = [{"role": "user", "content": "my name is Ada"}, *first.output, {"role": "user", "content": "who am I?"}]
    second = client.responses(asked, MODEL, store=False)
    assert second.output_text.strip() == "You said: my name is Ada / who am I?"


def test_a_class_is_what_the_answer_is_read_as(client: Client) -> None:
    made = client.responses(PROMPT, MODEL, text_format=Event)
    assert made.output_parsed == Event(title="Ball", day=9, public=True)
    streamed = client.responses(PROMPT, MODEL, text_format=Event, stream=True).until_done()
    assert streamed.output_parsed == made.output_parsed
    assert client.responses("hello", MODEL).output_parsed is None


def test_an_answer_that_is_no_object_of_the_class_says_so(client: Client) -> None:
    with pytest.raises(warren.JSONSchemaValidationError) as wrong:
        client.responses("hello", "words-20", text_format=Event)
    assert wrong.value.code in ("invalid_structured_output", None)


def test_what_runs_in_the_background_can_be_followed_and_ended(client: Client) -> None:
    waiting = client.responses("hello", "words-400-50", background=True)
    assert waiting.status in ("queued", "in_progress")
    ended = client.cancel_responses(waiting.id)
    assert (ended.id, ended.status) == (waiting.id, "cancelled")

    with client.responses("hello", "words-20", background=True, stream=True) as stream:
        first = next(event for event in stream if event.type == "response.output_text.delta")
    assert isinstance(stream.last_sequence_number, int)
    (begun, *_) = client.list_responses(model="words-20", limit=1).data
    rest = list(client.get_responses(begun["id"], stream=True, starting_after=first.sequence_number))
    assert rest[0].sequence_number == first.sequence_number + 1
    assert rest[-1].type == "response.completed"


def test_lists(client: Client) -> None:
    made = client.responses([{"role": "user", "content": f"message {at}"} for at in range(5)], MODEL)
    page = client.list_input_items(made.id, limit=2, order="asc")
    assert [item["content"][0]["text"] for item in page.data] == ["message 0", "message 1"]
    assert page.has_more
    more = client.list_input_items(made.id, limit=5, order="asc", after=page.last_id)
    assert len(more["data"]) == 3
    assert MODEL in client.list_models()
    marked = client.responses("hello", MODEL, metadata={"of": made.id})
    client.get_responses(marked.id)  # a list does not wait for what is on its way; this does
    assert [one["id"] for one in client.list_responses(metadata={"of": made.id}).data] == [marked.id]


def test_a_long_talk_is_compacted(client: Client) -> None:
    first = client.responses("my name is Ada", MODEL)
    compact = client.compact_responses(model=MODEL, previous_response_id=first.id)
    assert compact.output[-1].type == "compaction"
    second = client.responses([*compact.output, {"role": "user", "content": "who am I?"}], MODEL)
    assert "my name is Ada" in second.output_text


def test_failures_have_litellms_names(client: Client) -> None:
    with pytest.raises(warren.NotFoundError) as unknown:
        client.responses("hello", "nobody")
    assert (unknown.value.code, unknown.value.model) == ("model_not_found", "nobody")
    with pytest.raises(warren.BadRequestError) as wrong:
        client.responses("hello", MODEL, temperature=9)
    assert wrong.value.param == "temperature"
    with pytest.raises(warren.ContextWindowExceededError):
        client.responses([{"role": "user", "content": "more"}] * 4, "short-3")
    with pytest.raises(warren.BadRequestError, match="model") as missing:
        client.responses("hello")
    assert missing.value.code == "missing_required_parameter"
    with pytest.raises(warren.BadRequestError, match="temprature"):
        client.responses("hello", MODEL, temprature=1)  # type: ignore[call-overload]


def test_a_refused_stream_is_refused_before_it_begins(client: Client) -> None:
    with pytest.raises(warren.NotFoundError):
        client.responses("hello", "nobody", stream=True)


def test_a_stream_that_fails_shows_what_it_had(client: Client) -> None:
    stream = client.responses("hello", "cut-3", stream=True)
    said = ""
    with pytest.raises(warren.BadGatewayError) as failed:  # noqa: PT012
        for event in stream:
            said += event.delta if event.type == "response.output_text.delta" else ""
    assert failed.value.code == "upstream_truncated"
    assert failed.value.outcome.status == "failed"
    assert failed.value.outcome.output_text.strip() == said.strip() != ""
    assert client.get_responses(failed.value.outcome.id).status == "failed"


def test_leaving_a_stream_stops_the_call(client: Client, upstream: FakeProvider) -> None:
    calls = len(upstream.calls)
    with client.responses("leave me", "words-400-50", stream=True) as stream:
        next(event for event in stream if event.type == "response.output_text.delta")
    (call,) = upstream.calls[calls:]
    deadline = time.monotonic() + 5
    while call.ended is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert call.ended is not None
    assert not call.finished
    with pytest.raises(warren.APIConnectionError, match="closed before its end"):
        stream.until_done()


async def _from_inside(client: Client) -> str:
    await asyncio.sleep(0)
    return client.responses("hello", MODEL, stream=True).until_done().output_text


def test_sync_calls_work_in_a_running_loop(client: Client) -> None:
    assert asyncio.run(_from_inside(client)).strip() == "You said: hello"


def test_what_is_no_json_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(warren.BadRequestError, match="no JSON"):
        client.responses("hello", MODEL, metadata={"a": object()})  # type: ignore[dict-item]


def test_an_id_is_no_path(client: Client) -> None:
    with pytest.raises(warren.NotFoundError):
        client.get_responses("../models")
    with pytest.raises(warren.BadRequestError, match="response_id"):
        client.get_responses("")
