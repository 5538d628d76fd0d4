"""Where Google serves a deployment, as whom it is asked, and in which dialect."""

import json
from typing import Any

import pytest

from warren.config import parse
from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren_worker.credentials import Google
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.gemini import Gemini
from warren_worker.dialects.messages import Messages
from warren_worker.provider import Endpoint, endpoint

KEY = {"GEMINI_API_KEY": "key"}
PLACE: dict[str, Any] = {"vertex_project": "p", "vertex_location": "us-central1", "vertex_credentials": "/keys/a.json"}
OURS = "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-central1"


def reached(model: str, environ: dict[str, str] | None = None, **params: Any) -> Endpoint:
    entry = {"model_name": "m", "litellm_params": {"model": model, **params}}
    (deployment,) = parse(json.dumps({"model_list": [entry]})).deployments.values()
    return endpoint(deployment, environ or {})


def test_the_gemini_api_is_reached_by_its_key() -> None:
    one = reached("gemini/gemini-2.5-pro", KEY)
    assert (one.base_url, one.model) == ("https://generativelanguage.googleapis.com/v1beta", "gemini-2.5-pro")
    assert one.headers == {"x-goog-api-key": "key"}
    assert isinstance(one.dialect, Gemini)
    assert (one.dialect.vertex, one.dialect.facts.reasoning) == (False, "budget")
    assert reached("gemini/gemini-2.5-pro", {"GOOGLE_API_KEY": "other"}).headers == {"x-goog-api-key": "other"}


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://proxy.example/google/", "https://proxy.example/google/v1beta"),
        ("https://proxy.example/v1beta", "https://proxy.example/v1beta"),
        ("https://proxy.example/v1", "https://proxy.example/v1"),
        ("https://proxy.example/v1alpha", "https://proxy.example/v1alpha"),
    ],
)
def test_another_address_may_name_its_version(base: str, url: str) -> None:
    assert reached("gemini/x", KEY, api_base=base).base_url == url
    assert reached("gemini/x", {**KEY, "GEMINI_API_BASE": base}).base_url == url


def test_without_a_key_there_is_no_gemini() -> None:
    with pytest.raises(UpstreamAuth, match="GEMINI_API_KEY or GOOGLE_API_KEY is not set"):
        reached("gemini/x")


@pytest.mark.parametrize(
    ("model", "below", "name", "kind"),
    [
        ("gemini-3-flash", "/publishers/google", "gemini-3-flash", Gemini),
        ("gemini/gemini-3-flash", "/publishers/google", "gemini-3-flash", Gemini),
        ("google/gemini-3-flash", "/publishers/google", "gemini-3-flash", Gemini),
        ("4965075652664360960", "", "4965075652664360960", Gemini),
        ("endpoints/4965075652664360960", "", "4965075652664360960", Gemini),
        ("gemini/4965075652664360960", "", "4965075652664360960", Gemini),
        ("claude-sonnet-4-5@20250929", "/publishers/anthropic", "claude-sonnet-4-5@20250929", Messages),
        ("meta/llama-4-scout-maas", "/endpoints/openapi", "meta/llama-4-scout-maas", Chat),
        ("deepseek-ai/deepseek-v3-maas", "/endpoints/openapi", "deepseek-ai/deepseek-v3-maas", Chat),
        ("openai/gpt-oss-120b-maas", "/endpoints/openapi", "openai/gpt-oss-120b-maas", Chat),
        ("qwen/qwen3-maas", "/endpoints/openapi", "qwen/qwen3-maas", Chat),
        ("openai/5464397967697903616", "/endpoints/5464397967697903616", "5464397967697903616", Chat),
    ],
)
def test_vertex_ai_has_models_of_many(model: str, below: str, name: str, kind: type[Any]) -> None:
    one = reached(f"vertex_ai/{model}", **PLACE)
    assert (one.base_url, one.model) == (OURS + below, name)
    assert isinstance(one.dialect, kind)
    if isinstance(one.dialect, Gemini):
        assert one.dialect.vertex
        assert (one.dialect.collection == "endpoints") == name.isdigit()
    if isinstance(one.dialect, Messages):
        assert one.dialect.vertex == "vertex-2023-10-16"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_the_location_decides_the_host(location: str, host: str) -> None:
    one = reached("vertex_ai/gemini-3-flash", **{**PLACE, "vertex_location": location})
    assert one.base_url == f"https://{host}/v1beta1/projects/p/locations/{location}/publishers/google"


def test_without_a_location_each_is_where_it_is_served() -> None:
    environ = {"VERTEXAI_PROJECT": "p"}
    assert "/locations/global/" in reached("vertex_ai/gemini-3-flash", environ).base_url
    assert "/locations/us-central1/" in reached("vertex_ai/meta/llama-4-maas", environ).base_url
    elsewhere = reached("vertex_ai/gemini-3-flash", {**environ, "VERTEXAI_LOCATION": "eu"})
    assert "/locations/eu/" in elsewhere.base_url


def test_another_address_stands_for_the_host() -> None:
    one = reached("vertex_ai/gemini-3-flash", api_base="https://gateway.example/vertex/", **PLACE)
    below = "projects/p/locations/us-central1/publishers/google"
    assert one.base_url == f"https://gateway.example/vertex/v1beta1/{below}"
    one = reached("vertex_ai/gemini-3-flash", api_base="https://gateway.example/v1", **PLACE)
    assert one.base_url == f"https://gateway.example/v1/{below}"


def test_credentials_are_googles() -> None:
    assert reached("vertex_ai/x", **PLACE).credential == Google("/keys/a.json")
    assert reached("vertex_ai/x", {"VERTEXAI_PROJECT": "p"}).credential == Google(None)
    environ = {"VERTEXAI_PROJECT": "p", "GOOGLE_APPLICATION_CREDENTIALS": "/keys/b.json"}
    assert reached("vertex_ai/x", environ).credential == Google("/keys/b.json")
    account = json.dumps({"type": "service_account", "project_id": "of-the-account"})
    one = reached("vertex_ai/x", vertex_credentials=account)
    assert "/projects/of-the-account/" in one.base_url
    assert "of-the-account" not in repr(one.credential)


def test_a_key_of_express_mode_needs_no_project() -> None:
    one = reached("vertex_ai/gemini-3-flash", api_key="key")
    assert one.base_url == "https://aiplatform.googleapis.com/v1beta1/publishers/google"
    assert (one.headers, one.credential) == ({"x-goog-api-key": "key"}, None)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UpstreamUnreachable, match="vertex_project or VERTEXAI_PROJECT is not set"):
        reached("vertex_ai/x", vertex_credentials="/keys/a.json")
    with pytest.raises(UpstreamAuth, match="CREDENTIALS is not set"):
        reached("vertex_ai/x", vertex_project="p", vertex_credentials="os.environ/CREDENTIALS")
