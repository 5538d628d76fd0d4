"""Who answers: base URL, credentials and quirks of a provider, and what a deployment makes of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from typing import Any, Protocol

from warren import compatible
from warren.config import Deployment, Params, Secret
from warren.contracts import Usage
from warren.costs import Bill, Prices, Served
from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren.requests.defaults import defaults
from warren.spending import Terms
from warren_worker import facts as known
from warren_worker import parameters
from warren_worker.credentials import Credential
from warren_worker.dialect import Dialect
from warren_worker.facts import Facts
from warren_worker.parameters import Treatment


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a provider serves a deployment, and how it is spoken to."""

    base_url: str
    model: str
    """What the provider calls it."""
    dialect: Dialect
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """In small letters; with a key that never changes among them, if that is all that is needed."""
    credential: Credential | None = None
    query: str = ""
    """Behind every path: `api-version=…`."""
    parameters: Mapping[str, Treatment] = field(default_factory=dict)
    """What it does with parameters, where that is not what its dialect says."""
    native: bool = False
    """It speaks the Responses API itself."""
    remembers: bool = False
    """It keeps responses and goes on from its own `previous_response_id`."""


class Provider(Protocol):
    """A provider: `PROVIDER` of the module of its name in `providers`, or a row of `warren.compatible`."""

    def site(self, asked: "Asked") -> Site:
        """Where this deployment is.

        Raises:
            UpstreamAuth: it names a key that is not there, or none where there must be one.
            UpstreamUnreachable: it names an address that is not there.
        """


@dataclass(frozen=True, slots=True)
class Asked:
    """A deployment, and what is known where workers run."""

    deployment: Deployment
    environ: Mapping[str, str] = field(repr=False)
    facts: Facts

    @property
    def params(self) -> Params:
        return self.deployment.params

    @property
    def model(self) -> str:
        """Without LiteLLM's ways to say which endpoint is meant."""
        return self.deployment.model.removeprefix("chat_completions/").removeprefix("responses/")

    @property
    def chat(self) -> bool:
        """Whether Chat Completions are wanted of a provider that has more."""
        return self.params.use_chat_completions_api or self.deployment.model.startswith("chat_completions/")

    def value(self, given: Secret | None, *variables: str) -> str | None:
        """What is given in the configuration, or else by the first of these variables that is set."""
        if given is not None:
            return given.resolve(self.environ)
        return next((self.environ[name] for name in variables if self.environ.get(name)), None)

    def base(self, *variables: str, default: str | None = None) -> str:
        """The base URL, without a slash at its end.

        Never the default where the configuration names another that is not there: it would get another's key.
        """
        given = self.params.api_base or self.params.base_url
        base = self.value(given, *variables) or (default if given is None else None)
        if not base:
            raise self.nowhere(given.variable if given is not None else " or ".join(["api_base", *variables]))
        return base.rstrip("/")

    def key(self, *variables: str, default: str | None = None) -> str:
        """The API key."""
        given = self.params.api_key
        key = self.value(given, *variables) or (default if given is None else None)
        if key is None:
            raise self.missing((given.variable if given is not None else None) or " or ".join(variables) or "api_key")
        return key

    def missing(self, what: str) -> UpstreamAuth:
        return UpstreamAuth(f"The deployment {self.deployment.id!r} has no key: {what} is not set where workers run.")

    def nowhere(self, what: str | None) -> UpstreamUnreachable:
        return UpstreamUnreachable(f"The deployment {self.deployment.id!r} has no address: {what} is not set.")


def _unpriced(usage: Usage, served: Served) -> Bill:  # noqa: ARG001  # who has no prices looks at nothing
    return Bill(None, unpriced=("model",))


_LISTED = Terms()


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
    credential: Credential | None = None
    query: str = ""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Laid over every request's body."""
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What is asked for where the request does not say."""
    parameters: Mapping[str, Treatment] = field(default_factory=dict)
    """What becomes of each parameter here."""
    facts: Facts = field(default_factory=Facts)
    most_input: int | None = None
    """Tokens, by an estimate, that the configuration lets it be asked. What is only known of its model refuses nothing:
    that knows better."""
    mock_response: str | None = None
    """What it answers without being asked."""
    timeout: float | None = None
    first_event_timeout: float | None = None
    native: bool = False
    """It speaks the Responses API itself."""
    drops: bool = False
    """What it cannot take is left out, and told."""
    unwanted: tuple[str, ...] = ()
    """Names and paths of what is left out in any case, and told."""
    raw: Mapping[str, str] = field(default_factory=dict)
    """Paths of what goes around the dialect, each with its name in the body."""
    bill: Callable[[Usage, Served], Bill] = field(default=_unpriced, repr=False)
    """What a call costs."""
    tells_cost: bool = False
    """Clients are told that in the usage."""

    @property
    def max_input_tokens(self) -> int | None:
        return self.facts.max_input_tokens


@cache
def find(name: str) -> Provider:
    """The provider of this name."""
    if (row := compatible.ROWS.get(name)) is not None:
        made: Provider = import_module("warren_worker.providers.compatible").Compatible(name, row)
        return made
    provider: Provider = import_module(f"warren_worker.providers.{name}").PROVIDER
    return provider


def endpoint(
    deployment: Deployment,
    environ: Mapping[str, str],
    prices: Prices | None = None,
    *,
    terms: Terms = _LISTED,
    tells_cost: bool = False,
) -> Endpoint:
    """How to reach this deployment, and what it costs; by `prices`, or else by what is known of them.

    Raises:
        UpstreamAuth: it names a key that is not there.
        UpstreamUnreachable: it names an address that is not there.
    """
    params = deployment.params
    facts = known.of(deployment.model, deployment.info)
    site = find(deployment.provider).site(Asked(deployment, environ, facts))
    column = site.dialect.parameters
    table = parameters.narrowed({**column, **site.parameters}, facts)
    table, raw = parameters.allowed(table, column, params.allowed_openai_params)
    given = {name.lower(): value.resolve(environ) or "" for name, value in params.extra_headers.items()}
    return Endpoint(
        deployment=deployment.id,
        provider=deployment.provider,
        model=site.model,
        base_url=site.base_url.rstrip("/"),
        dialect=site.dialect,
        remembers=site.remembers,
        headers={**site.headers, **given},
        credential=site.credential,
        query=site.query,
        body=params.extra_body,
        defaults=defaults(params.model_extra),
        parameters=table,
        facts=facts,
        most_input=deployment.info.max_input_tokens,
        mock_response=params.mock_response,
        timeout=params.timeout,
        first_event_timeout=params.stream_timeout,
        native=site.native,
        drops=bool(params.drop_params),
        unwanted=tuple(params.additional_drop_params),
        raw=raw,
        bill=partial((prices or Prices()).bill, deployment, terms=terms),
        tells_cost=tells_cost,
    )
