"""The arguments of calls, by LiteLLM's names: which there are, and what becomes of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from pydantic import AliasChoices, BaseModel

from warren.client.items import Json
from warren.params import Params

Input = str | Sequence[Any] | None
"""Text, or items: JSON objects, or what a call gave (`response.output`)."""


class Upstream(TypedDict, total=False):
    """How to reach the provider. Only inside of the caller's process: they stay there, and are stored nowhere.

    Beside these every other name of `litellm_params` is taken.
    """

    api_key: str | None
    api_base: str | None
    base_url: str | None
    api_version: str | None
    organization: str | None
    custom_llm_provider: str | None
    use_chat_completions_api: bool | None
    extra_headers: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None
    additional_drop_params: list[str] | None
    allowed_openai_params: list[str] | None
    azure_ad_token: str | None
    tenant_id: str | None
    client_id: str | None
    client_secret: str | None
    vertex_project: str | None
    vertex_location: str | None
    vertex_credentials: str | Json | None
    aws_region_name: str | None
    aws_access_key_id: str | None
    aws_secret_access_key: str | None
    aws_session_token: str | None
    aws_profile_name: str | None
    aws_role_name: str | None


class Knobs(TypedDict, total=False):
    """What Warren does about a request, beside what is said in it."""

    fallbacks: list[Any] | None
    context_window_fallbacks: list[Any] | None
    content_policy_fallbacks: list[Any] | None
    disable_fallbacks: bool | None
    num_retries: int | None
    timeout: float | None
    stream_timeout: float | None
    drop_params: bool | None
    tags: list[str] | None
    litellm_metadata: Json | None
    mock_response: str | None


class Options(Upstream, Knobs, total=False):
    """What a request may say: the fields of the API, and how to go about it."""

    access_programs: Json | None
    background: bool | None
    background_options: Json | None
    context_management: list[Json] | None
    conversation: str | Json | None
    frequency_penalty: float | None
    image: Json | None
    include: list[str] | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: Mapping[str, str] | None
    moderation: Json | None
    parallel_tool_calls: bool | None
    presence_penalty: float | None
    previous_response_id: str | None
    prompt: Json | None
    prompt_cache_key: str | None
    prompt_cache_options: Json | None
    prompt_cache_retention: str | None
    reasoning: Mapping[str, Any] | None
    safety_identifier: str | None
    service_tier: str | None
    store: bool | None
    stream_options: Json | None
    temperature: float | None
    text: Mapping[str, Any] | None
    tool_choice: str | Mapping[str, Any] | None
    tools: Iterable[Mapping[str, Any]] | None
    top_logprobs: int | None
    top_p: float | None
    truncation: str | None
    user: str | None


_REQUESTS = {
    "model", "timeout", "stream_timeout", "num_retries", "max_retries", "drop_params", "weight", "order", "tags",
    "rpm", "tpm", "max_parallel_requests",
}  # fmt: skip
"""Names of `litellm_params` that say how to go about a request, or nothing about a single one."""


def _names() -> frozenset[str]:
    names = set(Params.model_fields)
    for field in Params.model_fields.values():
        if isinstance(alias := field.validation_alias, AliasChoices):
            names.update(str(name) for name in alias.choices)
    return frozenset(names) - _REQUESTS


UPSTREAM = _names()
"""What only the caller's process may say."""


def parted(options: Mapping[str, Any]) -> tuple[Json, Json]:
    """What goes into the request, and what says how to reach the provider. None is as good as not given."""
    given = {name: value for name, value in options.items() if value is not None}
    upstream = {name: given.pop(name) for name in UPSTREAM & given.keys()}
    return {name: plain(value) for name, value in given.items()}, upstream


def plain(value: Any) -> Any:
    """As JSON: models of Pydantic as what was set in them."""
    match value:
        case BaseModel():
            return {name: inner for name, inner in value.model_dump(mode="json", exclude_unset=True).items()
                    if inner is not None}  # fmt: skip
        case Mapping():
            return {name: plain(inner) for name, inner in value.items()}
        case str() | bytes() | None:
            return value
        case Iterable():
            return [plain(inner) for inner in value]
        case _:
            return value
