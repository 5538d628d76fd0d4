"""Cohere's dialect against golden files, the types of its SDK, and what its documentation says of errors."""

import json
from typing import Any

import cohere
import httpx
import pytest
from cohere.types import ChatMessages, ToolV2
from hypothesis import given
from pydantic import TypeAdapter
from pydantic_core import to_json

from tests.rig.legal import check_stream
from tests.rig.vendors.cohere_rules import wrong
from tests.worker.goldens import conversation, golden, outcome_of, spoiled, stream_of
from warren.config import Params, parse
from warren.errors import InvalidRequest, UpstreamAuth, WarrenError
from warren.objects import items
from warren_worker import provider
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.cohere import Cohere
from warren_worker.facts import Facts
from warren_worker.parameters import NAMES

Item = dict[str, Any]
CALLS, ANSWERS = golden("cohere", "calls"), golden("cohere", "answers")
MESSAGES: TypeAdapter[Any] = TypeAdapter(ChatMessages)
TOOLS: TypeAdapter[Any] = TypeAdapter(list[ToolV2])
NAMES_OF_EVENTS = (
    *("type", "index", "id", "delta", "message", "content", "text", "thinking", "tool_plan", "tool_calls", "function"),
    *("name", "arguments", "citations", "sources", "document", "tool_output", "url", "start", "end", "content_index"),
    *("finish_reason", "usage", "tokens", "billed_units", "input_tokens", "output_tokens", "cached_tokens", "error"),
)


def dialect(case: Item) -> Cohere:
    return Cohere(Facts(**case.get("facts", {})))


def call(**request: Any) -> Call:
    whole = {"model": "m", "input": "hi", **request}
    return Cohere().call(Conversation(whole, items(whole["input"])), "theirs")


@pytest.mark.parametrize("case", CALLS)
def test_a_conversation_becomes_a_chat(case: Item) -> None:
    before = to_json(case)
    made = dialect(case).call(conversation(case), "theirs")
    assert made == Call("/v2/chat", case["body"], case.get("schema"))
    assert list(wrong(made.body)) == []
    made.body.clear()
    assert to_json(case) == before


@pytest.mark.parametrize("case", CALLS)
def test_the_sdk_sends_the_same(case: Item) -> None:
    sent: list[Item] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, headers={"content-type": "text/event-stream"})

    given = {name: value for name, value in case["body"].items() if name != "stream"}
    given["messages"] = MESSAGES.validate_python(given["messages"])
    if "tools" in given:
        given["tools"] = TOOLS.validate_python(given["tools"])
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = cohere.ClientV2("key", base_url="http://cohere", httpx_client=http)
        assert list(client.chat_stream(**given)) == []
    assert sent == [case["body"]]


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_becomes_a_response(case: Item) -> None:
    assert outcome_of(Cohere(), case["events"]) == case["outcome"]


@given(spoiled(ANSWERS, NAMES_OF_EVENTS))
def test_whatever_it_sends_the_stream_stays_legal(events: list[Any]) -> None:
    check_stream(stream_of(Cohere(), events)[1])


def test_who_says_nothing_is_asked_for_something() -> None:
    with pytest.raises(InvalidRequest) as caught:
        call(input=[{"role": "user", "content": []}])
    assert (caught.value.param, caught.value.code) == ("input", "missing_required_parameter")


@pytest.mark.parametrize(
    "more", [{"input": [{"role": "developer", "content": "Be."}]}, {"input": [], "instructions": "Be."}]
)
def test_where_there_is_no_user_what_the_system_says_is_his(more: Item) -> None:
    body = call(**more).body
    assert body["messages"] == [{"role": "user", "content": "Be."}]
    asked = call(**more, text={"format": {"type": "json_object"}}).body
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert list(wrong(asked)) == []


def test_the_table_says_what_becomes_of_every_parameter() -> None:
    assert Cohere().parameters.keys() == NAMES.keys()


REFUSED: list[tuple[Item, str]] = [
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "AA=="}]}]}, "input[0].content[0]"),
    ({"tools": [{"type": "function", "name": "f"}], "text": {"format": {"type": "json_object"}}}, "text.format"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
    ({"presence_penalty": 0.5, "frequency_penalty": 0.5}, "frequency_penalty"),
]


@pytest.mark.parametrize(("more", "param"), REFUSED)
def test_what_it_cannot_say_is_refused_by_its_path(more: Item, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        call(**more)
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")


@pytest.mark.parametrize(("given", "sent"), [(0, 0.01), (0.5, 0.5), (1, 0.99)], ids=["least", "between", "most"])
def test_top_p_is_kept_within_what_cohere_takes(given: float, sent: float) -> None:
    assert call(top_p=given).body["p"] == sent


def test_half_of_a_short_answer_is_not_for_thoughts() -> None:
    body = call(reasoning={"effort": "high"}, max_output_tokens=100).body
    assert body["thinking"] == {"type": "enabled", "token_budget": 50}
    body = call(reasoning={"effort": "max"}).body
    assert body["thinking"]["token_budget"] == 16384


def test_tools_are_strict_only_if_all_of_them_can_be() -> None:
    strict = {
        "type": "function", "name": "f", "strict": True,
        "parameters": {"type": "object", "properties": {"q": {}}, "required": ["q"]},
    }  # fmt: skip
    assert call(tools=[strict]).body["strict_tools"] is True
    assert "strict_tools" not in call(tools=[strict, {**strict, "name": "g", "strict": False}]).body
    assert "strict_tools" not in call(tools=[strict, {"type": "function", "name": "g", "strict": True}]).body


ERRORS: list[tuple[int, Any, str, str | None, int]] = [
    (400, "invalid request: prompt must be at least 1 token long.", "UpstreamRefused", "upstream_refused", 400),
    (400, "too many tokens: size limit exceeded by 11326 tokens.", "ContextLengthExceeded", None, 400),
    (400, "too many tokens: max tokens must be less than or equal to 4096", "UpstreamRefused", None, 400),
    (401, "invalid api token of-ours", "UpstreamAuth", "upstream_auth", 502),
    (402, "Please add or update your payment method", "UpstreamQuotaExceeded", "insufficient_quota", 429),
    (403, "this key may not use of-ours", "UpstreamAuth", "upstream_auth", 502),
    (404, "model 'x' not found", "UpstreamRefused", None, 404),
    (422, "message must not be empty", "UpstreamRefused", None, 422),
    (429, "You are using a Trial key, which is limited to 20 API calls / minute.", "UpstreamRateLimited", None, 429),
    (429, "You are using a Trial key, which is limited to 1000 API calls / month.", "UpstreamQuotaExceeded", None, 429),
    (498, "blocked", "UpstreamRefused", "content_filter", 400),
    (499, "request cancelled", "UpstreamError", None, 502),
    (500, "internal server error", "UpstreamError", None, 502),
    (503, "unavailable", "UpstreamError", None, 502),
    (504, "timeout", "UpstreamTimeout", None, 504),
]


@pytest.mark.parametrize(("status", "message", "kind", "code", "shown"), ERRORS)
def test_its_errors_are_told_by_our_names(status: int, message: str, kind: str, code: str | None, shown: int) -> None:
    error = Cohere().refusal(status, {}, to_json({"id": "x", "message": message}))
    assert (type(error).__name__, error.status) == (kind, shown)
    assert code is None or error.code == code
    assert "of-ours" not in error.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 5}', b'{"data": "x"}', b"\xff"])
def test_an_error_of_any_form_is_one(body: bytes) -> None:
    for status in (400, 429, 498, 500):
        assert isinstance(Cohere().refusal(status, {}, body), WarrenError)


def site(environ: dict[str, str], **params: Any) -> provider.Endpoint:
    config = parse(json.dumps({"model_list": [{"model_name": "m", "litellm_params": {"model": "cohere/x", **params}}]}))
    (deployment,) = config.deployments.values()
    assert isinstance(deployment.params, Params)
    return provider.endpoint(deployment, environ)


@pytest.mark.parametrize(
    "base", ["https://x.example", "https://x.example/v2", "https://x.example/v2/", "https://x.example/v2/chat"]
)
def test_its_base_may_be_the_whole_url(base: str) -> None:
    assert site({}, api_base=base, api_key="k").base_url == "https://x.example"


def test_its_key_is_found_by_either_name() -> None:
    for name in ("COHERE_API_KEY", "CO_API_KEY"):
        found = site({name: "k"}, model="cohere_chat/x")
        assert (found.base_url, found.headers, found.model) == (
            "https://api.cohere.com",
            {"authorization": "Bearer k"},
            "x",
        )
    with pytest.raises(UpstreamAuth):
        site({})
