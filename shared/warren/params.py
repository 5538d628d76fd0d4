"""What a configuration says of a deployment: how to reach it, and what is known of its model.

Names are LiteLLM's. What nobody here knows is kept, to be reported.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import to_json

from warren import durations

ENVIRON = "os.environ/"


class Secret(str):
    """A value that prints as stars. It may be a reference (`os.environ/NAME`)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def resolve(self, environ: Mapping[str, str]) -> str | None:
        """The value itself; None if it refers to a variable that is not set."""
        if self.startswith(ENVIRON):
            return environ.get(self.removeprefix(ENVIRON)) or None
        return str(self)

    @property
    def variable(self) -> str | None:
        """The variable it refers to."""
        return self.removeprefix(ENVIRON) if self.startswith(ENVIRON) else None


SecretText = Annotated[Any, BeforeValidator(lambda value: Secret(_text(value)))]


Credentials = Annotated[
    Any, BeforeValidator(lambda value: Secret(to_json(value).decode() if isinstance(value, dict) else _text(value)))
]
"""A secret that may be an object, in the file itself or as JSON."""
Names = Annotated[list[str], BeforeValidator(lambda value: [] if value is None else value)]


Money = Annotated[
    Decimal, BeforeValidator(lambda value: str(value) if isinstance(value, float) else value), Field(ge=0)
]
Duration = Annotated[str, AfterValidator(durations.check)]


def _text(value: object) -> str:
    if not isinstance(value, str | int):
        raise ValueError("Input should be a string")  # noqa: TRY004  # pydantic turns ValueErrors into complaints
    return str(value)


class Strict(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Without the values of keys that nobody here knows: they may be secrets."""
        return ((name, value) for name, value in super().__repr_args__() if name in type(self).model_fields)


def _also(*names: str) -> Any:
    """A field that has several names; of two that are given, the first holds."""
    return Field(default=None, validation_alias=AliasChoices(*names))


class Params(Strict):
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
    max_budget: Money | None = None
    """In US dollars: in all, or in each period of `budget_duration`."""
    budget_duration: Duration | None = None
    weight: Annotated[float, Field(ge=0)] | None = None
    order: int | None = None
    """Deployments of a lower one are asked first."""
    tags: Names = Field(default_factory=list)
    rpm: Annotated[int, Field(ge=0)] | None = None
    """Requests in a minute."""
    tpm: Annotated[int, Field(ge=0)] | None = None
    """Tokens in a minute."""
    max_parallel_requests: Annotated[int, Field(ge=1)] | None = None
    cooldown_time: Annotated[float, Field(ge=0)] | None = None
    litellm_credential_name: str | None = None
    mock_response: str | None = None
    """What it answers, without any call."""
    drop_params: bool | None = None
    additional_drop_params: Names = Field(default_factory=list)
    allowed_openai_params: Names = Field(default_factory=list)
    base_model: str | None = None
    """As in `model_info`, which goes before."""

    api_version: SecretText | None = None
    responses_api_version: SecretText | None = None
    azure_ad_token: SecretText | None = None
    tenant_id: SecretText | None = None
    client_id: SecretText | None = None
    client_secret: SecretText | None = None
    azure_scope: SecretText | None = None

    vertex_project: SecretText | None = _also("vertex_project", "vertex_ai_project")
    vertex_location: SecretText | None = _also("vertex_location", "vertex_ai_location")
    vertex_credentials: Credentials | None = _also("vertex_credentials", "vertex_ai_credentials")
    """JSON, or the path of a file with it."""

    aws_region_name: SecretText | None = _also("aws_region_name", "region_name")
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


class Info(Strict):
    """`model_info`: what is known of a deployment."""

    id: str | None = None
    mode: str | None = None
    discoverable: bool = True
    """Whether its group is listed."""
    blocked: bool = False
    """It is not asked."""
    allowed_fails: Annotated[int, Field(ge=0)] | None = None
    allowed_fails_policy: dict[str, int] | None = None
    health_check_model: str | None = None
    """What a health check asks for, where the deployment is a wildcard."""
    disable_background_health_check: bool = False
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
    supports_adaptive_thinking: bool | None = None
    supports_sampling_params: bool | None = None
    reasoning_effort_levels: list[str] | None = None
