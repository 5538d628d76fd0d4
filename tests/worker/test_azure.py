"""Azure: from a deployment to its address, its keys and its dialect."""

import pytest

from warren.config import parse
from warren.errors import UpstreamAuth
from warren.objects import items
from warren_worker.credentials import ClientCredentials
from warren_worker.dialect import Conversation
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.messages import Messages
from warren_worker.dialects.responses import Responses
from warren_worker.provider import Endpoint, endpoint
from warren_worker.providers.azure import SCOPE

R = "https://r.openai.azure.com"
BASE = f"api_base: '{R}', api_key: k"
HOST = "https://login.microsoftonline.com/t/oauth2/v2.0/token"


def reached(params: str, environ: dict[str, str] | None = None) -> Endpoint:
    (deployment,) = parse(f"model_list: [{{model_name: m, litellm_params: {{{params}}}}}]").deployments.values()
    return endpoint(deployment, environ or {})


def url(one: Endpoint) -> str:
    path = one.dialect.call(Conversation({"model": "m", "input": "hi"}, items("hi")), one.model).path
    return one.base_url + path + (f"?{one.query}" if one.query else "")


@pytest.mark.parametrize(
    ("params", "environ", "address"),
    [
        (BASE, {}, f"{R}/openai/v1/responses?api-version=preview"),
        (f"{BASE}, api_version: preview", {}, f"{R}/openai/v1/responses?api-version=preview"),
        (f"{BASE}, api_version: latest", {}, f"{R}/openai/v1/responses?api-version=latest"),
        (f"{BASE}, api_version: v1", {}, f"{R}/openai/v1/responses?api-version=v1"),
        (
            f"{BASE}, api_version: 2025-04-01-preview",
            {},
            f"{R}/openai/responses?api-version=2025-04-01-preview",
        ),
        (f"{BASE}, api_version: '2024-10-21'", {}, f"{R}/openai/v1/responses?api-version=preview"),
        (BASE, {"AZURE_API_VERSION": "2025-04-01-preview"}, f"{R}/openai/responses?api-version=2025-04-01-preview"),
        (
            f"{BASE}, api_version: '2024-10-21'",
            {"AZURE_DEFAULT_RESPONSES_API_VERSION": "2025-03-01-preview"},
            f"{R}/openai/responses?api-version=2025-03-01-preview",
        ),
        (
            f"{BASE}, api_version: '2024-10-21', responses_api_version: '2026-05-01'",
            {},
            f"{R}/openai/responses?api-version=2026-05-01",
        ),
        (
            f"api_base: '{R}/openai/responses?api-version=2025-04-01-preview', api_key: k, responses_api_version: v1",
            {},
            f"{R}/openai/responses?api-version=2025-04-01-preview",
        ),
        (
            f"{BASE}, api_version: 2025-04-01-preview, responses_api_version: latest",
            {},
            f"{R}/openai/v1/responses?api-version=latest",
        ),
        (f"api_base: '{R}/openai/v1/', api_key: k", {}, f"{R}/openai/v1/responses"),
        (f"api_base: '{R}/openai/v1/responses', api_key: k", {}, f"{R}/openai/v1/responses"),
        (
            f"api_base: '{R}/openai/responses?api-version=2025-04-01-preview', api_key: k",
            {},
            f"{R}/openai/responses?api-version=2025-04-01-preview",
        ),
        ("api_key: k", {"AZURE_API_BASE": R}, f"{R}/openai/v1/responses?api-version=preview"),
    ],
)
def test_responses_are_where_the_version_has_them(params: str, environ: dict[str, str], address: str) -> None:
    one = reached(f"model: azure/d, {params}", environ)
    assert url(one) == address
    assert (one.native, one.model, one.remembers) == (True, "d", False)
    assert isinstance(one.dialect, Responses)
    assert one.headers == {"api-key": "k"}


@pytest.mark.parametrize(
    ("params", "address"),
    [
        (BASE, f"{R}/openai/v1/chat/completions"),
        (f"{BASE}, api_version: preview", f"{R}/openai/v1/chat/completions?api-version=preview"),
        (
            f"{BASE}, api_version: '2024-10-21'",
            f"{R}/openai/deployments/my%20own/chat/completions?api-version=2024-10-21",
        ),
        (f"api_base: '{R}/openai/v1', api_key: k, api_version: '2024-10-21'", f"{R}/openai/v1/chat/completions"),
        (
            f"api_base: '{R}/openai/deployments/d2/chat/completions?api-version=2024-10-21', api_key: k",
            f"{R}/openai/deployments/d2/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_chats_are_where_the_version_has_them(params: str, address: str) -> None:
    one = reached(f"model: 'azure/my own', use_chat_completions_api: true, {params}")
    assert url(one) == address
    assert isinstance(one.dialect, Chat)
    assert not one.native


def test_hints_at_the_model_are_no_part_of_the_deployments_name() -> None:
    for model in ("azure/o_series/d", "azure/gpt5_series/d", "azure/responses/d", "azure/chat_completions/d"):
        assert reached(f"model: {model}, {BASE}").model == "d"


@pytest.mark.parametrize(
    ("params", "environ", "headers"),
    [
        ("", {"AZURE_API_KEY": "k"}, {"api-key": "k"}),
        ("", {"AZURE_OPENAI_API_KEY": "k"}, {"api-key": "k"}),
        ("", {"AZURE_AD_TOKEN": "t"}, {"authorization": "Bearer t"}),
        (", azure_ad_token: t", {"AZURE_API_KEY": "k"}, {"authorization": "Bearer t"}),
        (", azure_ad_token: os.environ/T", {"T": "t"}, {"authorization": "Bearer t"}),
        (", api_key: k", {"AZURE_AD_TOKEN": "t"}, {"api-key": "k"}),
    ],
)
def test_a_key_or_a_token_opens_it(params: str, environ: dict[str, str], headers: dict[str, str]) -> None:
    one = reached(f"model: azure/d, api_base: '{R}'{params}", environ)
    assert (one.headers, one.credential) == (headers, None)


def test_a_client_gets_its_tokens_from_entra() -> None:
    at = f"model: azure/d, api_base: '{R}'"
    environ = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "i", "AZURE_CLIENT_SECRET": "s"}
    client = ClientCredentials(HOST, "i", "s", SCOPE)
    assert (reached(at, environ).credential, reached(at, environ).headers) == (client, {})
    named = f"{at}, tenant_id: t, client_id: i, client_secret: s"
    assert reached(named, {"AZURE_API_KEY": "k"}).credential == client
    assert reached(at, {**environ, "AZURE_API_KEY": "k"}).credential is None
    scoped = reached(f"{named}, azure_scope: 'https://ai.azure.com/.default'").credential
    assert scoped == ClientCredentials(HOST, "i", "s", "https://ai.azure.com/.default")
    china = reached(named, {"AZURE_AUTHORITY_HOST": "login.chinacloudapi.cn"}).credential
    assert isinstance(china, ClientCredentials)
    assert china.token_url == "https://login.chinacloudapi.cn/t/oauth2/v2.0/token"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UpstreamAuth, match="AZURE_API_KEY or AZURE_OPENAI_API_KEY is not set"):
        reached(f"model: azure/d, api_base: '{R}'")
    with pytest.raises(UpstreamAuth, match="T is not set"):
        reached(f"model: azure/d, api_base: '{R}', azure_ad_token: os.environ/T", {"AZURE_API_KEY": "k"})
    with pytest.raises(UpstreamAuth, match="client_secret is not set"):
        reached(f"model: azure/d, api_base: '{R}', client_id: i", {"AZURE_API_KEY": "k"})


F = "https://f.services.ai.azure.com"


@pytest.mark.parametrize(
    ("model", "base", "address", "kind"),
    [
        ("gpt-5", F, f"{F}/openai/v1/responses", Responses),
        ("DeepSeek-V3", F, f"{F}/openai/v1/chat/completions", Chat),
        ("DeepSeek-V3", f"{F}/models", f"{F}/openai/v1/chat/completions", Chat),
        ("grok-4", f"{F}/openai/v1", f"{F}/openai/v1/responses", Responses),
        ("claude-sonnet-4-5", F, f"{F}/anthropic/v1/messages", Messages),
        ("claude-sonnet-4-5", f"{F}/anthropic/v1/messages", f"{F}/anthropic/v1/messages", Messages),
        ("x", "https://m.eastus.models.ai.azure.com", "https://m.eastus.models.ai.azure.com/v1/chat/completions", Chat),
        ("x", "https://own.example/v1", "https://own.example/v1/chat/completions", Chat),
    ],
)
def test_foundry_serves_each_vendor_in_its_dialect(model: str, base: str, address: str, kind: type) -> None:
    one = reached(f"model: azure_ai/{model}, api_base: '{base}', api_key: k")
    assert url(one) == address
    assert isinstance(one.dialect, kind)
    own = "own" in base or "models.ai" in base
    assert one.headers.get("authorization" if own else "api-key") == ("Bearer k" if own else "k")
    assert ("x-api-key" in one.headers) == (kind is Messages)


def test_a_dated_version_leads_to_foundrys_own_chat() -> None:
    one = reached(f"model: azure_ai/DeepSeek-V3, api_base: '{F}', api_key: k, api_version: 2024-05-01-preview")
    assert url(one) == f"{F}/models/chat/completions?api-version=2024-05-01-preview"


def test_azure_is_sent_no_status_of_what_was_said() -> None:
    said = [
        {"type": "message", "role": "assistant", "status": "completed", "content": "a"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
    ]
    body = Responses(bare=True).call(Conversation({"model": "m", "input": said}, said), "d").body
    assert ["status" in item for item in body["input"]] == [False, True]
