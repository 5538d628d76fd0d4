"""The frames of a WebSocket, and what a socket remembers."""

import json
from typing import Any

import pytest

from warren.errors import InvalidRequest, NotFound, RequestTooLarge
from warren_gateway import frames
from warren_gateway.frames import Memory
from warren_gateway.orders import Order

Json = dict[str, Any]


def order(**fields: Any) -> Order:
    return at("", **fields)


def at(address: str, **fields: Any) -> Order:
    """On a socket whose address names this model."""
    data = json.dumps({"type": "response.create", **fields}).encode()
    return frames.order(data, frames.opened(data), address or None)


def test_a_frame_is_a_request_without_what_belongs_to_the_socket() -> None:
    made = order(model="m", input="x", stream=True, stream_id="a", stream_options={"include_obfuscation": True})
    assert json.loads(made.body) == {"model": "m", "input": "x"}
    assert (made.generate, made.stored) == (True, True)
    assert not order(model="m", input="x", generate=False).generate
    assert not order(model="m", input="x", store=False).stored


def test_a_request_may_stand_under_response_and_the_model_in_the_address() -> None:
    assert json.loads(order(response={"model": "m", "input": "x"}).body) == {"model": "m", "input": "x"}
    assert at("m", input="x").wanted.model == "m"
    assert at("m", model="n", input="x").wanted.model == "n"


@pytest.mark.parametrize(
    ("frame", "param", "code"),
    [
        (b"{", None, "invalid_json"),
        (b"[]", None, "invalid_json"),
        (b"\xff", None, "invalid_json"),
        (b"", None, "invalid_json"),
        (b"{}", "type", "unknown_event_type"),
        (b'{"type": 5}', "type", "unknown_event_type"),
        (b'{"type": "response.steer"}', "type", "unknown_event_type"),
        (b'{"type": "response.create"}', "model", "missing_required_parameter"),
        (b'{"type": "response.create", "model": "m"}', "input", "missing_required_parameter"),
        (b'{"type": "response.create", "model": "m", "input": 5}', "input", "invalid_type"),
        (b'{"type": "response.create", "model": "m", "input": "x", "nonsense": 1}', "nonsense", "unknown_parameter"),
        (
            b'{"type": "response.create", "model": "m", "input": "x", "background": true}',
            "background",
            "unsupported_parameter",
        ),
    ],
)
def test_a_bad_frame_is_refused_by_name(frame: bytes, param: str | None, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        frames.order(frame, frames.opened(frame), None)
    assert (refused.value.param, refused.value.code) == (param, code)


def test_a_frame_that_is_too_much_is_not_parsed() -> None:
    with pytest.raises(InvalidRequest):
        frames.opened(b'{"type":' + b"[" * 1_000_000)
    with pytest.raises(RequestTooLarge):
        frames.opened(b" " * (32 * 1024 * 1024 + 1))


def test_a_lane_is_a_short_name() -> None:
    assert frames.lane({}) is None
    assert frames.lane({"stream_id": "a"}) == "a"
    assert frames.lane({"response": {"stream_id": "b"}}) == "b"
    assert frames.lane({"stream_id": "a", "response": {"stream_id": "b"}}) == "a"
    for bad in (5, "", "x" * 129, ["a"]):
        with pytest.raises(InvalidRequest) as refused:
            frames.lane({"stream_id": bad})
        assert refused.value.param == "stream_id"


def test_what_is_stored_brings_along_what_only_the_socket_remembers() -> None:
    memory = Memory("resp_1", b'[{"role":"user","content":"one"}]', "resp_0")
    made = frames.continued(order(model="m", input="two", previous_response_id="resp_1"), memory)
    said = [item["content"] for item in json.loads(made.body)["input"]]
    assert said == ["one", [{"type": "input_text", "text": "two"}]]
    assert made.wanted.previous_response_id == "resp_0"


def test_a_memory_grows_by_what_was_said() -> None:
    first = frames.said(order(model="m", input="one"), [{"type": "message", "id": "msg_1"}])
    assert [item.get("role", item.get("id")) for item in json.loads(first)] == ["user", "msg_1"]
    second = frames.said(
        order(model="m", input=[], previous_response_id="resp_1"), [{"id": "msg_2"}], Memory("resp_1", first)
    )
    assert len(json.loads(second)) == 3


@pytest.mark.parametrize("first", ["[]", " [ ] ", "[1]", "[1, 2]"])
@pytest.mark.parametrize("second", ["[]", "[3]", "[ 3,4 ]"])
def test_arrays_are_joined_unread(first: str, second: str) -> None:
    assert json.loads(frames.joined(first.encode(), second.encode())) == json.loads(first) + json.loads(second)


def test_what_is_only_prepared_is_created_and_completed() -> None:
    made = frames.prepared(order(model="m", input="x", metadata={"a": "b"}), "resp_1", 5.0)
    assert [event["type"] for event in made] == ["response.created", "response.completed"]
    assert [event["sequence_number"] for event in made] == [0, 1]
    final = made[-1]["response"]
    assert (final["id"], final["status"], final["output"]) == ("resp_1", "completed", [])
    assert (final["metadata"], final["usage"]["total_tokens"]) == ({"a": "b"}, 0)


def test_events_and_refusals_repeat_their_lane() -> None:
    assert frames.event(b'{"type":"x"}', None) == '{"type":"x"}'
    assert json.loads(frames.event(b'{"type":"x"}', 'a"b')) == {"stream_id": 'a"b', "type": "x"}
    error = NotFound("gone", param="p")
    assert json.loads(frames.refusal(error, "a")) == {
        "type": "error",
        "status": 404,
        "error": {"message": "gone", "type": "invalid_request_error", "param": "p", "code": None},
        "stream_id": "a",
    }
    assert "stream_id" not in json.loads(frames.refusal(error, None))
