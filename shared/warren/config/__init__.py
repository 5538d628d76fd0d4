"""The configuration file, in LiteLLM's form: which deployments there are, and how requests find them.

    model_list:
      - model_name: gpt-5                      # what clients ask for; several entries make a group
        litellm_params:
          model: openai/gpt-5                  # provider/model
          api_key: os.environ/OPENAI_API_KEY   # read by the worker when it needs it

Secrets of the form `os.environ/NAME` stay references until somebody asks for them: a gateway needs no provider keys.
Every complaint names the line. What has no effect is reported, and never a reason not to start.
"""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, count
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from warren import naming
from warren.compatible import ROWS
from warren.config import calling, reading, ruling
from warren.config.reading import Source
from warren.config.sections import Entry, File
from warren.config.unknown import UNDROPPABLE, unknown, wrong_default, wrong_price
from warren.deployments import WILD, Deployment
from warren.located import Where, dotted
from warren.params import Info, Params, Secret
from warren.routing.groups import Groups
from warren.routing.rules import Rules
from warren.settings import Complaint
from warren.sinks import Callback
from warren.spending import EVERYBODY, Margin, Spending, Terms

__all__ = [
    "PROVIDERS",
    "UNDROPPABLE",
    "Config",
    "Deployment",
    "HealthChecks",
    "Info",
    "Params",
    "Secret",
    "load",
    "parse",
]

PROVIDERS = ROWS.keys() | {
    "anthropic", "azure", "azure_ai", "bedrock", "cohere", "gemini", "ollama", "openai", "vertex_ai",
}  # fmt: skip
"""Providers that have an adapter: a module of the worker's, or a row."""

_PLACE = {
    "model", "custom_llm_provider", "api_base", "base_url", "organization", "use_chat_completions_api", "extra_body",
    "api_version", "vertex_project", "vertex_location", "vertex_ai_project", "vertex_ai_location", "aws_region_name",
    "region_name", "aws_bedrock_runtime_endpoint",
}  # fmt: skip


_EVERY = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChecks:
    """What the configuration says about asking deployments whether they answer, unasked."""

    background: bool = False
    interval: float = _EVERY
    """Seconds from one round to the next."""


@dataclass(frozen=True, slots=True)
class Config:
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    master_key: Secret | None = None
    reports: tuple[str, ...] = ()
    """What of the file has no effect, a sentence each, with its line."""
    rules: Rules = field(default_factory=Rules)
    health: HealthChecks = field(default_factory=HealthChecks)
    variables: Mapping[str, Secret] = field(default_factory=dict)
    """`environment_variables`; what the environment has goes before."""
    price_file: Secret | None = None
    """Where prices are read from, a path or a URL."""
    tells_cost: bool = False
    """Clients are told in the usage what a response costs."""
    files: tuple[Path, ...] = ()
    """All that it was read from."""
    spending: Spending = field(default_factory=Spending)
    callbacks: tuple[Callback, ...] = ()
    """Whom to tell of each request; the ledger does."""
    terms: Terms = field(default_factory=Terms)
    groups: Groups = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", Groups(self.deployments.values(), self.rules.aliases, PROVIDERS))

    def group(self, model: str) -> list[Deployment]:
        """The deployments that this name stands for."""
        found = self.groups.find(model)
        return [] if found is None else list(found.deployments)

    def models(self) -> list[str]:
        """The names to tell of, in the order of the file."""
        return self.groups.listed()

    def providers(self) -> list[str]:
        """Whose jobs there may be. A wildcard for all models is for all providers."""
        named = {one.provider for one in self.deployments.values() if one.provider in PROVIDERS}
        anybody = any(one.provider == WILD for one in self.deployments.values())
        return sorted(named | PROVIDERS if anybody else named)

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment as this configuration completes it."""
        given = {name: value.resolve(environ) for name, value in self.variables.items()}
        return {**{name: value for name, value in given.items() if value is not None}, **environ}


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration file, and what it includes.

    Raises:
        Complaint: if it cannot be used; the sentence names the file and the line.
    """
    return _config(reading.load(path), environ)


def parse(text: str, name: str = "config", environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in this YAML text; `name` is what complaints call it.

    Raises:
        Complaint: if it cannot be used.
    """
    return _config(reading.read(text, name), environ)


def _config(source: Source, environ: Mapping[str, str]) -> Config:
    given = _given_variables(source.value.get("environment_variables"), environ)
    reading.prepared(source, {**given, **environ})
    try:
        file = File.model_validate(source.value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = tuple(problem["loc"])
        if (variable := source.unset.get(where)) is not None:
            raise source.complaint(where, f"{variable} is not set") from None
        message = "is missing" if problem["type"] == "missing" else str(problem["msg"]).removeprefix("Value error, ")
        raise source.complaint(where, message) from None
    if (wrong := wrong_price(file) or wrong_default(file)) is not None:
        raise source.complaint(*wrong)
    idle = [*unknown(file), *_of_nobody(file)]
    reports = [f"{source.place(where)}: {dotted(where)} {ruling.NO_EFFECT}" for where in idle]
    reports += [
        f"{source.place(where)}: {dotted(where)}: {variable} is not set"
        for where, variable in source.unset.items()
        if not any(where[: len(one)] == one for one in idle)
    ]
    reports += [f"{source.place(where)}: {dotted(where)}: {said}" for where, said in calling.unknown(file)]
    deployments = _deployments(file, source, reports)
    rules = ruling.rules(file)
    groups = Groups(deployments.values(), rules.aliases, PROVIDERS)
    told = ruling.meaningless(file, groups)
    reports += [
        f"{source.place(where)}: {dotted(where)} {said}"
        if said == ruling.NO_EFFECT
        else f"{source.place(where)}: {dotted(where)}: {said}"
        for where, said in told
    ]
    general = file.general_settings
    return Config(
        deployments,
        general.master_key,
        tuple(sorted(reports, key=source.order)),
        rules,
        HealthChecks(
            background=bool(general.background_health_checks), interval=general.health_check_interval or _EVERY
        ),
        {name: Secret(value) for name, value in file.environment_variables.items()},
        file.litellm_settings.model_cost_map_url,
        bool(file.litellm_settings.include_cost_in_streaming_usage),
        tuple(source.files),
        _spending(file),
        calling.known(file),
        _terms(file),
    )


def _of_nobody(file: File) -> Iterator[Where]:
    """Terms of providers that there are not."""
    for name in ("cost_discount_config", "cost_margin_config"):
        known = PROVIDERS if name == "cost_discount_config" else PROVIDERS | {EVERYBODY}
        for provider in getattr(file.litellm_settings, name) or ():
            if provider not in known:
                yield "litellm_settings", name, provider


def _terms(file: File) -> Terms:
    discounts, margins = file.litellm_settings.cost_discount_config, file.litellm_settings.cost_margin_config
    none = Decimal(0)
    return Terms(
        discounts or {},
        {name: Margin(one.percentage or none, one.fixed_amount or none) for name, one in (margins or {}).items()},
    )


def _spending(file: File) -> Spending:
    general, everywhere = file.general_settings, file.litellm_settings
    headers = [one.header_name for one in general.user_header_mappings or () if one.litellm_user_role == "customer"]
    return Spending(
        max_budget=everywhere.max_budget,
        budget_duration=everywhere.budget_duration,
        max_end_user_budget=everywhere.max_end_user_budget,
        end_user_budget_duration=everywhere.end_user_budget_duration,
        unknown_price=general.unknown_price,
        user_header_name=general.user_header_name,
        customer_headers=tuple(headers),
        enforce_user_param=bool(general.enforce_user_param),
    )


def _given_variables(section: Any, environ: Mapping[str, str]) -> dict[str, str]:
    """What `environment_variables` says, as far as that is known here."""
    given = (
        {name: Secret(value).resolve(environ) for name, value in section.items()} if isinstance(section, dict) else {}
    )
    return {name: value for name, value in given.items() if value is not None}


def _deployments(file: File, source: Source, reports: list[str]) -> dict[str, Deployment]:
    """All that somebody can answer for; `reports` learns of the others."""
    found: dict[str, Deployment] = {}
    for index, entry in enumerate(file.model_list):
        where = ("model_list", index, "litellm_params", "model")
        written = source.written["model_list"][index]["litellm_params"]
        one = _deployment(entry, written, found, drop=bool(file.litellm_settings.drop_params))
        if one.provider not in PROVIDERS and not (one.wild and one.provider == WILD):
            reports.append(
                f"{source.place(where)}: {entry.litellm_params.model!r} is left out: "
                f"there is no adapter for the provider {one.provider!r}"
            )
        elif one.id in found:
            raise Complaint(f"{source.place(where)}: two deployments have the id {one.id!r}")
        else:
            found[one.id] = one
    return found


def _deployment(entry: Entry, written: Mapping[str, Any], others: Collection[str], *, drop: bool) -> Deployment:
    params = entry.litellm_params
    if params.drop_params is None:
        params = params.model_copy(update={"drop_params": drop})
    info = entry.model_info
    if info.base_model is None and params.base_model is not None:
        info = info.model_copy(update={"base_model": params.base_model})
    provider, model = naming.provider(params.model, params.custom_llm_provider, params.api_base or params.base_url)
    return Deployment(
        info.id or _id(entry.model_name, written, others), entry.model_name, provider, model, params, info
    )


def _id(group: str, params: Mapping[str, Any], others: Collection[str]) -> str:
    """Stable for as long as the entry points to the same place: keys and limits may change, the id does not.

    Entries that differ in their keys only share the load of one place; they are counted.
    """
    place = {name: params[name] for name in sorted(params) if name in _PLACE}
    digest = hashlib.sha256(to_json([group, place], fallback=str)).hexdigest()
    id_ = f"{group}-{digest[:12]}"
    return next(name for name in chain([id_], (f"{id_}-{number}" for number in count(2))) if name not in others)
