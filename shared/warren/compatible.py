"""Providers that speak like OpenAI, a row each. To add one, add a row.

What a row does not say, its provider does as OpenAI's own documentation has it. Sources: the vendors' API references;
names of variables and prefixes are LiteLLM's.
"""

from warren.row import Row, Tokens

__all__ = ["ROWS", "Row"]


def _without(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "droppable")


_PENALTIES = ("presence_penalty", "frequency_penalty")
_LOGPROBS = ("top_logprobs", "include:message.output_text.logprobs")
_CACHING = ("prompt_cache_key", "prompt_cache_retention")
_OPENAIS = ("safety_identifier", "service_tier", "text.verbosity")
"""Parameters that servers know which follow OpenAI closely."""
_CHOICES = ("tool_choice:required", "tool_choice:none", "tool_choice:function", "tool_choice:allowed_tools")
_ANTHROPICS = {"claude": {"schemas_beside_tools": False}}
_ONES_OWN = {"tags": True}
"""Servers of one's own leave thoughts in the text, unless they were started otherwise."""
_XAI_TOOLS = {
    "web_search": {"search_context_size": "medium"},
    "code_interpreter": {"container": {"type": "auto"}},
}

ROWS: dict[str, Row] = {
    "groq": Row(
        base_url="https://api.groq.com/openai/v1",
        bases=("GROQ_API_BASE",),
        keys=("GROQ_API_KEY",),
        # Not while it streams, nor beside tools.
        chat={"limit": "max_completion_tokens", "schemas": False},
        # Unless asked not to, it leaves their thoughts in the text.
        chat_models={"(?i)qwen": {"effort": "default", "more": {"reasoning_format": "parsed"}}},
        parameters=_without("user", "safety_identifier", "prompt_cache_retention", "text.verbosity", *_LOGPROBS),
    ),
    "mistral": Row(
        base_url="https://api.mistral.ai/v1",
        bases=("MISTRAL_API_BASE",),
        keys=("MISTRAL_API_KEY",),
        chat={
            "required": "any",
            "effort": "prompt_mode",
            "names_results": True,
            "short_ids": True,
            "empty_messages": False,
            "usage_option": False,
        },
        parameters={
            **_without("user", "prompt_cache_retention", *_OPENAIS),
            "input:input_file": "refused",
            "input:input_audio": "refused",
        },
    ),
    "deepseek": Row(
        base_url="https://api.deepseek.com/beta",
        bases=("DEEPSEEK_API_BASE",),
        keys=("DEEPSEEK_API_KEY",),
        chat={
            "effort": "thinking+effort",
            "thoughts": "reasoning_content",
            "demands_thoughts": True,
            "schemas": False,
            "objects": True,
        },
        parameters={**_without("user", *_CACHING, *_OPENAIS), "input:input_file": "refused"},
    ),
    "together_ai": Row(
        base_url="https://api.together.ai/v1",
        bases=("TOGETHER_AI_API_BASE",),
        keys=("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
        parameters=_without("user", *_OPENAIS),
    ),
    "fireworks_ai": Row(
        base_url="https://api.fireworks.ai/inference/v1",
        bases=("FIREWORKS_API_BASE",),
        keys=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"),
        rename=(r"^([^/#]+)$", r"accounts/fireworks/models/\1"),
        native=True,
        chat={"required": "any", "strict": False, "schemas_beside_tools": False},
    ),
    "openrouter": Row(
        base_url="https://openrouter.ai/api/v1",
        bases=("OPENROUTER_API_BASE",),
        keys=("OPENROUTER_API_KEY", "OR_API_KEY"),
        native=True,
        headers={"x-title": "Warren"},
        chat={
            "effort": "reasoning",
            "thoughts": "reasoning_details",
            "searches": "openrouter",
            "caches": True,
            "more": {"usage": {"include": True}},
        },
    ),
    "xai": Row(
        base_url="https://api.x.ai/v1",
        bases=("XAI_API_BASE",),
        keys=("XAI_API_KEY",),
        native=True,
        chat={"limit": "max_completion_tokens"},
        responses={
            "withheld": frozenset({"metadata"}),
            "tools": _XAI_TOOLS,
            "filters": {"blocked_domains": "excluded_domains"},
        },
        parameters=_without("service_tier", "safety_identifier", "text.verbosity", *_PENALTIES, *_CACHING),
        native_parameters=_without("service_tier", "safety_identifier", "text.verbosity", *_PENALTIES, "prompt"),
    ),
    "perplexity": Row(
        base_url="https://api.perplexity.ai",
        bases=("PERPLEXITY_API_BASE",),
        keys=("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
        native=True,
        native_models="/",  # of other vendors; its own it serves as chat models
        responses={"path": "/v1/responses"},
        chat={"searches": "perplexity", "tags": True},
        parameters=_without(
            "tools:function", "tools:custom", "tools:namespace", "parallel_tool_calls", "user", *_CHOICES, *_LOGPROBS,
            *_CACHING, *_OPENAIS,
        ),
    ),
    "cerebras": Row(
        base_url="https://api.cerebras.ai/v1",
        bases=("CEREBRAS_API_BASE",),
        keys=("CEREBRAS_API_KEY",),
        chat={"limit": "max_completion_tokens", "schemas_beside_tools": False},
        parameters=_without("parallel_tool_calls", *_PENALTIES, *_CACHING, *_OPENAIS),
    ),
    "nvidia_nim": Row(
        base_url="https://integrate.api.nvidia.com/v1",
        bases=("NVIDIA_NIM_API_BASE",),
        keys=("NVIDIA_NIM_API_KEY",),
        parameters=_without("user", *_CACHING, *_OPENAIS),
    ),
    "databricks": Row(
        bases=("DATABRICKS_API_BASE",),
        keys=("DATABRICKS_API_KEY", "DATABRICKS_TOKEN"),
        tokens=Tokens(
            path="/oidc/v1/token",
            clients=("DATABRICKS_CLIENT_ID",),
            secrets=("DATABRICKS_CLIENT_SECRET",),
            scope="all-apis",
        ),
        native=True,
        native_models="gpt",
        chat={"effort": "budget", "caches": True},
        chat_models=_ANTHROPICS,
        parameters=_without("parallel_tool_calls", "user", *_CACHING, "safety_identifier", "text.verbosity"),
    ),
    "huggingface": Row(
        base_url="https://router.huggingface.co/v1",
        ends="/v1",  # of an endpoint of one's own, too
        bases=("HF_API_BASE", "HUGGINGFACE_API_BASE"),
        keys=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
        rename=(r"^([^/]+)/([^/]+/[^/]+)$", r"\2:\1"),  # the provider behind it
        parameters=_without("user", *_CACHING, *_OPENAIS),
    ),
    "deepinfra": Row(
        base_url="https://api.deepinfra.com/v1/openai",
        bases=("DEEPINFRA_API_BASE",),
        keys=("DEEPINFRA_API_KEY",),
    ),
    "sambanova": Row(
        base_url="https://api.sambanova.ai/v1",
        bases=("SAMBANOVA_API_BASE",),
        keys=("SAMBANOVA_API_KEY",),
        chat_models={"(?i)deepseek-r1": {"tags": True}},
        parameters=_without("user", *_PENALTIES, *_LOGPROBS, *_CACHING, *_OPENAIS),
    ),
    "nebius": Row(
        base_url="https://api.studio.nebius.ai/v1",
        bases=("NEBIUS_API_BASE",),
        keys=("NEBIUS_API_KEY",),
        parameters=_without("user", *_OPENAIS),
    ),
    "novita": Row(
        base_url="https://api.novita.ai/v3/openai",
        bases=("NOVITA_API_BASE",),
        keys=("NOVITA_API_KEY",),
        parameters=_without("user", *_OPENAIS),
    ),
    "moonshot": Row(
        base_url="https://api.moonshot.ai/v1",
        bases=("MOONSHOT_API_BASE",),
        keys=("MOONSHOT_API_KEY",),
        chat={
            "effort": "thinking",
            "thoughts": "reasoning_content",
            "demands_thoughts": True,
            "schemas": False,
            "objects": True,
        },
        parameters=_without("tool_choice:required", "tool_choice:function", "user", *_LOGPROBS, *_OPENAIS),
    ),
    "zai": Row(
        base_url="https://api.z.ai/api/paas/v4",
        bases=("ZAI_API_BASE",),
        keys=("ZAI_API_KEY",),
        chat={"effort": "thinking", "thoughts": "reasoning_content", "schemas": False, "objects": True},
        parameters=_without(
            "parallel_tool_calls", "user", "tool_choice:required", "tool_choice:function", *_PENALTIES, *_LOGPROBS,
            *_CACHING, *_OPENAIS,
        ),
    ),
    "meta_llama": Row(
        base_url="https://api.llama.com/compat/v1",
        bases=("LLAMA_API_BASE",),
        keys=("LLAMA_API_KEY",),
        chat={"limit": "max_completion_tokens", "effort": None},
        parameters=_without(*_LOGPROBS, *_CACHING, *_OPENAIS),
        reasons=False,
    ),
    "volcengine": Row(
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        bases=("VOLCENGINE_API_BASE",),
        keys=("VOLCENGINE_API_KEY", "ARK_API_KEY"),
        native=True,
        chat={"effort": "thinking"},
        responses={"withheld": frozenset({"metadata"})},
        parameters=_without("user", *_CACHING, "safety_identifier", "text.verbosity"),
    ),
    "custom_openai": Row(  # whoever it is; by `openai/` and an address it is asked for Responses
        bases=("CUSTOM_OPENAI_API_BASE", "OPENAI_LIKE_API_BASE", "OPENAI_BASE_URL", "OPENAI_API_BASE"),
        keys=("CUSTOM_OPENAI_API_KEY", "OPENAI_LIKE_API_KEY", "OPENAI_API_KEY"),
        key="",
        chat=_ONES_OWN,
    ),
    "lm_studio": Row(bases=("LM_STUDIO_API_BASE",), keys=("LM_STUDIO_API_KEY",), key="", chat=_ONES_OWN),
    "llamafile": Row(
        base_url="http://127.0.0.1:8080/v1",
        bases=("LLAMAFILE_API_BASE",),
        keys=("LLAMAFILE_API_KEY",),
        key="",
        chat=_ONES_OWN,
    ),
    "hosted_vllm": Row(
        bases=("HOSTED_VLLM_API_BASE",),
        ends="/v1",
        keys=("HOSTED_VLLM_API_KEY",),
        key="",
        native=True,
        chat=_ONES_OWN,
    ),
    "litellm_proxy": Row(
        bases=("LITELLM_PROXY_API_BASE",),
        keys=("LITELLM_PROXY_API_KEY",),
        native=True,
        chat={"caches": True},
    ),
}  # fmt: skip
