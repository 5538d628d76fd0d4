"""The sections of the file. What nobody here knows is kept, to be reported."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from warren.params import Duration, Info, Money, Params, SecretText, Strict

Seconds = Annotated[float, Field(ge=0)]
Timeout = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[Money, Field(le=1)]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


OneOrMore = Annotated[list[str | dict[str, Any]], BeforeValidator(_listed)]
ByGroup = list[dict[str, OneOrMore]]
"""`[{"gpt-5": ["claude", {"model": "local", "temperature": 0}]}]`."""


class Entry(Strict):
    """Of `model_list`."""

    model_name: Annotated[str, Field(min_length=1)]
    litellm_params: Params
    model_info: Info = Info()


class Going(Strict):
    """What may be said in `router_settings` or in `litellm_settings`; the first goes before."""

    num_retries: Count | None = None
    allowed_fails: Count | None = None
    cooldown_time: Seconds | None = None
    fallbacks: ByGroup | None = None
    context_window_fallbacks: ByGroup | None = None
    content_policy_fallbacks: ByGroup | None = None
    default_fallbacks: OneOrMore | None = None


class RouterSettings(Going):
    """`router_settings`: how a request finds its deployment."""

    routing_strategy: str = "simple-shuffle"
    routing_strategy_args: dict[str, Any] | None = None
    retry_policy: dict[str, Count | None] | None = None
    model_group_retry_policy: dict[str, dict[str, Count | None]] | None = None
    retry_after: Seconds | None = None
    allowed_fails_policy: dict[str, Count | None] | None = None
    disable_cooldowns: bool | None = None
    timeout: Timeout | None = None
    stream_timeout: Timeout | None = None
    max_fallbacks: Count | None = None
    fallback_on_unsupported_params: bool | None = None
    model_group_alias: dict[str, str | dict[str, Any]] | None = None
    enable_tag_filtering: bool | None = None
    tag_filtering_match_any: bool | None = None
    enable_pre_call_checks: bool | None = None
    """They are made in any case: who takes less input than there is, is not called."""
    optional_pre_call_checks: list[str] | None = None
    default_max_parallel_requests: Annotated[int, Field(ge=1)] | None = None
    default_litellm_params: dict[str, Any] | None = None
    """Laid under every deployment's before that is looked at."""
    enable_health_check_routing: bool | None = None


class MarginEntry(Strict):
    """Of `cost_margin_config`; a number alone is the percentage."""

    percentage: Money | None = None
    fixed_amount: Money | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_number(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"percentage": value}


class LitellmSettings(Going):
    """`litellm_settings`: what holds for all deployments that do not say otherwise."""

    drop_params: bool | None = None
    success_callback: OneOrMore | None = None
    failure_callback: OneOrMore | None = None
    callbacks: OneOrMore | None = None
    request_timeout: Timeout | None = None
    model_cost_map_url: SecretText | None = None
    """A price file in LiteLLM's format: a URL, or a path."""
    include_cost_in_streaming_usage: bool | None = None
    max_budget: Money | None = None
    budget_duration: Duration | None = None
    max_end_user_budget: Money | None = None
    end_user_budget_duration: Duration | None = None
    """Ours."""
    cost_discount_config: dict[str, Share] | None = None
    """By provider: 0.05 is a twentieth off."""
    cost_margin_config: dict[str, MarginEntry] | None = None
    """By provider, or `global`."""


class UserHeader(Strict):
    """Of `user_header_mappings`: whom a header names."""

    header_name: Annotated[str, Field(min_length=1)]
    litellm_user_role: str = "customer"


class GeneralSettings(Strict):
    """`general_settings`: the gateway's."""

    master_key: SecretText | None = None
    background_health_checks: bool | None = None
    health_check_interval: Timeout | None = None
    litellm_headers: bool | None = None
    """Ours: answers have LiteLLM's headers, too."""
    user_header_name: str | None = None
    user_header_mappings: list[UserHeader] | None = None
    enforce_user_param: bool | None = None
    store_prompts_in_spend_logs: bool | None = None
    """Responses are stored in any case, apart from what they cost."""
    unknown_price: Money | None = None
    """Ours: what to hold in budgets for a request whose price nobody knows, in US dollars."""


class CredentialEntry(Strict):
    """Of `credential_list`: what deployments share that name it by `litellm_credential_name`."""

    credential_name: Annotated[str, Field(min_length=1)]
    credential_values: dict[str, Any] = Field(default_factory=dict)
    credential_info: dict[str, Any] | None = None


def _mapping(value: object) -> object:
    return {} if value is None else value


Section = BeforeValidator(_mapping)
"""A section without anything in it is one."""


class File(Strict):
    """All of it."""

    model_list: list[Entry]
    router_settings: Annotated[RouterSettings, Section] = RouterSettings()
    litellm_settings: Annotated[LitellmSettings, Section] = LitellmSettings()
    general_settings: Annotated[GeneralSettings, Section] = GeneralSettings()
    environment_variables: Annotated[dict[str, SecretText], Section] = Field(default_factory=dict)
    credential_list: list[CredentialEntry] | None = None
    include: list[str] | None = None
