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
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from warren.compatible import ROWS
from warren.settings import Complaint

PROVIDERS = frozenset({"openai"}) | ROWS.keys()
"""Providers that have an adapter: a module of the worker's, or a row."""

_ENVIRON = "os.environ/"
_PLACE = {
    "model", "custom_llm_provider", "api_base", "base_url", "organization", "use_chat_completions_api", "extra_body",
}  # fmt: skip
_OPENAI_MODELS = ("gpt-", "o1", "o3", "o4", "chatgpt-", "codex-", "computer-use-")


class Secret(str):
    """A value that prints as stars. It may be a reference (`os.environ/NAME`)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def resolve(self, environ: Mapping[str, str]) -> str | None:
        """The value itself; None if it refers to a variable that is not set."""
        if self.startswith(_ENVIRON):
            return environ.get(self.removeprefix(_ENVIRON)) or None
        return str(self)

    @property
    def variable(self) -> str | None:
        """The variable it refers to."""
        return self.removeprefix(_ENVIRON) if self.startswith(_ENVIRON) else None


SecretText = Annotated[Any, BeforeValidator(lambda value: Secret(_text(value)))]


def _text(value: object) -> str:
    if not isinstance(value, str | int):
        raise ValueError("Input should be a string")  # noqa: TRY004  # pydantic turns ValueErrors into complaints
    return str(value)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Without the values of keys that nobody here knows: they may be secrets."""
        return ((name, value) for name, value in super().__repr_args__() if name in type(self).model_fields)


class Params(_Strict):
    """`litellm_params`: how to reach a deployment."""

    model: Annotated[str, Field(min_length=1)]
    custom_llm_provider: str | None = None
    api_key: SecretText | None = None
    api_base: SecretText | None = None
    base_url: SecretText | None = None
    organization: SecretText | None = None
    use_chat_completions_api: bool = False
    timeout: Annotated[float, Field(gt=0)] | None = None
    stream_timeout: Annotated[float, Field(gt=0)] | None = None
    max_retries: Annotated[int, Field(ge=0)] | None = None
    num_retries: Annotated[int, Field(ge=0)] | None = None
    extra_headers: dict[str, SecretText] = Field(default_factory=dict)
    extra_body: dict[str, Any] = Field(default_factory=dict)
    weight: Annotated[float, Field(gt=0)] | None = None
    drop_params: bool | None = None
    additional_drop_params: list[str] = Field(default_factory=list)
    allowed_openai_params: list[str] = Field(default_factory=list)

    api_version: SecretText | None = None
    azure_ad_token: SecretText | None = None
    tenant_id: SecretText | None = None
    client_id: SecretText | None = None
    client_secret: SecretText | None = None
    azure_scope: SecretText | None = None

    vertex_project: SecretText | None = None
    vertex_location: SecretText | None = None
    vertex_credentials: SecretText | None = None
    """JSON, or the path of a file with it."""

    aws_region_name: SecretText | None = None
    aws_access_key_id: SecretText | None = None
    aws_secret_access_key: SecretText | None = None
    aws_session_token: SecretText | None = None
    aws_profile_name: SecretText | None = None
    aws_role_name: SecretText | None = None
    aws_session_name: SecretText | None = None
    aws_external_id: SecretText | None = None
    aws_web_identity_token: SecretText | None = None
    aws_sts_endpoint: SecretText | None = None
    aws_bedrock_runtime_endpoint: SecretText | None = None


class Info(_Strict):
    """`model_info`: what is known of a deployment."""

    id: str | None = None
    mode: str | None = None
    base_model: str | None = None
    """What is known of this model holds for the deployment: on Azure a deployment's name says nothing."""
    supported_endpoints: list[str] | None = None
    max_input_tokens: Annotated[int, Field(ge=1)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    supports_response_schema: bool | None = None
    supports_function_calling: bool | None = None
    supports_reasoning: bool | None = None
    supports_vision: bool | None = None
    supports_pdf_input: bool | None = None
    supports_audio_input: bool | None = None
    supports_web_search: bool | None = None


class _Entry(_Strict):
    model_name: Annotated[str, Field(min_length=1)]
    litellm_params: Params
    model_info: Info = Info()


class _General(_Strict):
    master_key: SecretText | None = None


class _Everywhere(_Strict):
    """`litellm_settings`: what holds for all deployments that do not say otherwise."""

    drop_params: bool = False


class _File(_Strict):
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
    lines: dict[tuple[int | str, ...], int] = {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value = _value(root, (), lines) if root is not None else None
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
        raise Complaint(f"{name}, line {_line(lines, where)}: {_dotted(where)}: {message}") from None
    reports = [f"{name}, line {_line(lines, where)}: {_dotted(where)} has no effect" for where in _unknown(file)]
    deployments: dict[str, Deployment] = {}
    for index, entry in enumerate(file.model_list):
        where = ("model_list", index, "litellm_params", "model")
        deployment = _deployment(entry, deployments, file.litellm_settings)
        if deployment.provider not in PROVIDERS:
            reports.append(
                f"{name}, line {_line(lines, where)}: {entry.litellm_params.model!r} is left out: "
                f"there is no adapter for the provider {deployment.provider!r}"
            )
        elif deployment.id in deployments:
            raise Complaint(f"{name}, line {_line(lines, where)}: two deployments have the id {deployment.id!r}")
        else:
            deployments[deployment.id] = deployment
    return Config(deployments, file.general_settings.master_key, tuple(reports))


def _deployment(entry: _Entry, others: Collection[str], everywhere: _Everywhere) -> Deployment:
    params = entry.litellm_params
    if params.drop_params is None:
        params = params.model_copy(update={"drop_params": everywhere.drop_params})
    prefix, slash, rest = params.model.partition("/")
    if params.custom_llm_provider is not None:
        provider = params.custom_llm_provider
        model = rest if slash and prefix == provider else params.model
    elif slash:
        provider, model = prefix, rest
    elif prefix.startswith(_OPENAI_MODELS) or _base(params) is not None:
        provider, model = "openai", prefix
    else:
        provider, model = prefix, prefix
    id_ = entry.model_info.id or _id(entry, others)
    return Deployment(id_, entry.model_name, provider, model, params, entry.model_info)


def _base(params: Params) -> Secret | None:
    base: Secret | None = params.api_base or params.base_url
    return base


def _id(entry: _Entry, others: Collection[str]) -> str:
    """Stable for as long as the entry points to the same place: keys and limits may change, the id does not.

    Entries that differ in their keys only share the load of one place; they are counted.
    """
    place = entry.litellm_params.model_dump(include=_PLACE, exclude_unset=True)
    digest = hashlib.sha256(to_json([entry.model_name, place], fallback=str)).hexdigest()
    id_ = f"{entry.model_name}-{digest[:12]}"
    return next(name for name in chain([id_], (f"{id_}-{number}" for number in count(2))) if name not in others)


def _unknown(file: _File) -> Iterator[tuple[int | str, ...]]:
    """Where the keys are that nothing here knows."""
    yield from ((key,) for key in file.model_extra or ())
    yield from (("litellm_settings", key) for key in file.litellm_settings.model_extra or ())
    yield from (("general_settings", key) for key in file.general_settings.model_extra or ())
    for index, entry in enumerate(file.model_list):
        at = ("model_list", index)
        yield from ((*at, key) for key in entry.model_extra or ())
        yield from ((*at, "litellm_params", key) for key in entry.litellm_params.model_extra or ())
        yield from ((*at, "model_info", key) for key in entry.model_info.model_extra or ())


def _value(node: yaml.Node, where: tuple[int | str, ...], lines: dict[tuple[int | str, ...], int]) -> Any:
    """A node as plain values; `lines` learns where each of them stands."""
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        _refuse_twins(node)
        yaml.SafeLoader("").flatten_mapping(node)  # merge keys: <<; what they bring stands first, and gives way
        values = {_scalar(key_node): (key_node, value_node) for key_node, value_node in node.value}
        node.value = list(values.values())  # an alias may bring us here again
        result: dict[Any, Any] = {}
        for key, (key_node, value_node) in values.items():
            lines[(*where, key)] = key_node.start_mark.line + 1
            result[key] = _value(value_node, (*where, key), lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*where, index), lines) for index, child in enumerate(node.value)]
    return _scalar(node)


def _refuse_twins(node: yaml.MappingNode) -> None:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be a plain value", problem_mark=key_node.start_mark)
        if key_node.value in seen:
            problem = f"{key_node.value!r} stands here twice"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
        seen.add(key_node.value)


def _scalar(node: yaml.Node) -> Any:
    try:
        return yaml.SafeLoader("").construct_object(node, deep=True)
    except (ValueError, OverflowError) as error:
        raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from None


def _line(lines: Mapping[tuple[int | str, ...], int], where: tuple[int | str, ...]) -> int:
    """The line of this place, or of the nearest thing around it that is there."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def _dotted(where: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where).lstrip(".")
