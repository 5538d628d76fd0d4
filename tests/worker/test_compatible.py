"""Rows of providers that speak like OpenAI: where a deployment is reached, as whom, and how it is spoken to."""

import json
from pathlib import Path
from typing import Any

import pytest

from warren.compatible import ROWS
from warren.config import PROVIDERS, parse
from warren.errors import InvalidRequest, UpstreamAuth, UpstreamUnreachable
from warren.objects import items
from warren_worker.credentials import ClientCredentials
from warren_worker.dialect import Call, Conversation
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.parameters import NAMES, Treatment
from warren_worker.provider import Endpoint, endpoint

Item = dict[str, Any]
FUNCTION = {"type": "function", "name": "f", "strict": True}
SCHEMA = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}
CALLED: list[Item] = [
    {"role": "user", "content": "a"},
    {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
    {"type": "function_call", "id": "fc", "call_id": "call_123", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_123", "output": "rain"},
]


def reached(params: str, environ: dict[str, str] | None = None, info: str = "") -> Endpoint:
    text = f"model_list: [{{model_name: m, litellm_params: {{{params}}}, model_info: {{{info}}}}}]"
    (deployment,) = parse(text).deployments.values()
    return endpoint(deployment, environ or {})


def keyed(provider: str, model: str = "x", more: str = "", info: str = "") -> Endpoint:
    row = ROWS[provider]
    base = "" if row.base_url else ", api_base: 'http://a/v1'"
    return reached(f"model: {provider}/{model}, api_key: k{base}{more}", info=info)


def call(provider: str, model: str = "x", kept: dict[str, list[Item]] | None = None, **request: Any) -> Call:
    one = keyed(provider, model, ", use_chat_completions_api: true")
    assert isinstance(one.dialect, Chat)
    whole = {"model": "m", "input": "hi", **request}
    return one.dialect.call(Conversation(whole, items(whole["input"]), kept=kept or {}), one.model)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_makes_a_dialect_and_knows_its_parameters(name: str) -> None:
    one = keyed(name)
    assert name in PROVIDERS
    assert one.dialect.call(Conversation({"model": "m", "input": "hi"}, items("hi")), one.model).body["stream"] is True
    for column in (ROWS[name].parameters, ROWS[name].native_parameters):
        assert column.keys() <= NAMES.keys()
        assert {Treatment(treatment) for treatment in column.values()} <= set(Treatment)


@pytest.mark.parametrize("name", ROWS)
def test_every_variable_of_a_row_is_read(name: str) -> None:
    row = ROWS[name]
    for variable in row.keys:
        at = "" if row.base_url else ", api_base: 'http://a/v1'"
        assert reached(f"model: {name}/x{at}", {variable: "k"}).headers["authorization"] == "Bearer k"
    for variable in row.bases:
        one = reached(f"model: {name}/x, api_key: k", {variable: "http://elsewhere/v1"})
        assert one.base_url == "http://elsewhere/v1"


def test_a_key_is_asked_for_unless_the_row_has_none() -> None:
    with pytest.raises(UpstreamAuth, match="GROQ_API_KEY is not set"):
        reached("model: groq/x")
    assert reached("model: llamafile/x").headers == {}
    with pytest.raises(UpstreamUnreachable, match="api_base"):
        reached("model: lm_studio/x")


def test_the_environments_key_goes_to_an_address_of_ones_own_too_and_to_nobody_else() -> None:
    environ = {"GROQ_API_KEY": "k", "OPENAI_API_KEY": "k"}
    assert reached("model: groq/x, api_base: 'http://a'", environ).headers == {"authorization": "Bearer k"}
    assert reached("model: hosted_vllm/x, api_base: 'http://a'", environ).headers == {}


@pytest.mark.parametrize(
    ("params", "native"),
    [
        ("model: xai/x", True),
        ("model: xai/chat_completions/x", False),
        ("model: xai/x, use_chat_completions_api: true", False),
        ("model: groq/x", False),
        ("model: databricks/databricks-gpt-5, api_base: 'http://a'", True),
        ("model: databricks/databricks-claude-sonnet-4, api_base: 'http://a'", False),
        ("model: perplexity/sonar", False),
        ("model: perplexity/openai/gpt-5", True),
        ("model: custom_openai/x, api_base: 'http://a'", False),
        ("model: openai_like/x, api_base: 'http://a'", False),
        ("model: openai/x, api_base: 'http://a'", True),
    ],
)
def test_who_has_responses_is_asked_natively(params: str, native: bool) -> None:
    one = reached(f"{params}, api_key: k")
    assert one.native is native
    assert isinstance(one.dialect, Responses if native else Chat)


def test_a_deployment_may_say_that_it_has_responses() -> None:
    info = "supported_endpoints: [/v1/chat/completions, /v1/responses]"
    assert keyed("groq", info=info).native
    assert not keyed("groq", more=", use_chat_completions_api: true", info=info).native


@pytest.mark.parametrize(
    ("params", "base", "path"),
    [
        ("model: perplexity/a/b", "https://api.perplexity.ai", "/v1/responses"),
        ("model: perplexity/a/b, api_base: 'http://a/v1'", "http://a/v1", "/responses"),
        ("model: hosted_vllm/x, api_base: 'http://a:8000'", "http://a:8000/v1", "/responses"),
        ("model: hosted_vllm/x, api_base: 'http://a:8000/v1/'", "http://a:8000/v1", "/responses"),
        ("model: huggingface/x, api_base: 'http://a/v1/chat/completions'", "http://a/v1", "/chat/completions"),
        ("model: huggingface/x, api_base: 'http://a'", "http://a/v1", "/chat/completions"),
    ],
)
def test_addresses_are_completed_and_cut(params: str, base: str, path: str) -> None:
    one = reached(f"{params}, api_key: k")
    made = one.dialect.call(Conversation({"model": "m", "input": "hi"}, items("hi")), one.model)
    assert (one.base_url, made.path) == (base, path)


@pytest.mark.parametrize(
    ("model", "theirs"),
    [
        ("fireworks_ai/llama-v3", "accounts/fireworks/models/llama-v3"),
        ("fireworks_ai/accounts/me/models/x", "accounts/me/models/x"),
        ("huggingface/together/deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1:together"),
        ("huggingface/meta-llama/Llama-3", "meta-llama/Llama-3"),
    ],
)
def test_models_have_the_names_that_their_servers_know(model: str, theirs: str) -> None:
    assert reached(f"model: {model}, api_key: k").model == theirs


def test_databricks_may_be_reached_by_an_oauth_client() -> None:
    at = "model: databricks/x, api_base: 'https://w.example/serving-endpoints'"
    environ = {"DATABRICKS_CLIENT_ID": "i", "DATABRICKS_CLIENT_SECRET": "s"}
    client = ClientCredentials("https://w.example/oidc/v1/token", "i", "s", "all-apis")
    assert (reached(at, environ).credential, reached(at, environ).headers) == (client, {})
    assert reached(f"{at}, client_id: i, client_secret: s", {"DATABRICKS_API_KEY": "k"}).credential == client
    assert reached(at, {**environ, "DATABRICKS_API_KEY": "k"}).credential is None
    assert reached(f"{at}, api_key: k", environ).headers == {"authorization": "Bearer k"}


def test_effort_is_said_in_the_servers_way() -> None:
    asked: Item = {"reasoning": {"effort": "low"}}
    none: Item = {"reasoning": {"effort": "none"}}
    assert call("groq", **asked).body["reasoning_effort"] == "low"
    assert call("openrouter", **asked).body["reasoning"] == {"effort": "low"}
    assert call("openrouter", reasoning={"summary": "auto"}).body["reasoning"] == {"enabled": True}
    for name in ("moonshot", "zai", "deepseek", "volcengine"):
        assert call(name, **asked).body["thinking"] == {"type": "enabled"}
        assert call(name, **none).body["thinking"] == {"type": "disabled"}
        assert "reasoning_effort" not in call(name, **none).body
    assert call("deepseek", **asked).body["reasoning_effort"] == "low"
    assert "reasoning_effort" not in call("zai", **asked).body


def test_qwen_at_groq_thinks_or_not_and_never_in_its_text() -> None:
    for effort, sent in (("none", "none"), ("low", "default"), ("high", "default")):
        body = call("groq", "qwen/qwen3-32b", reasoning={"effort": effort}).body
        assert (body["reasoning_effort"], body["reasoning_format"]) == (sent, "parsed")
    plain = call("groq", "qwen/qwen3-32b").body
    assert (plain["reasoning_format"], "reasoning_effort" in plain) == ("parsed", False)
    assert "reasoning_format" not in call("groq", "openai/gpt-oss-120b").body


def test_claude_at_databricks_thinks_by_a_budget_below_its_limit() -> None:
    dialect = Chat(effort="budget", facts=keyed("databricks", "databricks-claude-sonnet-4-5").facts)

    def body(**request: Any) -> Item:
        whole = {"model": "m", "input": "hi", "reasoning": {"effort": "high"}, **request}
        return dialect.call(Conversation(whole, items("hi")), "x").body

    assert body()["thinking"]["budget_tokens"] < body()["max_tokens"]
    assert body(max_output_tokens=3000)["thinking"]["budget_tokens"] < 3000
    with pytest.raises(InvalidRequest) as caught:
        body(max_output_tokens=500)
    assert caught.value.param == "reasoning.effort"


@pytest.mark.parametrize("name", ["deepseek", "moonshot", "zai"])
def test_thoughts_go_back_between_calls_and_nowhere_else(name: str) -> None:
    assert call(name, input=CALLED).body["messages"][1]["reasoning_content"] == "hm"
    spoken = [*CALLED[:2], {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert "reasoning_content" not in str(call(name, input=spoken).body)
    assert "reasoning_content" in str(call(name, input=spoken, tools=[FUNCTION]).body)


@pytest.mark.parametrize("name", ["deepseek", "moonshot"])
def test_a_call_that_another_provider_made_has_no_thoughts_but_the_field_for_them(name: str) -> None:
    foreign = {"rs": [{"by": "anthropic", "block": {"type": "thinking", "thinking": "hm", "signature": "x"}}]}
    assert call(name, kept=foreign, input=CALLED).body["messages"][1]["reasoning_content"] == " "
    assert call(name, input=[CALLED[0], *CALLED[2:]]).body["messages"][1]["reasoning_content"] == " "


def test_openrouter_sees_its_details_again_and_nobody_elses() -> None:
    details = [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]
    kept: dict[str, list[Item]] = {"rs": [{"by": "openrouter", "details": details}, {"by": "gemini", "signature": "x"}]}
    message = call("openrouter", kept=kept, input=CALLED).body["messages"][1]
    assert message["reasoning_details"] == details
    assert message["tool_calls"][0]["id"] == "call_123"
    assert "reasoning_details" not in str(call("openrouter", input=CALLED).body)
    late: dict[str, list[Item]] = {"fc": [{"by": "openrouter", "details": details}]}
    assert call("openrouter", kept=late, input=CALLED).body["messages"][1]["reasoning_details"] == details


def test_mistral_is_told_in_its_own_way() -> None:
    empty = {"role": "assistant", "content": ""}
    made = call("mistral", input=[*CALLED, empty], tools=[FUNCTION], tool_choice="required").body
    user, called, result = made["messages"]
    assert (user["role"], result["name"]) == ("user", "f")
    assert called["tool_calls"][0]["id"] == result["tool_call_id"] != "call_123"
    assert len(result["tool_call_id"]) == 9
    assert result["tool_call_id"].isalnum()
    assert made["tool_choice"] == "any"
    assert "stream_options" not in made


@pytest.mark.parametrize(
    ("provider", "model"), [("mistral", "mistral-large-latest"), ("nvidia_nim", "mistralai/mistral-small-4-119b-2603")]
)
def test_mistrals_models_answer_what_tools_gave_back_before_the_user_speaks(provider: str, model: str) -> None:
    shown = {**CALLED[3], "output": [{"type": "input_image", "image_url": "https://x.example/y.png"}]}
    for given in ([*CALLED, {"role": "user", "content": "stop"}], [*CALLED[:3], shown]):
        messages = call(provider, model, input=given).body["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
        assert messages[3] == {"role": "assistant", "content": "I see."}
        others = call("groq", "llama-3.3-70b", input=given).body["messages"]
        assert [message["role"] for message in others] == ["user", "assistant", "tool", "user"]
    said = [*CALLED, {"role": "assistant", "content": "Rain."}, {"role": "user", "content": "c"}]
    assert "I see." not in str(call("mistral", "mistral-large-latest", input=said).body)


def test_an_id_that_mistral_gave_stays() -> None:
    given = [{**item, "call_id": "D681PevKs"} if "call_id" in item else item for item in CALLED]
    assert call("mistral", input=given).body["messages"][1]["tool_calls"][0]["id"] == "D681PevKs"


def test_fireworks_takes_neither_strict_functions_nor_schemas_beside_them() -> None:
    made = call("fireworks_ai", tools=[FUNCTION], tool_choice="required").body
    assert (made["tool_choice"], "strict" in made["tools"][0]["function"]) == ("any", False)
    assert call("fireworks_ai", text=SCHEMA).schema is None
    with pytest.raises(InvalidRequest) as caught:
        call("fireworks_ai", text=SCHEMA, tools=[FUNCTION])
    assert caught.value.param == "text.format"


def test_a_server_that_knows_json_but_no_schemas_is_told_the_schema_in_words() -> None:
    made = call("deepseek", text=SCHEMA)
    assert made.body["response_format"] == {"type": "json_object"}
    assert made.schema == {"type": "object"}
    assert "JSON schema" in made.body["messages"][0]["content"]
    assert call("deepseek", text={"format": {"type": "json_object"}}).schema is None
    plain = call("groq", text=SCHEMA)
    assert ("response_format" in plain.body, plain.schema) == (False, {"type": "object"})


SEARCH: Item = {
    "type": "web_search",
    "search_context_size": "low",
    "user_location": {"type": "approximate", "country": "ES", "city": None},
    "filters": {"allowed_domains": ["weather.example"]},
}


def test_a_web_search_is_asked_for_where_there_is_one() -> None:
    routed = call("openrouter", tools=[SEARCH, FUNCTION]).body["tools"]
    place = {"type": "approximate", "country": "ES"}
    told = {"search_context_size": "low", "allowed_domains": ["weather.example"], "user_location": place}
    assert routed[1] == {"type": "openrouter:web_search", "parameters": told}
    asked = call("perplexity", tools=[SEARCH]).body
    assert asked["search_domain_filter"] == ["weather.example"]
    assert asked["web_search_options"] == {"search_context_size": "low", "user_location": {"country": "ES"}}
    assert "tools" not in asked
    assert call("perplexity", tools=[SEARCH], tool_choice="none").body["disable_search"] is True
    blocked = {"type": "web_search", "filters": {"blocked_domains": ["a.example"]}}
    assert call("perplexity", tools=[blocked]).body["search_domain_filter"] == ["-a.example"]
    (routed,) = call("openrouter", tools=[blocked]).body["tools"]
    assert routed["parameters"] == {"excluded_domains": ["a.example"]}
    both = {**SEARCH, "filters": {"allowed_domains": ["b.example"], "blocked_domains": ["a.example"]}}
    with pytest.raises(InvalidRequest) as caught:
        call("perplexity", tools=[both])
    assert caught.value.param == "tools[0].filters.blocked_domains"
    options = Chat(searches="web_search_options")
    with pytest.raises(InvalidRequest) as caught:
        options.call(Conversation({"model": "m", "input": "hi", "tools": [SEARCH]}, items("hi")), "x")
    assert caught.value.param == "tools[0].filters.allowed_domains"
    whole: Item = {"model": "m", "input": "hi", "tools": [{**SEARCH, "filters": None}]}
    body = options.call(Conversation(whole, items("hi")), "x").body
    assert body["web_search_options"]["user_location"] == {"type": "approximate", "approximate": {"country": "ES"}}
    with pytest.raises(InvalidRequest) as caught:
        call("groq", tools=[SEARCH])
    assert caught.value.param == "tools[0].type"


@pytest.mark.parametrize("tools", [[SEARCH, SEARCH], [{**SEARCH, "unheard_of": 1}], [{**SEARCH, "filters": {"x": 1}}]])
def test_a_search_that_cannot_be_said_is_refused(tools: list[Item]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        call("openrouter", tools=tools)
    assert str(caught.value.param).startswith("tools[")


def test_xai_is_not_sent_what_it_refuses() -> None:
    one = keyed("xai")

    def body(**request: Any) -> Item:
        whole = {"model": "m", "input": "hi", **request}
        return one.dialect.call(Conversation(whole, items("hi")), "x").body

    made = body(metadata={"a": "b"}, tools=[{"type": "code_interpreter", "container": {"type": "auto"}}])
    assert "metadata" not in made
    assert made["tools"] == [{"type": "code_interpreter"}]
    blocked = {"type": "web_search", "filters": {"blocked_domains": ["a.example"]}}
    assert body(tools=[blocked])["tools"] == [{"type": "web_search", "filters": {"excluded_domains": ["a.example"]}}]
    assert one.parameters["metadata"] is Treatment.OURS
    with pytest.raises(InvalidRequest) as caught:
        body(tools=[FUNCTION, SEARCH])
    assert caught.value.param == "tools[1].search_context_size"


def test_cache_breakpoints_go_to_those_who_have_them() -> None:
    part = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}
    told = call("openrouter", input=[{"role": "system", "content": [part]}, {"role": "user", "content": [part]}]).body
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    assert [message["content"] for message in told["messages"]] == [[marked], [marked]]
    result = {**CALLED[3], "output": [{"type": "input_text", "text": "b"}, part]}
    told = call("openrouter", input=[*CALLED[:3], result, *[{"role": "user", "content": [part]}] * 4]).body["messages"]
    assert told[2]["content"] == [{"type": "text", "text": "b"}, {"type": "text", "text": "a"}]
    assert [message["content"] for message in told[3:]] == [[marked]] * 4
    assert call("openrouter", input=[*CALLED[:3], result]).body["messages"][2]["content"][1] == marked


GOLDEN = Path(__file__).parents[1] / "golden" / "compatible"
WHOLE: Item = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [*CALLED, {"role": "developer", "content": "Be kind."}, {"role": "user", "content": "b"}],
    "tools": [FUNCTION],
    "tool_choice": "auto",
    "reasoning": {"effort": "low"},
    "max_output_tokens": 99,
    "temperature": 0.5,
}


@pytest.mark.parametrize("name", ROWS)
def test_a_conversation_becomes_a_call_at_every_server(name: str) -> None:
    """The files hold what goes out by Chat Completions. They were read before they were kept."""
    request = {key: value for key, value in WHOLE.items() if key != "reasoning" or ROWS[name].reasons}
    if "tools:function" in ROWS[name].parameters:
        request = {key: value for key, value in request.items() if not key.startswith("tool")}
    made = call(name, **request)
    assert {"path": made.path, **made.body} == json.loads((GOLDEN / f"{name}.json").read_text())
