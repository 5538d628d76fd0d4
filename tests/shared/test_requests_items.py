"""Items, tools and choices: all that OpenAI's SDK can send, or was ever given, is accepted; nothing else is."""

from types import NoneType
from typing import Any, get_args

import pytest
from openai.types.responses import ResponseInputItemParam, ResponseItem, ResponseOutputItem, ToolParam
from openai.types.responses.response_create_params import ToolChoice
from openai.types.responses.tool import Tool
from pydantic_core import to_json

from tests.shared.sdk_samples import members, samples
from warren import requests
from warren.errors import InvalidRequest
from warren.requests import items, tools

ASK = {"model": "m", "input": "hi"}


def of(*unions: Any) -> list[Any]:
    return [
        pytest.param(kind, id=f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}")
        for union in unions
        for kind in members(union)
    ]


def create(**fields: Any) -> requests.CreateResponse:
    return requests.create(to_json({**ASK, **fields}))


def refused(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        create(**fields)
    return caught.value


@pytest.mark.parametrize("kind", of(ResponseInputItemParam, ResponseOutputItem, ResponseItem))
def test_every_item_of_the_api_may_be_sent(kind: Any) -> None:
    for item in samples(kind):
        create(input=[item])


@pytest.mark.parametrize("kind", of(ResponseOutputItem, ResponseItem))
def test_an_item_may_come_back_as_the_sdk_dumps_it(kind: Any) -> None:
    first = samples(kind)[0]
    fields = kind.model_fields
    unset = {fields[name].alias or name for name in fields if NoneType in get_args(fields[name].annotation)}
    create(input=[{**first, **dict.fromkeys(unset)}])


@pytest.mark.parametrize("kind", of(ToolParam, Tool))
def test_every_tool_of_the_api_may_be_offered(kind: Any) -> None:
    for tool in samples(kind):
        create(tools=[tool])


def test_every_choice_of_the_api_may_be_made() -> None:
    for choice in samples(ToolChoice):
        create(tool_choice=choice)


@pytest.mark.parametrize("kind", of(ResponseInputItemParam))
def test_an_item_has_no_other_fields(kind: Any) -> None:
    for item in samples(kind):
        error = refused(input=[item, {**item, "bogus": 1}])
        assert (error.param, error.code) == ("input[1].bogus", "unknown_parameter")


@pytest.mark.parametrize("kind", of(ToolParam))
def test_a_tool_has_no_other_fields(kind: Any) -> None:
    for tool in samples(kind):
        error = refused(tools=[{**tool, "bogus": 1}])
        assert (error.param, error.code) == ("tools[0].bogus", "unknown_parameter")


def test_no_type_is_known_to_us_alone() -> None:
    ours = set(items.TABLE) | set(tools.TABLE)
    theirs = {value["type"] for kind in (ResponseInputItemParam, ToolParam) for value in samples(kind)}
    assert ours == theirs


ONE: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "nonsense"}, "input[0].type", "invalid_value"),
    ({"type": 5}, "input[0].type", "invalid_type"),
    ({"type": "\0message", "role": "user", "content": ""}, "input[0].type", "invalid_value"),
    ({}, "input[0].role", "missing_required_parameter"),
    ({"role": "user"}, "input[0].content", "missing_required_parameter"),
    ({"role": "user", "content": None}, "input[0].content", "invalid_type"),
    ({"role": "user", "content": 1}, "input[0].content", "invalid_type"),
    ({"role": "tool", "content": "x"}, "input[0].role", "invalid_value"),
    ({"role": "user", "content": "x", "id": 1}, "input[0].id", "invalid_type"),
    ({"role": "user", "content": ["x"]}, "input[0].content[0]", "invalid_type"),
    ({"role": "user", "content": [{"text": "x"}]}, "input[0].content[0].type", "missing_required_parameter"),
    ({"role": "user", "content": [{"type": "text", "text": "x"}]}, "input[0].content[0].type", "invalid_value"),
    ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text", "missing_required_parameter"),
    ({"role": "user", "content": [{"type": "input_image"}]}, "input[0].content[0]", "missing_required_parameter"),
    (
        {"role": "assistant", "content": [{"type": "input_text", "text": "x"}]},
        "input[0].content[0].type",
        "invalid_value",
    ),
    ({"role": "user", "content": [{"type": "output_text", "text": "x"}]}, "input[0].content[0].type", "invalid_value"),
    ({"role": "user", "content": "x", "status": "done"}, "input[0].status", "invalid_value"),
    ({"type": "function_call", "name": "f", "arguments": "{}"}, "input[0].call_id", "missing_required_parameter"),
    ({"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}, "input[0].arguments", "invalid_type"),
    ({"type": "function_call_output", "call_id": "", "output": "x"}, "input[0].call_id", "empty_string"),
    (
        {"type": "function_call_output", "call_id": "c" * 1025, "output": "x"},
        "input[0].call_id",
        "string_above_max_length",
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "text"}]},
        "input[0].output[0].type",
        "invalid_value",
    ),
    ({"type": "reasoning", "id": "rs_1"}, "input[0].summary", "missing_required_parameter"),
    ({"type": "reasoning", "summary": [{"type": "text", "text": ""}]}, "input[0].summary[0].type", "invalid_value"),
    ({"type": "item_reference"}, "input[0].id", "missing_required_parameter"),
    ({"type": "compaction"}, "input[0].encrypted_content", "missing_required_parameter"),
]


@pytest.mark.parametrize(("item", "param", "code"), ONE)
def test_what_is_wrong_with_an_item_is_named(item: dict[str, Any], param: str, code: str) -> None:
    error = refused(input=[item])
    assert (error.param, error.code) == (param, code)


TOOLS: list[tuple[Any, str, str]] = [
    ("search", "tools[2]", "invalid_type"),
    ({"name": "f"}, "tools[2].type", "missing_required_parameter"),
    ({"type": "function"}, "tools[2].name", "missing_required_parameter"),
    ({"type": "function", "name": "a b"}, "tools[2].name", "invalid_value"),
    ({"type": "function", "name": "n" * 129}, "tools[2].name", "string_above_max_length"),
    ({"type": "function", "name": ""}, "tools[2].name", "empty_string"),
    ({"type": "function", "name": "f", "parameters": "{}"}, "tools[2].parameters", "invalid_type"),
    ({"type": "function", "function": {"name": "f"}}, "tools[2].name", "missing_required_parameter"),
    ({"type": "function", "name": "f", "strict": "no"}, "tools[2].strict", "invalid_type"),
    (
        {"type": "custom", "name": "f", "format": {"type": "grammar"}},
        "tools[2].format.syntax",
        "missing_required_parameter",
    ),
    ({"type": "mcp", "server_label": "s"}, "tools[2]", "missing_required_parameter"),
    ({"type": "namespace", "name": "n", "description": "d", "tools": []}, "tools[2].tools", "empty_array"),
    ({"type": "file_search"}, "tools[2].vector_store_ids", "missing_required_parameter"),
    (
        {"type": "file_search", "vector_store_ids": [], "max_num_results": 51},
        "tools[2].max_num_results",
        "integer_above_max_value",
    ),
    ({"type": "web_search", "user_location": {"town": "x"}}, "tools[2].user_location.town", "unknown_parameter"),
    ({"type": "browser"}, "tools[2].type", "invalid_value"),
]


@pytest.mark.parametrize(("tool", "param", "code"), TOOLS)
def test_what_is_wrong_with_a_tool_is_named(tool: Any, param: str, code: str) -> None:
    good = {"type": "function", "name": "f"}
    error = refused(tools=[good, good, tool])
    assert (error.param, error.code) == (param, code)


def test_the_supported_values_are_said() -> None:
    error = refused(input=[{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}])
    assert error.message == "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'."
    error = refused(input=[{"role": "robot", "content": "x"}])
    assert "Supported values are: 'user', 'assistant', 'system', and 'developer'." in error.message


def test_what_need_not_be_said_may_be_left_out() -> None:
    create(tools=[{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}, {"type": "web_search"}])
    create(input=[{"type": "reasoning", "summary": []}, {"type": None, "role": "user", "content": "x"}])
    create(input=[{"role": "user", "content": [{"type": "input_image", "image_url": "https://example.com/a.png"}]}])


def test_references_are_found_in_their_order() -> None:
    wanted = create(
        input=[
            {"type": "item_reference", "id": "msg_1"},
            {"role": "user", "content": "x", "id": "msg_2"},
            {"id": "fc_3"},
            {"type": None, "id": "rs_4"},
        ]
    )
    assert wanted.references == ("msg_1", "fc_3", "rs_4")
    assert create().references == ()


def test_a_compaction_trigger_comes_last() -> None:
    trigger = {"type": "compaction_trigger"}
    said = {"role": "user", "content": "x"}
    create(input=[said, trigger])
    assert refused(input=[trigger, said]).param == "input[0]"


def test_a_null_means_nothing_whatever_its_name() -> None:
    create(
        input=[{"role": "assistant", "content": [{"type": "output_text", "text": "x", "channel": None}], "to": None}]
    )


def test_parsed_answers_may_be_sent_back() -> None:
    part = {"type": "output_text", "text": "{}", "annotations": [], "parsed": {"a": 1}}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "parsed_arguments": {"a": 1}}
    create(input=[{"role": "assistant", "content": [part]}, call])
