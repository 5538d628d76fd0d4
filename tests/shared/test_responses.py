"""Request bodies: what is wrong with them in OpenAI's words; and the response object before anything has happened."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from pydantic_core import to_json

from warren.errors import InvalidRequest
from warren.responses import blank, items, parse

# Open Responses 2026-04-24: every one of them must be there, null where it may be.
KEYS = {
    "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
    "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
    "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage", "max_output_tokens",
    "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier", "prompt_cache_key",
}  # fmt: skip
NEVER_NULL = {
    "tools", "tool_choice", "truncation", "text", "top_p", "temperature", "presence_penalty", "frequency_penalty",
    "top_logprobs", "store", "background", "service_tier", "parallel_tool_calls", "metadata", "output",
}  # fmt: skip
ASK = {"model": "m", "input": "hi"}

BAD: list[tuple[bytes | dict[str, Any], str | None, str]] = [
    (b"", None, "invalid_json"),
    (b"{", None, "invalid_json"),
    (b'{"model":"m","input":"a"} x', None, "invalid_json"),
    (b'{"model":"m","input":"\xff"}', None, "invalid_json"),
    (b'{"model":"m","input":"\\ud800"}', None, "invalid_json"),
    (b'{"model":"m","input":' + b"[" * 5000, None, "invalid_json"),
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
    ({"model": "m", "input": None}, "input", "invalid_type"),
    ({"model": "m", "input": {"role": "user"}}, "input", "invalid_type"),
    ({"model": "m", "input": ["hi"]}, "input[0]", "invalid_type"),
    ({"model": "m", "input": [{}, 5]}, "input[1]", "invalid_type"),
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
    (b'{"model":"m","input":"hi","temperature":NaN}', "temperature", "invalid_value"),
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
]


@pytest.mark.parametrize(("body", "param", "code"), BAD)
def test_what_is_wrong_is_named(body: bytes | dict[str, Any], param: str | None, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(body if isinstance(body, bytes) else to_json(body))
    error = caught.value
    assert (error.status, error.param, error.code, error.type) == (400, param, code, "invalid_request_error")
    if param is not None:
        assert param in error.message


def test_a_text_above_the_limit_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(to_json({"model": "m", "input": "x" * 10_485_761}))
    assert (caught.value.param, caught.value.code) == ("input", "string_above_max_length")


@given(st.binary(max_size=100))
def test_no_bytes_make_another_error(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse(body)


@given(
    st.dictionaries(st.sampled_from(sorted(KEYS | {"input", "stream", "other"})), st.none() | st.integers() | st.text())
)
def test_no_object_makes_another_error(body: dict[str, Any]) -> None:
    with suppress(InvalidRequest):
        assert parse(to_json(body)).model


def test_null_means_the_default() -> None:
    body = {**ASK, "stream": None, "metadata": None, "temperature": None, "tools": None, "tool_choice": None}
    assert parse(to_json(body)).stream is None


def test_unknown_fields_are_kept() -> None:
    assert parse(to_json({**ASK, "seed": 7, "client_metadata": {"a": [1]}})).model_extra == {
        "seed": 7,
        "client_metadata": {"a": [1]},
    }


def test_a_complaint_does_not_repeat_what_was_said() -> None:
    for body in (b'{"model":"m","input":"hush"', to_json({**ASK, "instructions": {"hush": "hush"}})):
        with pytest.raises(InvalidRequest) as caught:
            parse(body)
        assert "hush" not in caught.value.message


REQUESTS: list[dict[str, Any]] = [
    ASK,
    {**ASK, "text": None, "reasoning": None, "metadata": None, "tools": None},
    {**ASK, "text": {"format": None, "verbosity": None}, "reasoning": {"effort": None}},
    {
        **ASK,
        "instructions": "Be brief.",
        "max_output_tokens": 99,
        "max_tool_calls": 3,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "previous_response_id": "resp_1",
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low"},
        "safety_identifier": "s",
        "service_tier": "flex",
        "store": False,
        "temperature": 0,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
        "tool_choice": {"type": "function", "name": "f"},
        "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
        "top_logprobs": 2,
        "top_p": 0.5,
        "truncation": "auto",
        "user": "u",
    },
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_blank_response_is_one_to_openai_and_to_open_responses(request_: dict[str, Any]) -> None:
    response = blank(request_, response_id="resp_1", created_at=1763000000.9)
    assert response.keys() - {"user"} == KEYS
    assert not {key for key in NEVER_NULL if response[key] is None}
    assert response["text"]["format"]["type"]
    assert response["reasoning"].keys() >= {"effort", "summary"}
    Response.model_validate(response, strict=True)
    assert (response["id"], response["created_at"], response["status"]) == ("resp_1", 1763000000, "in_progress")


def test_the_blank_response_echoes_what_was_asked() -> None:
    request = REQUESTS[-1]
    response = blank(request, response_id="resp_1", created_at=0)
    same = request.keys() - {"input", "reasoning", "tools"}
    assert {key: response[key] for key in same} == {key: request[key] for key in same}
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert response["tools"][0] == {
        "type": "function",
        "name": "f",
        "description": None,
        "parameters": None,
        "strict": None,
    }
    assert response["tools"][1] == {"type": "web_search"}


def test_what_was_not_asked_is_echoed_as_its_default() -> None:
    response = blank(ASK, response_id="resp_1", created_at=0)
    assert "user" not in response
    assert {key: response[key] for key in ("store", "temperature", "tool_choice", "truncation", "metadata")} == {
        "store": True,
        "temperature": 1,
        "tool_choice": "auto",
        "truncation": "disabled",
        "metadata": {},
    }


def test_two_blank_responses_share_nothing() -> None:
    one, other = (blank(ASK, response_id="resp_1", created_at=0) for _ in range(2))
    one["output"].append({})
    one["metadata"]["a"] = "b"
    one["tools"].append({})
    assert (other["output"], other["metadata"], other["tools"]) == ([], {}, [])


def test_a_text_is_a_message_of_the_user() -> None:
    assert items("hi") == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    assert items([{"role": "user", "content": "hi"}]) == [{"role": "user", "content": "hi"}]
