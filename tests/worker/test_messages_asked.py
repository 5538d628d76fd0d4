"""What Anthropic is asked: what it refuses we refuse by name, and its SDK would have sent the same."""

import json
from typing import Any

import anthropic
import httpx2
import pytest
from pydantic_core import to_json

from tests.rig.vendors.messages_rules import check
from tests.worker.test_messages import HEADERS
from warren.config import Deployment, Params
from warren.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    UpstreamAuth,
    UpstreamError,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
)
from warren.objects import items
from warren_worker.dialect import Call, Conversation, Counting
from warren_worker.dialects.messages import Messages
from warren_worker.dialects.messages.refusals import refusal
from warren_worker.facts import Facts
from warren_worker.provider import Endpoint, endpoint

FUNCTION: dict[str, Any] = {"type": "function", "name": "lookup", "parameters": {"type": "object", "properties": {}}}
BUDGET = Facts(reasoning="budget")


def asked(facts: Facts = Facts(), **request: Any) -> Call:  # noqa: B008  # frozen
    whole = {"model": "m", "input": "hi", **request}
    made = Messages(facts=facts).call(Conversation(whole, items(whole["input"])), "claude-x")
    check(made.body, HEADERS, counts=False, vertex=False)
    return made


def body(facts: Facts = Facts(), **request: Any) -> dict[str, Any]:  # noqa: B008  # frozen
    return asked(facts, **request).body


def user(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


PNG = "data:image/png;base64,AAAA"
SVG = {"type": "input_image", "image_url": "data:image/svg+xml;base64,AAAA"}
ZIP = {"type": "input_file", "filename": "a.zip", "file_data": "AAAA"}
BINARY = {"type": "input_file", "filename": "a.txt", "file_data": "/////w=="}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
SEARCH = {"type": "web_search"}


@pytest.mark.parametrize(
    ("facts", "request_", "param"),
    [
        (Facts(sampling="none"), {"temperature": 0.5}, "temperature"),
        (Facts(sampling="none"), {"top_p": 0.5}, "top_p"),
        (Facts(sampling="either"), {"temperature": 1.5}, "temperature"),
        (Facts(sampling="either"), {"temperature": 0.5, "top_p": 0.5}, "top_p"),
        (Facts(sampling="both"), {"temperature": 0.5, "reasoning": {"effort": "low"}}, "temperature"),
        (Facts(sampling="both"), {"top_p": 0.5, "reasoning": {"effort": "low"}}, "top_p"),
        (Facts(reasoning="none"), {"reasoning": {"effort": "low"}}, "reasoning.effort"),
        (BUDGET, {"reasoning": {"effort": "low"}, "max_output_tokens": 1024}, "reasoning.effort"),
        (Facts(), {"service_tier": "flex"}, "service_tier"),
        (Facts(), {"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options.prewarm"),
        (Facts(), {"tools": [{**SEARCH, "external_web_access": False}]}, "tools[0].external_web_access"),
        (Facts(), {"tools": [{**SEARCH, "filters": {"x": 1}}]}, "tools[0].filters.x"),
        (Facts(web_search=False), {"tools": [SEARCH]}, "tools[0].type"),
        (Facts(), {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "tools[0].type"),
        (Facts(), {"tools": [SEARCH], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        (Facts(), {"input": user(SVG)}, "input[0].content[0].image_url"),
        (Facts(), {"input": user(ZIP)}, "input[0].content[0].file_data"),
        (Facts(), {"input": user(BINARY)}, "input[0].content[0].file_data"),
        (Facts(), {"input": user(SOUND)}, "input[0].content[0]"),
        (Facts(), {"input": [{"role": "user", "content": " "}]}, "input"),
        (Facts(), {"text": {"format": {"type": "json_object"}}, "tools": [FUNCTION]}, "text.format"),
    ],
)
def test_what_it_cannot_say_is_refused_by_name(facts: Facts, request_: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(facts, **request_)
    assert caught.value.param == param
    assert caught.value.status == 400


def test_what_happens_anyway_may_be_said() -> None:
    loud = {"temperature": 1, "top_p": 1, "reasoning": {"effort": "low"}, "max_tool_calls": 3, "store": False}
    assert body(Facts(sampling="none"), **loud) == body(Facts(sampling="none"), reasoning={"effort": "low"})
    assert body(Facts(reasoning="none"), reasoning={"effort": "none", "summary": "auto"}) == body()
    assert body(BUDGET, reasoning={"effort": "none", "summary": "auto"}) == body()


def test_a_model_that_nobody_knows_decides_itself_what_it_takes() -> None:
    told = {"temperature": 1.5, "top_p": 0.5}
    made = Messages().call(Conversation({"input": "hi", "reasoning": {"effort": "low"}, **told}, items("hi")), "m").body
    assert {name: made[name] for name in told} == told
    assert body(temperature=1)["temperature"] == 1


def test_a_budget_stays_below_the_limit() -> None:
    tight = body(Facts(reasoning="budget", max_output_tokens=4096), reasoning={"effort": "max"})
    assert (tight["max_tokens"], tight["thinking"]["budget_tokens"]) == (4096, 4095)
    assert "thinking" not in body(BUDGET, reasoning={"summary": "auto"}, max_output_tokens=500)


@pytest.mark.parametrize("facts", [BUDGET, Facts(reasoning="adaptive"), Facts()])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "lookup"}])
def test_who_must_call_a_tool_does_not_think(facts: Facts, choice: Any) -> None:
    made = body(facts, tools=[FUNCTION], tool_choice=choice, reasoning={"effort": "high"})
    assert made.get("thinking") in (None, {"type": "disabled"})
    auto = body(facts, tools=[FUNCTION], tool_choice="auto", reasoning={"effort": "high"})
    assert auto["thinking"]["type"] in ("enabled", "adaptive")


def test_a_turn_begun_without_thoughts_goes_on_without() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "lookup", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "x"}
    told: list[Any] = [{"role": "user", "content": "hi"}, call, result]
    more: dict[str, Any] = {"tools": [FUNCTION], "reasoning": {"effort": "low"}}
    assert "thinking" not in body(BUDGET, input=told, **more)
    assert "thinking" in body(BUDGET, input=[*told, {"role": "assistant", "content": "so"}, *user_said("and?")], **more)
    assert "thinking" in body(Facts(), input=told, **more)


def user_said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_thoughts_of_which_nothing_came_are_left_out() -> None:
    block = {"type": "thinking", "thinking": "", "signature": "c2lnbmF0dXJlLW9mLXRoZS12ZW5kb3I="}
    told = [*user_said("a"), {"type": "reasoning", "id": "rs_1", "summary": []}, *user_said("b")]
    kept = {"rs_1": [{"by": "anthropic", "block": block}]}
    made = Messages().call(Conversation({"input": told}, told, kept=kept), "m").body
    check(made, HEADERS, counts=False, vertex=False)
    assert [message["content"][0]["text"] for message in made["messages"]] == ["a"]
    assert len(made["messages"][0]["content"]) == 2


def test_a_model_that_never_thinks_is_shown_no_thoughts() -> None:
    kept = {"rs_1": [{"by": "anthropic", "block": {"type": "redacted_thinking", "data": "x"}}]}
    told = [
        *user_said("a"),
        {"type": "reasoning", "id": "rs_1"},
        {"role": "assistant", "content": "b"},
        *user_said("c"),
    ]
    made = Messages(facts=Facts(reasoning="none")).call(Conversation({"input": told}, told, kept=kept), "m").body
    assert "redacted" not in json.dumps(made)


def test_what_a_pause_left_open_is_shown_with_its_result() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    told = [*user_said("a"), search, *user_said("b")]
    kept = {"ws_1": [{"by": "anthropic", "blocks": [use]}, {"by": "anthropic", "blocks": [found]}]}
    made = Messages().call(Conversation({"input": told}, told, kept=kept), "m").body
    check(made, HEADERS, counts=False, vertex=False)
    assert made["messages"][1]["content"] == [use, found]


def test_a_schema_that_leaves_keys_open_is_asked_for_in_words() -> None:
    loose = {"type": "object", "properties": {"a": {"type": "object"}}}
    wanted = {"format": {"type": "json_schema", "name": "n", "schema": loose}}
    made = asked(text=wanted)
    assert made.schema == loose
    assert "output_config" not in made.body
    assert "JSON schema" in made.body["system"][-1]["text"]


def test_what_cannot_be_held_is_said_and_checked() -> None:
    inner = {"type": "string", "pattern": "^a", "format": "date", "description": "Day.", "examples": ["b"]}
    schema = {"type": "object", "properties": {"a": inner}, "required": ["a"], "additionalProperties": False}
    made = asked(text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}})
    held = made.body["output_config"]["format"]["schema"]["properties"]["a"]
    assert held == {"type": "string", "format": "date", "description": 'Day.\n\n{"pattern":"^a"}'}
    assert made.schema == schema
    whole = {**schema, "properties": {"a": {"type": "string"}}}
    assert asked(text={"format": {"type": "json_schema", "name": "n", "schema": whole}}).schema is None


def test_strict_tools_are_held_where_models_can_be() -> None:
    tool = {**FUNCTION, "strict": True, "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
    (strict,) = body(Facts(schemas=True), tools=[tool])["tools"]
    assert strict["strict"] is True
    assert strict["input_schema"]["additionalProperties"] is False
    assert "strict" not in body(Facts(schemas=None), tools=[tool])["tools"][0]
    assert "strict" not in body(Facts(schemas=True), tools=[FUNCTION | {"strict": True}])["tools"][0]


def test_more_strict_tools_than_can_be_held_are_not_held() -> None:
    def tools(number: int, **properties: Any) -> list[Any]:
        parameters = {"type": "object", "properties": properties, "required": list(properties)}
        return [{**FUNCTION, "name": f"f{at}", "strict": True, "parameters": parameters} for at in range(number)]

    def held(given: list[Any]) -> bool:
        return all("strict" in tool for tool in body(Facts(schemas=True), tools=given)["tools"])

    plain: dict[str, Any] = {"q": {"type": "string"}}
    maybe: dict[str, Any] = {"q": {"type": ["string", "null"]}}
    assert held(tools(20, **plain))
    assert not held(tools(21, **plain))
    assert held(tools(16, **maybe))
    assert not held(tools(17, **maybe))


def test_a_model_that_cannot_be_made_to_call_is_not_asked_to() -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(Facts(forced=False), tools=[FUNCTION], tool_choice="required")
    assert (caught.value.param, caught.value.code) == ("tool_choice", "unsupported_parameter")


def test_on_vertex_the_path_says_which_model() -> None:
    dialect = Messages(vertex="vertex-2023-10-16")
    assert dialect.inlines == {"input_image", "input_file"}
    assert Messages().inlines == frozenset()
    call = dialect.count(Conversation({"input": "hi"}, items("hi")), "claude-x@1")
    assert call.path == "/models/count-tokens:rawPredict"
    assert call.body["model"] == "claude-x@1"
    assert isinstance(dialect, Counting)
    assert dialect.counted({"input_tokens": 7}) == 7


async def sent(**params: Any) -> dict[str, Any]:
    """What Anthropic's SDK sends for this."""
    bodies: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(request.content)
        return httpx2.Response(400, json={"type": "error", "error": {"type": "x", "message": "y"}})

    async with anthropic.AsyncAnthropic(
        api_key="k",
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(transport=httpx2.MockTransport(answer)),
    ) as client:
        with pytest.raises(anthropic.BadRequestError):
            await client.messages.create(**params)
    made: dict[str, Any] = json.loads(bodies[0])
    return made


@pytest.mark.anyio
async def test_the_sdk_sends_the_same() -> None:
    call = {"type": "function_call", "call_id": "toolu_1", "name": "lookup", "arguments": '{"q":1}'}
    result = {"type": "function_call_output", "call_id": "toolu_1", "output": "x"}
    picture = {"type": "input_image", "image_url": PNG}
    ours = body(
        instructions="Be brief.",
        input=[*user({"type": "input_text", "text": "hi"}, picture), call, result],
        tools=[FUNCTION, SEARCH],
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning={"effort": "high"},
        max_output_tokens=5000,
        user="u",
    )
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    theirs = await sent(
        model="claude-x",
        max_tokens=5000,
        stream=True,
        system=[{"type": "text", "text": "Be brief."}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "hi"}, image]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {"q": 1}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "x"}]}
                ],
            },
        ],
        tools=[
            {"name": "lookup", "input_schema": {"type": "object", "properties": {}}},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        thinking={"type": "adaptive", "display": "summarized"},
        output_config={"effort": "high"},
        metadata={"user_id": "u"},
    )
    assert json.loads(to_json(ours)) == theirs


def error(kind: str, message: str, **more: Any) -> bytes:
    return to_json({"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_1"})


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (400, error("invalid_request_error", "messages: too odd"), UpstreamRefused),
        (400, error("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"), ContextLengthExceeded),
        (
            400,
            error("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3"),
            ContextLengthExceeded,
        ),
        (
            400,
            error("invalid_request_error", "Your credit balance is too low."),
            UpstreamQuotaExceeded,
        ),
        (
            400,
            error("invalid_request_error", "You have reached your specified API usage limits"),
            UpstreamQuotaExceeded,
        ),
        (400, error("invalid_request_error", "Output blocked by content filtering policy"), UpstreamRefused),
        (401, error("authentication_error", "invalid x-api-key"), UpstreamAuth),
        (402, error("billing_error", "Pay."), UpstreamQuotaExceeded),
        (403, error("permission_error", "Not yours."), UpstreamAuth),
        (404, error("not_found_error", "model: claude-9"), UpstreamRefused),
        (413, error("request_too_large", "Too large."), UpstreamRefused),
        (429, error("rate_limit_error", "Slow down."), UpstreamRateLimited),
        (
            429,
            error("rate_limit_error", "Stop.", details={"error_code": "contract_spend_limit_reached"}),
            UpstreamQuotaExceeded,
        ),
        (429, error("rate_limit_error", "Slow.", details={"error_code": "ramp_limit_exceeded"}), UpstreamRateLimited),
        (500, error("api_error", "Oh."), UpstreamError),
        (504, error("timeout_error", "Late."), UpstreamTimeout),
        (529, error("overloaded_error", "Overloaded"), UpstreamError),
        (503, b"<html>", UpstreamError),
        (429, b'{"error": {"code": 429, "message": "Quota.", "details": [{"@type": "x"}]}}', UpstreamRateLimited),
    ],
)
def test_its_errors_are_told_in_our_words(status: int, told: bytes, kind: type[Exception]) -> None:
    made = refusal(status, {"retry-after": "7"}, told)
    assert type(made) is kind
    assert (made.code == "content_filter") is (b"content filtering" in told)
    if isinstance(made, UpstreamRateLimited):
        assert made.retry_after == 7


def deployment(**params: Any) -> Endpoint:
    environ = params.pop("environ", {})
    given = Params(model="anthropic/claude-x", **params)
    return endpoint(Deployment("d", "g", "anthropic", "claude-x", given), environ)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://api.anthropic.com"),
        ("https://p.example/v1", "https://p.example"),
        ("https://p.example/v1/messages/", "https://p.example"),
        ("https://p.example/anthropic", "https://p.example/anthropic"),
    ],
)
def test_the_base_url_may_say_more_or_less(base: str | None, url: str) -> None:
    assert deployment(api_base=base, api_key="k").base_url == url


def test_a_key_or_a_token_opens_it() -> None:
    assert deployment(api_key="k").headers == {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    assert deployment(environ={"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"}).headers["x-api-key"] == "k"
    token = deployment(environ={"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_API_BASE": "https://p.example"})
    assert token.headers["authorization"] == "Bearer t"
    assert token.base_url == "https://p.example"
    with pytest.raises(UpstreamAuth):
        deployment()


def call_of(id_: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": id_, "name": "lookup", "arguments": "{}"}


def result_of(id_: str, output: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id_, "output": output}


def test_calls_that_share_an_id_are_told_apart() -> None:
    told = [*user_said("a"), call_of("c"), result_of("c", "one"), call_of("c"), result_of("c", "two")]
    blocks = [block for message in body(input=told, tools=[FUNCTION])["messages"] for block in message["content"]]
    assert [block["id"] for block in blocks if block["type"] == "tool_use"] == ["c", "c_2"]
    results = {block["tool_use_id"]: block["content"][0]["text"] for block in blocks if block["type"] == "tool_result"}
    assert results == {"c": "one", "c_2": "two"}


def test_the_last_four_breakpoints_are_marked_and_none_for_less_time_than_one_behind_it() -> None:
    def part(text: str, ttl: str = "30m") -> dict[str, Any]:
        return {"type": "input_text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit", "ttl": ttl}}

    result = {**result_of("c", ""), "output": [part("c")]}
    told = [
        {"role": "developer", "content": [part("a")]},
        {"role": "user", "content": [part("b")]},
        call_of("c"),
        result,
    ]
    told += [{"role": "user", "content": [part("d"), part("e", "12h"), part("f")]}]
    made = body(input=told, tools=[FUNCTION])
    assert "cache_control" not in str(made["system"])
    assert "cache_control" not in str(made["messages"][0])
    assert str(made["messages"][2:]).count("'ttl': '1h'") == 3
    assert made["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}


def test_a_search_that_was_given_up_is_left_out_once_the_conversation_goes_on() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    kept = {"ws_1": [{"by": "anthropic", "blocks": [use]}]}
    told = [*user_said("a"), search]
    paused = Messages().call(Conversation({"input": told}, told, kept=kept), "m").body
    assert paused["messages"][-1] == {"role": "assistant", "content": [use]}
    later = [*told, *user_said("b")]
    made = Messages().call(Conversation({"input": later}, later, kept=kept), "m").body
    assert "server_tool_use" not in json.dumps(made)


def test_what_the_assistant_is_to_go_on_from_ends_in_no_space() -> None:
    told = [*user_said("a"), {"role": "assistant", "content": "It rains \n"}]
    assert body(input=told)["messages"][-1]["content"] == [{"type": "text", "text": "It rains"}]
