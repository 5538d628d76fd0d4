"""Who answers: base URL, credentials and quirks of a provider, and what a deployment makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from typing import Any

from warren.config import Deployment, Secret
from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren_worker.dialect import Dialect
from warren_worker.dialects.chat import Chat


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as data. `native` and `chat` are for its own base URL, the `compatible_` ones for any other."""

    name: str
    base_url: str
    base_variables: tuple[str, ...]
    key_variables: tuple[str, ...]
    native: Dialect
    chat: Dialect
    compatible_native: Dialect
    compatible_chat: Dialect
    remembers: bool = False
    """At its own base URL it keeps responses and goes on from its own `previous_response_id`."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A deployment, ready to be called."""

    deployment: str
    provider: str
    model: str
    base_url: str
    dialect: Dialect
    remembers: bool
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Laid over every request's body."""
    retries: int | None = None
    timeout: float | None = None
    first_event_timeout: float | None = None
    native: bool = False
    """It speaks the Responses API itself."""
    max_input_tokens: int | None = None
    drops: bool = False
    """What it cannot take is left out, and told."""


@cache
def find(name: str) -> Provider:
    """The provider of this name: the module of this name in `providers`."""
    provider: Provider = import_module(f"warren_worker.providers.{name}").PROVIDER
    return provider


def endpoint(deployment: Deployment, environ: Mapping[str, str]) -> Endpoint:
    """How to reach this deployment.

    Raises:
        UpstreamAuth: it names a key that is not there.
        UpstreamUnreachable: it names an address that is not there.
    """
    provider, params = find(deployment.provider), deployment.params
    given = params.api_base or params.base_url
    base = given.resolve(environ) if given is not None else _first(provider.base_variables, environ)
    if given is not None and not base:  # never the provider's own address instead: it would get another's key
        raise UpstreamUnreachable(f"The deployment {deployment.id!r} has no address: {given.variable} is not set.")
    own = base is None or base.rstrip("/") == provider.base_url
    model, chat = deployment.model, params.use_chat_completions_api
    if model.startswith("chat_completions/"):  # LiteLLM's other way to say it
        model, chat = model.removeprefix("chat_completions/"), True
    if own:
        dialect = provider.chat if chat else provider.native
    else:
        dialect = provider.compatible_chat if chat else provider.compatible_native
    if isinstance(dialect, Chat) and deployment.info.supports_response_schema is False:
        dialect = replace(dialect, schemas=False)
    headers = {name.lower(): value.resolve(environ) or "" for name, value in params.extra_headers.items()}
    if params.organization is not None and (organization := params.organization.resolve(environ)):
        headers["openai-organization"] = organization
    return Endpoint(
        deployment=deployment.id,
        provider=provider.name,
        model=model,
        base_url=(base or provider.base_url).rstrip("/"),
        dialect=dialect,
        remembers=own and not chat and provider.remembers,
        headers={"authorization": f"Bearer {_key(deployment, provider, environ)}", **headers},
        body=params.extra_body,
        retries=params.max_retries if params.max_retries is not None else params.num_retries,
        timeout=params.timeout,
        first_event_timeout=params.stream_timeout,
        native=not chat,
        drops=bool(params.drop_params),
        max_input_tokens=deployment.info.max_input_tokens,
    )


def _key(deployment: Deployment, provider: Provider, environ: Mapping[str, str]) -> str:
    given: Secret | None = deployment.params.api_key
    key = given.resolve(environ) if given is not None else _first(provider.key_variables, environ)
    if not key:
        wanted = (given.variable if given is not None else None) or provider.key_variables[0]
        raise UpstreamAuth(f"The deployment {deployment.id!r} has no key: {wanted} is not set where workers run.")
    return key


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)
