"""What the classes know, held to OpenAI's own."""

from decimal import Decimal
from typing import Any, get_args

import pytest
from openai.lib._pydantic import to_strict_json_schema
from openai.types.responses import Response as TheirResponse
from openai.types.responses import ResponseOutputItem, ResponseStreamEvent
from pydantic import BaseModel, Field

from tests.shared.sdk_samples import members, samples
from warren import exceptions
from warren.client import arguments, calls, events, schema
from warren.client.items import Other
from warren.client.types import COST, Response
from warren.params import Params
from warren.requests import CreateResponse

OURS = {name: kind for kind in get_args(events.StreamEvent) for name in get_args(kind.model_fields["type"].annotation)}
THEIRS = [
    (kind.__name__, sample) for kind in members(ResponseStreamEvent) for sample in samples(kind)[:3]
    if not kind.__name__.startswith("ResponseAudio")  # none of these comes from `/responses`
]  # fmt: skip


@pytest.mark.parametrize(("name", "sample"), THEIRS, ids=[name for name, _ in THEIRS])
def test_every_event_that_openai_knows_has_a_class(name: str, sample: dict[str, Any]) -> None:
    event = events.read(_json(sample))
    assert type(event) is OURS[sample["type"]]
    assert event.to_dict() == sample
    for field, value in sample.items():
        assert field in event
        if field in type(event).model_fields:
            assert _plain(getattr(event, field)) == value


def test_there_is_no_event_that_openai_does_not_know() -> None:
    assert OURS.keys() - {sample["type"] for _, sample in THEIRS} == {"keepalive"}


def test_an_event_of_the_future_is_an_event() -> None:
    event: Any = events.read(b'{"type": "response.hologram.delta", "sequence_number": 3, "delta": {"x": 1}}')
    assert (event.sequence_number, event.delta, event["delta"]) == (3, {"x": 1}, {"x": 1})
    assert type(event) is events.Event
    odd = events.read(b'{"type": "response.output_text.delta", "sequence_number": 3}')
    assert type(odd) is events.Event


def test_responses_keep_all_that_they_are_made_of() -> None:
    for sample in samples(TheirResponse):
        response = Response.model_validate_json(_json(sample))
        assert response.to_dict() == sample


@pytest.mark.parametrize("kind", members(ResponseOutputItem), ids=lambda kind: kind.__name__)
def test_items_keep_all_that_they_are_made_of(kind: type[BaseModel]) -> None:
    for sample in samples(kind):
        response = Response.model_validate({"id": "resp_1", "output": [sample]})
        (item,) = response.output
        assert item.type == sample["type"]
        assert item.to_dict() == sample


def test_an_item_that_has_no_class_is_plain() -> None:
    response = Response.model_validate({"id": "resp_1", "output": [{"type": "hologram", "id": "h", "rays": [1]}]})
    (item,) = response.output
    assert isinstance(item, Other)
    assert (item["rays"], item.get("colour")) == ([1], None)


def test_a_cost_is_exact_and_unknown_is_none() -> None:
    made = Response.model_validate_json(b'{"id": "resp_1", "usage": {"total_tokens": 3, "cost": 0.0000123}}')
    assert made.cost == Decimal("0.0000123")
    assert made.told({COST: "0.1000000000000000055511151231257827"}).cost == Decimal(
        "0.1000000000000000055511151231257827"
    )
    assert made.told({COST: "unknown"}).cost == Decimal("0.0000123")
    assert made.told({COST: "0"}).cost == 0
    assert Response.model_validate({"id": "resp_1", "usage": {"cost": None}}).cost is None
    assert Response.model_validate({"id": "resp_1"}).cost is None


class Inner(BaseModel):
    """Said of it."""

    name: str = Field(description="how it is called")
    size: float | None = None


class Outer(BaseModel):
    inner: Inner
    described: Inner = Field(description="another one")
    many: list[Inner] = Field(default_factory=list)
    either: Inner | int
    children: "list[Outer]" = Field(default_factory=list)
    flag: bool = True
    free: dict[str, int] = Field(default_factory=dict)


@pytest.mark.parametrize("kind", [Inner, Outer])
def test_a_class_becomes_the_schema_that_openais_sdk_makes(kind: type[BaseModel]) -> None:
    made = schema.text_format(kind)
    assert made["schema"] == to_strict_json_schema(kind)
    assert (made["type"], made["name"], made["strict"]) == ("json_schema", kind.__name__, True)


def test_a_class_is_not_sent() -> None:
    call = calls.create("hello", "m", None, Inner, {"text": {"verbosity": "low"}})
    assert call.body is not None
    assert call.body["text"] == {"verbosity": "low", "format": schema.text_format(Inner)}
    assert "text_format" not in call.body
    given = {"type": "json_object"}
    assert calls.create("hello", "m", None, given, {}).body == {
        "model": "m",
        "input": "hello",
        "text": {"format": given},
    }
    with pytest.raises(exceptions.BadRequestError):
        calls.create("hello", "m", None, Inner, {"text": {"format": given}})


def test_knobs_travel_in_the_body() -> None:
    knobs = {
        "fallbacks": ["b"], "num_retries": 3, "timeout": 5.5, "metadata": {"a": "b"}, "litellm_metadata": {"x": 1},
        "drop_params": True, "mock_response": "hi", "tags": ["t"], "disable_fallbacks": False,
    }  # fmt: skip
    call = calls.create("hello", "m", None, None, {**knobs, "instructions": None})
    assert call.body == {"model": "m", "input": "hello", **knobs}
    assert call.upstream == {}
    assert call.timeout == 5.5


def test_a_field_of_the_api_has_an_argument() -> None:
    known = arguments.Options.__annotations__.keys() | {"model", "input", "stream"}
    assert CreateResponse.model_fields.keys() <= known


def test_ways_to_a_provider_are_those_of_a_configuration() -> None:
    assert arguments.Upstream.__annotations__.keys() <= arguments.UPSTREAM
    assert not arguments.UPSTREAM & CreateResponse.model_fields.keys()
    assert not arguments.UPSTREAM & arguments.Knobs.__annotations__.keys()
    for name in ("api_key", "api_base", "api_version", "custom_llm_provider", "extra_headers", "aws_role_name"):
        assert name in arguments.UPSTREAM
        assert name in Params.model_fields


def _json(value: Any) -> bytes:
    from pydantic_core import to_json

    return to_json(value)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.to_dict() if hasattr(value, "to_dict") else value
