"""Every provider there is, each with a deployment that a user would write, but at the address of its fake vendor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.compatible import ROWS

SCRIPTS = (
    "text", "think", "tool", "parallel", "loop", "json", "search", "length", "filter", "echo", "usage", "cut", "inside",
    "error-400", "error-404", "error-429", "error-500", "error-context", "error-key", "error-quota", "error-overload",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One way to a provider. `{script}` and `{url}` stand for the script's name and the fake vendors' address."""

    name: str
    model: str
    params: Mapping[str, Any]
    native: bool = False
    """By the provider's own `/responses`."""
    reasons: bool = True
    searches: bool = False
    caches: bool = True
    """It tells how many tokens were read from its cache."""
    schemas: bool = True
    """It can be asked for JSON; a model that only has words for that cannot have tools as well."""
    tools: bool = True
    filters: bool = True
    """Its answers may be cut off by a filter."""
    info: Mapping[str, Any] = field(default_factory=lambda: {"supports_reasoning": True})

    def entry(self, script: str, url: str, google: str) -> dict[str, Any]:
        """The entry in a `model_list`, for clients who ask for `name/script`."""
        params = {key: _filled(value, url, google) for key, value in self.params.items()}
        model = self.model.replace("{script}", script)
        return {
            "model_name": f"{self.name}/{script}",
            "litellm_params": {"model": model, "num_retries": 0, **params},
            "model_info": dict(self.info),
        }


def _filled(value: Any, url: str, google: str) -> Any:
    return value.replace("{url}", url).replace("{google}", google) if isinstance(value, str) else value


def _compatible() -> list[Case]:
    cases = []
    for name, row in ROWS.items():
        base: dict[str, Any] = {"api_base": f"{{url}}/{name}/v1", "api_key": "sk-of-ours"}
        reasons = row.reasons
        tools = "tools:function" not in row.parameters
        if row.native and row.native_models is None:
            cases.append(Case(name, f"{name}/{{script}}", base, native=True, reasons=reasons))
            base = {**base, "use_chat_completions_api": True}
            cases.append(Case(f"{name}-chat", f"{name}/{{script}}", base, reasons=reasons, tools=tools))
        else:
            cases.append(Case(name, f"{name}/{{script}}", base, reasons=reasons, tools=tools))
    return cases


_AWS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secretEXAMPLE", "aws_region_name": "us-east-1"}
_VERTEX = {"vertex_project": "p", "vertex_location": "us-central1", "vertex_credentials": "{google}"}

CASES: list[Case] = [
    Case("openai", "openai/{script}", {"api_base": "{url}/openai/v1", "api_key": "sk-of-ours"}, native=True),
    Case(
        "openai-chat",
        "openai/{script}",
        {"api_base": "{url}/openai/v1", "api_key": "sk-of-ours", "use_chat_completions_api": True},
    ),
    Case("azure", "azure/{script}", {"api_base": "{url}/azure", "api_key": "sk-of-ours"}, native=True),
    Case(
        "azure-chat",
        "azure/{script}",
        {
            "api_base": "{url}/azure",
            "api_key": "sk-of-ours",
            "api_version": "2025-04-01-preview",
            "use_chat_completions_api": True,
        },
        reasons=False,  # it does, and shows nothing of it
    ),
    Case("azure_ai", "azure_ai/{script}", {"api_base": "{url}/azure_ai", "api_key": "sk-of-ours"}),
    Case("azure_ai-claude", "azure_ai/claude-{script}", {"api_base": "{url}/azure_ai", "api_key": "sk-of-ours"}),
    Case("anthropic", "anthropic/{script}", {"api_base": "{url}/anthropic", "api_key": "sk-of-ours"}, searches=True),
    Case("gemini", "gemini/{script}", {"api_base": "{url}/gemini", "api_key": "sk-of-ours"}, searches=True),
    Case("vertex_ai", "vertex_ai/{script}", {"api_base": "{url}/vertex_ai", **_VERTEX}, searches=True),
    Case("vertex_ai-claude", "vertex_ai/claude-{script}", {"api_base": "{url}/vertex_ai", **_VERTEX}, searches=True),
    Case(
        "bedrock",
        "bedrock/anthropic.claude-{script}-v1:0",
        {"aws_bedrock_runtime_endpoint": "{url}/bedrock", **_AWS},
    ),
    Case(
        "bedrock-bearer",
        "bedrock/us.anthropic.claude-{script}-v1:0",
        {"aws_bedrock_runtime_endpoint": "{url}/bedrock", "api_key": "sk-of-ours", "aws_region_name": "us-east-1"},
    ),
    Case("cohere", "cohere/{script}", {"api_base": "{url}/cohere", "api_key": "sk-of-ours"}),
    Case("ollama", "ollama/{script}", {"api_base": "{url}/ollama"}, caches=False, filters=False),
    *_compatible(),
]
