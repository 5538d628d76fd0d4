"""The response object before anything has happened, and inputs as items."""

from typing import Any, get_type_hints

import pytest
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from tests.shared.sdk_samples import samples
from warren.objects import blank, items

# Open Responses 2026-04-24: every one of them must be there, null where it may be. And OpenAI's conversation.
KEYS = {
    "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
    "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
    "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage", "max_output_tokens",
    "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier", "prompt_cache_key",
    "conversation",
}  # fmt: skip
NEVER_NULL = {
    "tools", "tool_choice", "truncation", "text", "top_p", "temperature", "presence_penalty", "frequency_penalty",
    "top_logprobs", "store", "background", "service_tier", "parallel_tool_calls", "metadata", "output",
}  # fmt: skip
ASK = {"model": "m", "input": "hi"}

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


def test_no_request_makes_a_response_that_openai_does_not_know() -> None:
    theirs = get_type_hints(ResponseCreateParamsNonStreaming, include_extras=True)
    for name, kind in theirs.items():
        for value in samples(kind):
            Response.model_validate(blank({**ASK, name: value}, response_id="resp_1", created_at=0), strict=True)


def test_a_run_in_the_background_begins_in_the_queue() -> None:
    response = blank({**ASK, "background": True}, response_id="resp_1", created_at=0, status="queued")
    assert (response["status"], response["background"]) == ("queued", True)
    Response.model_validate(response, strict=True)


def test_the_blank_response_echoes_what_was_asked() -> None:
    request = REQUESTS[-1]
    response = blank(request, response_id="resp_1", created_at=0)
    same = request.keys() - {"input", "reasoning", "text", "tools"}
    assert {key: response[key] for key in same} == {key: request[key] for key in same}


def test_what_was_left_open_is_echoed_as_what_holds() -> None:
    response = blank(REQUESTS[-1], response_id="resp_1", created_at=0)
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert response["text"] == {
        "format": {
            "type": "json_schema",
            "name": "n",
            "schema": {"type": "object"},
            "description": None,
            "strict": False,
        },
        "verbosity": "low",
    }
    function, search = response["tools"]
    assert function == {"type": "function", "name": "f", "description": None, "parameters": None, "strict": True}
    assert search == {"type": "web_search", "filters": None, "search_context_size": "medium", "user_location": None}


def test_the_tools_of_a_namespace_are_echoed_like_any_others() -> None:
    inner = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    space = {"type": "namespace", "name": "n", "description": "d", "tools": [inner]}
    response = blank({"model": "m", "tools": [space]}, response_id="resp_1", created_at=0)
    assert response["tools"] == [{**space, "tools": [{**inner, "description": None, "strict": True}]}]


def test_a_conversation_is_echoed_as_an_object() -> None:
    for named in ("conv_1", {"id": "conv_1"}):
        response = blank({**ASK, "conversation": named}, response_id="resp_1", created_at=0)
        assert response["conversation"] == {"id": "conv_1"}


def test_the_options_of_the_cache_are_echoed_whole() -> None:
    request = {
        **ASK,
        "prompt_cache_options": {"mode": "explicit", "prewarm": True},
        "prompt_cache_retention": "in-memory",
    }
    response = blank(request, response_id="resp_1", created_at=0)
    assert response["prompt_cache_options"] == {"mode": "explicit", "ttl": "30m"}
    assert response["prompt_cache_retention"] == "in_memory"
    Response.model_validate(response, strict=True)


def test_secrets_of_tools_are_not_echoed() -> None:
    policy = {
        "type": "allowlist",
        "allowed_domains": ["a.example"],
        "domain_secrets": [{"domain": "a.example", "name": "n", "value": "SECRET"}],
    }
    tools = [
        {"type": "mcp", "server_label": "s", "authorization": "SECRET", "headers": {"authorization": "SECRET"}},
        {"type": "code_interpreter", "container": {"type": "auto", "network_policy": policy}},
        {"type": "shell", "environment": {"type": "container_auto", "network_policy": policy}},
    ]
    response = blank({**ASK, "tools": tools}, response_id="resp_1", created_at=0)
    assert "SECRET" not in str(response)
    assert "a.example" in str(response)
    assert "SECRET" in str(tools)
    Response.model_validate(response, strict=True)


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
    assert items(None) == []
    assert items("hi") == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    assert items([{"role": "user", "content": "hi"}]) == [{"role": "user", "content": "hi"}]
