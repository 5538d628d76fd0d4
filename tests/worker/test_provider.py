"""From a deployment to where it is reached, as whom, and in which dialect."""

import pytest

from warren.config import parse
from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren.objects import items
from warren_worker.dialect import Conversation
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.provider import Endpoint, endpoint
from warren_worker.providers.openai import CHAT

KEY = {"OPENAI_API_KEY": "sk-env"}
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}


def reached(params: str, environ: dict[str, str] | None = None) -> Endpoint:
    (deployment,) = parse(f"model_list: [{{model_name: m, litellm_params: {{{params}}}}}]").deployments.values()
    return endpoint(deployment, KEY if environ is None else environ)


def test_openai_is_reached_natively_and_remembers() -> None:
    one = reached("model: openai/gpt-5")
    assert (one.base_url, one.model, one.remembers) == ("https://api.openai.com/v1", "gpt-5", True)
    assert one.headers == {"authorization": "Bearer sk-env"}
    assert one.dialect == Responses(stores=True)


@pytest.mark.parametrize(
    ("params", "dialect", "remembers"),
    [
        ("model: openai/x", Responses(stores=True), True),
        ("model: openai/x, api_base: 'https://api.openai.com/v1/'", Responses(stores=True), True),
        ("model: openai/x, use_chat_completions_api: true", CHAT, False),
        ("model: openai/chat_completions/x", CHAT, False),
        ("model: openai/x, api_base: 'http://a/v1', api_key: k", Responses(), False),
        ("model: openai/x, api_base: 'http://a/v1', api_key: k, use_chat_completions_api: true", Chat(), False),
    ],
)
def test_a_deployment_is_spoken_to_in_its_dialect(params: str, dialect: object, remembers: bool) -> None:
    one = reached(params)
    assert (one.dialect, one.remembers, one.model) == (dialect, remembers, "x")


def test_a_server_without_schemas_is_known_by_its_model_info() -> None:
    text = "model_list: [{model_name: m, litellm_params: {model: openai/chat_completions/x, api_base: 'http://a/v1'}, "
    for info, schemas in (("false", False), ("true", True)):
        file = parse(text + f"model_info: {{supports_response_schema: {info}}}}}]")
        (deployment,) = file.deployments.values()
        asked = {"model": "m", "input": "hi", "text": {"format": SCHEMA}}
        body = endpoint(deployment, KEY).dialect.call(Conversation(asked, items("hi")), "x").body
        assert ("response_format" in body) is schemas


def test_keys_addresses_and_headers_may_be_references() -> None:
    one = reached(
        "model: openai/x, api_key: os.environ/K, api_base: os.environ/B, extra_headers: {X-Token: os.environ/T},"
        "organization: os.environ/O, extra_body: {seed: 1}, timeout: 5, stream_timeout: 6, mock_response: 'no'",
        {"K": "key", "B": "http://b/v1/", "T": "token", "O": "org"},
    )
    assert one.base_url == "http://b/v1"
    assert one.headers == {"authorization": "Bearer key", "x-token": "token", "openai-organization": "org"}
    assert one.body == {"seed": 1}
    assert (one.timeout, one.first_event_timeout, one.mock_response) == (5, 6, "no")


def test_a_header_of_the_file_goes_over_ours() -> None:
    assert reached("model: openai/x, extra_headers: {Authorization: Basic x}").headers == {"authorization": "Basic x"}


def test_a_key_that_is_not_there_is_named() -> None:
    for params, name in (("model: gpt-5", "OPENAI_API_KEY"), ("model: gpt-5, api_key: os.environ/K", "K")):
        with pytest.raises(UpstreamAuth, match=f"{name} is not set"):
            reached(params, {})


def test_an_address_that_is_not_there_is_not_replaced_by_the_providers_own() -> None:
    with pytest.raises(UpstreamUnreachable, match="B is not set"):
        reached("model: openai/x, api_key: key-of-b, api_base: os.environ/B")


def test_no_key_shows_when_printed() -> None:
    assert "sk-env" not in repr(reached("model: openai/gpt-5, extra_body: {a: sk-env}"))
