"""Request bodies: what is wrong with them, in OpenAI's words."""

from typing import Any

import pytest
from pydantic_core import from_json, to_json

from warren import requests
from warren.errors import InvalidRequest

ASK: dict[str, Any] = {"model": "m", "input": "hi"}

BAD: list[tuple[bytes | dict[str, Any], str | None, str]] = [
    (b"", None, "invalid_json"),
    (b"{", None, "invalid_json"),
    (b'{"model":"m","input":"a"} x', None, "invalid_json"),
    (b'{"model":"m","input":"\xff"}', None, "invalid_json"),
    (b'{"model":"m","input":"\\ud800"}', None, "invalid_json"),
    (b"null", None, "invalid_type"),
    (b"[]", None, "invalid_type"),
    (b'"hi"', None, "invalid_type"),
    ({}, "model", "missing_required_parameter"),
    ({"input": "hi", "temperature": "hot"}, "model", "missing_required_parameter"),
    ({"model": "m"}, "input", "missing_required_parameter"),
    ({"model": "m", "stream": 1}, "input", "missing_required_parameter"),
    ({"model": 5, "input": "hi"}, "model", "invalid_type"),
    ({"model": None, "input": "hi"}, "model", "invalid_type"),
    ({"model": "", "input": "hi"}, "model", "model_not_found"),
    ({"model": "m", "input": 5}, "input", "invalid_type"),
    ({"model": "m", "input": {"role": "user"}}, "input", "invalid_type"),
    ({"model": "m", "input": ["hi"]}, "input[0]", "invalid_type"),
    ({"model": "m", "input": [{"role": "user", "content": "x"}, 5]}, "input[1]", "invalid_type"),
    ({**ASK, "stream": "yes"}, "stream", "invalid_type"),
    ({**ASK, "stream": 1}, "stream", "invalid_type"),
    ({**ASK, "store": "true"}, "store", "invalid_type"),
    ({**ASK, "instructions": ["a"]}, "instructions", "invalid_type"),
    ({**ASK, "max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
    ({**ASK, "max_output_tokens": 16.5}, "max_output_tokens", "invalid_type"),
    ({**ASK, "max_output_tokens": "16"}, "max_output_tokens", "invalid_type"),
    ({**ASK, "max_output_tokens": True}, "max_output_tokens", "invalid_type"),
    ({**ASK, "max_tool_calls": 0}, "max_tool_calls", "integer_below_min_value"),
    ({**ASK, "temperature": -0.1}, "temperature", "decimal_below_min_value"),
    ({**ASK, "temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({**ASK, "top_p": 1.5}, "top_p", "decimal_above_max_value"),
    ({**ASK, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({**ASK, "truncation": "some"}, "truncation", "invalid_value"),
    ({**ASK, "tools": {}}, "tools", "invalid_type"),
    ({**ASK, "tools": ["search"]}, "tools[0]", "invalid_type"),
    ({**ASK, "tool_choice": 5}, "tool_choice", "invalid_type"),
    ({**ASK, "include": "all"}, "include", "invalid_type"),
    ({**ASK, "include": [1]}, "include[0]", "invalid_type"),
    ({**ASK, "text": "json"}, "text", "invalid_type"),
    ({**ASK, "reasoning": "high"}, "reasoning", "invalid_type"),
    ({**ASK, "metadata": "a"}, "metadata", "invalid_type"),
    ({**ASK, "metadata": {"a": 1}}, "metadata.a", "invalid_type"),
    ({**ASK, "metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
    ({**ASK, "metadata": {"k" * 65: "x"}}, f"metadata.{'k' * 65}", "string_above_max_length"),
    ({**ASK, "metadata": {str(i): "x" for i in range(17)}}, "metadata", "object_above_max_properties"),
    (
        {**ASK, "tools": [{"type": "function", "name": "f", "parametres": {}}]},
        "tools[0].parametres",
        "unknown_parameter",
    ),
    ({**ASK, "tool_choice": "maybe"}, "tool_choice", "invalid_value"),
    ({**ASK, "tool_choice": {"name": "f"}}, "tool_choice.type", "missing_required_parameter"),
    ({**ASK, "tool_choice": {"type": "function"}}, "tool_choice.name", "missing_required_parameter"),
    (
        {**ASK, "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}},
        "tool_choice.tools",
        "empty_array",
    ),
    ({**ASK, "text": {"zzz": 1}}, "text.zzz", "unknown_parameter"),
    ({**ASK, "text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
    (
        {**ASK, "text": {"format": {"type": "json_schema", "name": "n"}}},
        "text.format.schema",
        "missing_required_parameter",
    ),
    (
        {**ASK, "text": {"format": {"type": "json_schema", "schema": {}}}},
        "text.format.name",
        "missing_required_parameter",
    ),
    ({**ASK, "text": {"format": {"type": "text", "text": 1}}}, "text.format.text", "unknown_parameter"),
    ({**ASK, "text": {"verbosity": "loud"}}, "text.verbosity", "invalid_value"),
    ({**ASK, "reasoning": {"effort": "huge"}}, "reasoning.effort", "invalid_value"),
    ({**ASK, "reasoning": {"x": 1}}, "reasoning.x", "unknown_parameter"),
    ({**ASK, "include": ["everything"]}, "include[0]", "invalid_value"),
    ({**ASK, "service_tier": "gold"}, "service_tier", "invalid_value"),
    ({**ASK, "safety_identifier": "x" * 129}, "safety_identifier", "string_above_max_length"),
    ({**ASK, "presence_penalty": 2.1}, "presence_penalty", "decimal_above_max_value"),
    ({**ASK, "prompt": {}}, "prompt.id", "missing_required_parameter"),
    ({**ASK, "prompt": {"id": "p", "variables": {"a": 1}}}, "prompt.variables.a", "invalid_type"),
    ({**ASK, "context_management": []}, "context_management", "empty_array"),
    (
        {**ASK, "context_management": [{"type": "compaction", "compact_threshold": 1}]},
        "context_management[0].compact_threshold",
        "integer_below_min_value",
    ),
    ({**ASK, "moderation": {}}, "moderation.model", "missing_required_parameter"),
    ({**ASK, "conversation": 5}, "conversation", "invalid_type"),
    ({**ASK, "conversation": {}}, "conversation.id", "missing_required_parameter"),
    ({**ASK, "conversation": "conv_1", "previous_response_id": "resp_1"}, None, "mutually_exclusive_parameters"),
    ({**ASK, "background": True, "store": False}, "background", "unsupported_parameter"),
    ({**ASK, "stream_options": {"include_obfuscation": True}}, "stream_options", "invalid_value"),
    (
        {**ASK, "stream": True, "stream_options": {"include_usage": True}},
        "stream_options.include_usage",
        "unknown_parameter",
    ),
    (
        {**ASK, "background_options": {"completion_window": "2h"}},
        "background_options.completion_window",
        "invalid_value",
    ),
    (
        {**ASK, "background": True, "background_options": {"completion_window": "2h"}},
        "background_options.completion_window",
        "unsupported_parameter",
    ),
    (
        {**ASK, "background": True, "background_options": {"continuation_id": "c"}},
        "background_options.continuation_id",
        "unsupported_parameter",
    ),
    (
        {**ASK, "background": True, "stream": True, "background_options": {"completion_window": "8h"}},
        "background_options.completion_window",
        "invalid_value",
    ),
    (
        {**ASK, "background": True, "service_tier": "flex", "background_options": {"completion_window": "8h"}},
        "background_options.completion_window",
        "invalid_value",
    ),
    ({"model": "m", "input": ""}, None, "missing_required_parameter"),
    ({"model": "m", "input": []}, None, "missing_required_parameter"),
    ({"model": "m", "input": None}, None, "missing_required_parameter"),
    ({**ASK, "bogus": 1}, "bogus", "unknown_parameter"),
    ({**ASK, "bogus": None}, "bogus", "unknown_parameter"),
    ({"model": "m", "messages": []}, None, "unsupported_parameter"),
    ({**ASK, "max_tokens": 5}, None, "unsupported_parameter"),
]


def refused(body: bytes | dict[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        requests.create(body if isinstance(body, bytes) else to_json(body))
    return caught.value


@pytest.mark.parametrize(("body", "param", "code"), BAD)
def test_what_is_wrong_is_named(body: bytes | dict[str, Any], param: str | None, code: str) -> None:
    error = refused(body)
    assert (error.status, error.param, error.code, error.type) == (400, param, code, "invalid_request_error")
    if param is not None and code != "invalid_value":
        assert param in error.message


MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({}, "Missing required parameter: 'model'."),
    ({**ASK, "temprature": 1}, "Unknown parameter: 'temprature'. Did you mean 'temperature'?"),
    ({**ASK, "metdata": {}}, "Unknown parameter: 'metdata'. Did you mean 'metadata'?"),
    ({**ASK, "nonsense": 1}, "Unknown parameter: 'nonsense'."),
    (
        {**ASK, "truncation": "some"},
        "Invalid value: 'some'. Supported values are: 'auto' and 'disabled'.",
    ),
    (
        {**ASK, "max_output_tokens": 1},
        "Invalid 'max_output_tokens': integer below min value. Expected a value >= 16, but got 1 instead.",
    ),
    (
        {**ASK, "temperature": 3},
        "Invalid 'temperature': decimal above max value. Expected a value <= 2, but got 3 instead.",
    ),
    ({**ASK, "stream": "yes"}, "Invalid type for 'stream': expected a boolean, but got a string instead."),
    (
        {**ASK, "tools": None, "input": 5},
        "Invalid type for 'input': expected a string or an array, but got an integer instead.",
    ),
]


@pytest.mark.parametrize(("body", "message"), MESSAGES)
def test_what_is_wrong_is_said_as_openai_says_it(body: dict[str, Any], message: str) -> None:
    assert refused(body).message == message


def test_what_is_missing_comes_before_what_is_unknown_and_that_before_what_is_wrong() -> None:
    wrong = {"bogus": 1, "temperature": "hot"}
    assert refused(wrong).param == "model"
    assert refused({**wrong, "model": "m"}).param == "input"
    assert refused({**wrong, **ASK}).param == "bogus"
    assert refused({"temperature": "hot", **ASK}).param == "temperature"


def test_a_text_above_the_limit_is_refused() -> None:
    error = refused({"model": "m", "input": "x" * 10_485_761})
    assert (error.param, error.code) == ("input", "string_above_max_length")


def test_null_means_the_default() -> None:
    names = requests.CreateResponse.model_fields.keys() - {"model", "input"}
    wanted = requests.create(to_json({**ASK, **dict.fromkeys(names)}))
    assert {getattr(wanted, name) for name in names} == {None}


def test_what_goes_on_from_something_need_not_say_anything() -> None:
    nothing: list[dict[str, Any]] = [{}, {"input": None}, {"input": ""}, {"input": []}]
    for before in ({"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"prompt": {"id": "pmpt_1"}}):
        for said in nothing:
            assert not requests.create(to_json({"model": "m", **before, **said})).input


def test_a_conversation_is_named_by_its_id_or_as_an_object() -> None:
    assert requests.create(to_json({**ASK, "conversation": "conv_1"})).conversation_id == "conv_1"
    assert requests.create(to_json({**ASK, "conversation": {"id": "conv_1"}})).conversation_id == "conv_1"
    assert requests.create(to_json(ASK)).conversation_id is None


def test_what_clients_are_known_to_add_is_accepted() -> None:
    assert requests.create(to_json({**ASK, "client_metadata": {"a": [1]}})).model == "m"


def test_a_complaint_does_not_repeat_what_was_said() -> None:
    schema = {"type": "function", "name": "a b", "parameters": {"hush": 1}}
    for body in (
        b'{"model":"m","input":"hush"',
        to_json({**ASK, "instructions": {"hush": "hush"}}),
        to_json({**ASK, "truncation": "hush, " * 20}),
        to_json({**ASK, "tools": [schema]}),
    ):
        assert "hush" not in refused(body).message


def test_a_path_is_not_as_long_as_one_likes() -> None:
    error = refused({**ASK, "x" * 10_000: 1})
    assert len(error.message) < 500
    assert len(refused({**ASK, "metadata": {"k" * 10_000: "x"}}).param or "") < 500


def test_a_frame_is_a_request_with_an_envelope() -> None:
    envelope = {
        "type": "response.create",
        "stream_id": "a",
        "stream": True,
        "background": False,
        "stream_options": None,
    }
    frame = requests.frame(to_json({**envelope, **ASK, "store": False}))
    assert (frame.wanted.model, frame.wanted.store, frame.wanted.stream, frame.generate) == ("m", False, None, True)
    assert from_json(frame.body) == {**ASK, "store": False}


def test_a_frame_may_only_prepare_what_comes_next() -> None:
    frame = requests.frame(b'{"type":"response.create","model":"m","generate":false}')
    assert (frame.generate, from_json(frame.body)) == (False, {"model": "m", "input": []})
    with pytest.raises(InvalidRequest) as caught:
        requests.frame(b'{"type":"response.create","model":"m","input":[]}')
    assert caught.value.code == "missing_required_parameter"


FRAMES: list[tuple[bytes, str | None, str]] = [
    (b"{", None, "invalid_json"),
    (b"[]", None, "invalid_type"),
    (b"{}", "type", "unknown_event_type"),
    (b'{"type":"response.cancel"}', "type", "unknown_event_type"),
    (b'{"type":"response.create"}', "model", "missing_required_parameter"),
    (b'{"type":"response.create","model":"m","input":"x","generate":1}', "generate", "invalid_type"),
    (b'{"type":"response.create","model":"m","input":"x","bogus":1}', "bogus", "unknown_parameter"),
]


@pytest.mark.parametrize(("body", "param", "code"), FRAMES)
def test_what_is_wrong_with_a_frame_is_named(body: bytes, param: str | None, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        requests.frame(body)
    assert (caught.value.param, caught.value.code) == (param, code)


def test_counting_needs_nothing() -> None:
    assert requests.count(b"").model is None
    wanted = requests.count(to_json({**ASK, "conversation": {"id": "conv_1"}, "personality": "friendly"}))
    assert (wanted.model, wanted.input, wanted.conversation_id) == ("m", "hi", "conv_1")


def test_compacting_needs_a_model() -> None:
    assert requests.compact(to_json({"model": "m", "previous_response_id": "resp_1"})).previous_response_id == "resp_1"
    with pytest.raises(InvalidRequest) as caught:
        requests.compact(b"{}")
    assert (caught.value.param, caught.value.code) == ("model", "missing_required_parameter")


def test_a_conversation_may_begin_with_nothing_or_with_20_items() -> None:
    item = {"role": "user", "content": "x"}
    assert requests.new_conversation(b"").items is None
    assert requests.new_conversation(to_json({"items": [item] * 20, "metadata": {"a": "b"}})).metadata == {"a": "b"}
    for read in (requests.new_conversation, requests.new_items):
        with pytest.raises(InvalidRequest) as caught:
            read(to_json({"items": [item] * 21}))
        assert (caught.value.param, caught.value.code) == ("items", "array_above_max_length")


def test_items_are_added_as_they_came() -> None:
    item = {"role": "user", "content": [{"text": "x", "type": "input_text"}], "status": None}
    assert requests.new_items(to_json({"items": [item]})) == [item]
    with pytest.raises(InvalidRequest) as caught:
        requests.new_items(b'{"items":[]}')
    assert caught.value.code == "empty_array"
    with pytest.raises(InvalidRequest) as caught:
        requests.new_items(b"{}")
    assert caught.value.code == "missing_required_parameter"


def test_metadata_is_replaced_as_a_whole() -> None:
    assert requests.update_conversation(b'{"metadata":{"a":"b"}}') == {"a": "b"}
    assert requests.update_conversation(b'{"metadata":null}') == {}
    for body, code in ((b"{}", "missing_required_parameter"), (b'{"metadata":{"a":1}}', "invalid_type")):
        with pytest.raises(InvalidRequest) as caught:
            requests.update_conversation(body)
        assert caught.value.code == code
