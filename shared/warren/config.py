"""The configuration file, in LiteLLM's form: which deployments there are and what they are called.

    model_list:
      - model_name: gpt-5                      # what clients ask for; several entries make a group
        litellm_params:
          model: openai/gpt-5                  # provider/model
          api_key: os.environ/OPENAI_API_KEY   # read by the worker when it needs it

Values of the form `os.environ/NAME` stay references until somebody asks for them: a gateway needs no provider keys.
Every complaint names the line.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError
from pydantic_core import to_json

from warren import located, naming
from warren.compatible import ROWS
from warren.located import Where, dotted, line_of
from warren.params import Duration, Info, Money, Params, Secret, SecretText, Strict
from warren.requests import CreateResponse
from warren.settings import Complaint
from warren.spending import Spending

__all__ = ["PROVIDERS", "UNDROPPABLE", "Config", "Deployment", "Info", "Params", "Secret", "load", "parse"]

PROVIDERS = ROWS.keys() | {
    "anthropic", "azure", "azure_ai", "bedrock", "cohere", "gemini", "ollama", "openai", "vertex_ai",
}  # fmt: skip
"""Providers that have an adapter: a module of the worker's, or a row."""

UNDROPPABLE = frozenset({"model", "input", "instructions", "previous_response_id", "conversation"})
"""What no `additional_drop_params` leave out: what is said, and whose it is."""

_TOP = re.compile(r"\W")
_PLACE = {
    "model", "custom_llm_provider", "api_base", "base_url", "organization", "use_chat_completions_api", "extra_body",
    "api_version", "vertex_project", "vertex_location", "aws_region_name", "aws_bedrock_runtime_endpoint",
}  # fmt: skip


class _Entry(Strict):
    model_name: Annotated[str, Field(min_length=1)]
    litellm_params: Params
    model_info: Info = Info()


class _Header(Strict):
    header_name: str
    litellm_user_role: str = "customer"


class _General(Strict):
    master_key: SecretText | None = None
    user_header_name: str | None = None
    user_header_mappings: list[_Header] = Field(default_factory=list)
    enforce_user_param: bool = False
    unknown_price: Money | None = None


class _Everywhere(Strict):
    """`litellm_settings`: what holds for all deployments that do not say otherwise."""

    drop_params: bool = False
    max_budget: Money | None = None
    budget_duration: Duration | None = None
    max_end_user_budget: Money | None = None
    end_user_budget_duration: Duration | None = None


class _File(Strict):
    model_list: list[_Entry]
    general_settings: _General = _General()
    litellm_settings: _Everywhere = _Everywhere()


@dataclass(frozen=True, slots=True)
class Deployment:
    """One way to have a model answered."""

    id: str
    group: str
    """The name clients ask for."""
    provider: str
    model: str
    """What the provider calls it."""
    params: Params
    info: Info = field(default_factory=Info)


@dataclass(frozen=True, slots=True)
class Config:
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    master_key: Secret | None = None
    reports: tuple[str, ...] = ()
    """What of the file has no effect, a sentence each, with its line."""
    spending: Spending = field(default_factory=Spending)

    def group(self, model: str) -> list[Deployment]:
        return [deployment for deployment in self.deployments.values() if deployment.group == model]

    def models(self) -> list[str]:
        """Names of the groups, in the order of the file."""
        return list(dict.fromkeys(deployment.group for deployment in self.deployments.values()))

    def providers(self) -> list[str]:
        return sorted({deployment.provider for deployment in self.deployments.values()})


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        Complaint: if it cannot be used; the sentence names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Complaint(f"{path}: cannot be read: {reason}") from None
    return parse(text, str(path))


def parse(text: str, name: str = "config") -> Config:
    """The configuration in this YAML text; `name` is what complaints call it.

    Raises:
        Complaint: if it cannot be used.
    """
    try:
        value, lines = located.read(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Complaint(f"{name}, line {line}: {error.problem}") from None
    except yaml.YAMLError:
        raise Complaint(f"{name}: this is not YAML") from None
    except RecursionError:
        raise Complaint(f"{name}: this is nested too deep, or holds itself") from None
    if not isinstance(value, dict):
        raise Complaint(f"{name}: a configuration is a mapping with a model_list")
    try:
        file = _File.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = tuple(problem["loc"])
        message = "is missing" if problem["type"] == "missing" else str(problem["msg"]).removeprefix("Value error, ")
        raise Complaint(f"{name}, line {line_of(lines, where)}: {dotted(where)}: {message}") from None
    reports = [f"{name}, line {line_of(lines, where)}: {dotted(where)} has no effect" for where in _unknown(file)]
    deployments: dict[str, Deployment] = {}
    for index, entry in enumerate(file.model_list):
        where = ("model_list", index, "litellm_params", "model")
        deployment = _deployment(entry, deployments, file.litellm_settings)
        if deployment.provider not in PROVIDERS:
            reports.append(
                f"{name}, line {line_of(lines, where)}: {entry.litellm_params.model!r} is left out: "
                f"there is no adapter for the provider {deployment.provider!r}"
            )
        elif deployment.id in deployments:
            raise Complaint(f"{name}, line {line_of(lines, where)}: two deployments have the id {deployment.id!r}")
        else:
            deployments[deployment.id] = deployment
    return Config(deployments, file.general_settings.master_key, tuple(reports), _spending(file))


def _spending(file: _File) -> Spending:
    general, everywhere = file.general_settings, file.litellm_settings
    return Spending(
        max_budget=everywhere.max_budget,
        budget_duration=everywhere.budget_duration,
        max_end_user_budget=everywhere.max_end_user_budget,
        end_user_budget_duration=everywhere.end_user_budget_duration,
        unknown_price=general.unknown_price,
        user_header_name=general.user_header_name,
        customer_headers=tuple(
            one.header_name for one in general.user_header_mappings if one.litellm_user_role == "customer"
        ),
        enforce_user_param=general.enforce_user_param,
    )


def _deployment(entry: _Entry, others: Collection[str], everywhere: _Everywhere) -> Deployment:
    params = entry.litellm_params
    if params.drop_params is None:
        params = params.model_copy(update={"drop_params": everywhere.drop_params})
    info = entry.model_info
    if info.base_model is None and params.base_model is not None:
        info = info.model_copy(update={"base_model": params.base_model})
    provider, model = naming.provider(params.model, params.custom_llm_provider, params.api_base or params.base_url)
    return Deployment(info.id or _id(entry, others), entry.model_name, provider, model, params, info)


def _id(entry: _Entry, others: Collection[str]) -> str:
    """Stable for as long as the entry points to the same place: keys and limits may change, the id does not.

    Entries that differ in their keys only share the load of one place; they are counted.
    """
    place = entry.litellm_params.model_dump(include=_PLACE, exclude_unset=True)
    digest = hashlib.sha256(to_json([entry.model_name, place], fallback=str)).hexdigest()
    id_ = f"{entry.model_name}-{digest[:12]}"
    return next(name for name in chain([id_], (f"{id_}-{number}" for number in count(2))) if name not in others)


def _unsaid(params: Params) -> Iterator[Where]:
    """Where names of parameters are that no request has, or that are never left out."""
    known = CreateResponse.model_fields.keys()
    for key in ("additional_drop_params", "allowed_openai_params"):
        for at, name in enumerate(getattr(params, key)):
            top = _TOP.split(naming.CHATS.get(name, name))[0]
            if top not in known or (key == "additional_drop_params" and top in UNDROPPABLE):
                yield key, at


def _unknown(file: _File) -> Iterator[Where]:
    """Where the keys are that nothing here knows."""
    yield from ((key,) for key in file.model_extra or ())
    yield from (("litellm_settings", key) for key in file.litellm_settings.model_extra or ())
    yield from (("general_settings", key) for key in file.general_settings.model_extra or ())
    for index, entry in enumerate(file.model_list):
        at = ("model_list", index)
        yield from ((*at, key) for key in entry.model_extra or ())
        yield from ((*at, "litellm_params", key) for key in entry.litellm_params.model_extra or ())
        yield from ((*at, "litellm_params", *where) for where in _unsaid(entry.litellm_params))
        yield from ((*at, "model_info", key) for key in entry.model_info.model_extra or ())
