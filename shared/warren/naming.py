"""What LiteLLM's configurations call things: providers, and the parameters of requests."""

import re
from urllib.parse import urlsplit

from warren.compatible import ROWS
from warren.requests.extras import MOVED

ALIASES = {
    "aiohttp_openai": "openai",
    "bedrock_converse": "bedrock",
    "cohere_chat": "cohere",
    "ollama_chat": "ollama",
    "openai_like": "custom_openai",
    "vertex_ai_beta": "vertex_ai",
}
"""Several prefixes of one provider: other APIs of it, or older names.

Those for plain text completions (`text-completion-openai`, `azure_text`, `anthropic_text`) are no chat models.
"""
_ON_BEDROCK = (
    r"ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot(ai)?|nvidia|openai|qwen|writer|zai"
)
_BARE = tuple(
    (re.compile(pattern), provider)
    for pattern, provider in (
        (r"(ft:)?(gpt-|chatgpt-|codex-|computer-use-|o[134])", "openai"),
        (r"claude-", "anthropic"),
        (r"gemini-", "vertex_ai"),  # with LiteLLM, too; `gemini/…` is the Gemini API
        (r"command(-|$)|c4ai-", "cohere"),
        (r"arn:aws[\w-]*:bedrock:", "bedrock"),
        (rf"((us|us-gov|eu|apac|jp|au|ca|sa|global)\.)?({_ON_BEDROCK})\.", "bedrock"),
    )
)
"""Whose a model is that has no prefix."""

CHATS: dict[str, str] = {
    **{name: path for name, path in MOVED.items() if path != "input"},
    "logprobs": "include:message.output_text.logprobs",
    "web_search_options": "tools:web_search",
}
"""What Chat Completions call a parameter: its path in a request, perhaps with a value or type that is found there."""


def provider(model: str, given: str | None, base: str | None) -> tuple[str, str]:
    """Who answers for this model, and what he calls it; `given` is a `custom_llm_provider`.

    Of some models nobody knows: they are their own provider, and there is none of that name.
    """
    prefix, slash, rest = model.partition("/")
    if given is not None:
        return ALIASES.get(given, given), rest if slash and prefix == given else model
    if slash and not model.startswith("arn:"):
        return ALIASES.get(prefix, prefix), rest
    if base is not None and (row := _at(base)) is not None:
        return row, model
    for pattern, name in _BARE:
        if pattern.match(model) and not (base and name == "bedrock"):
            return name, model
    return "openai" if base is not None else model, model


def _at(base: str) -> str | None:
    """The row whose provider is at this address."""
    try:
        host = urlsplit(base).hostname
    except ValueError:
        return None
    for name, row in ROWS.items():
        if row.base_url is not None and row.base_url.startswith("https://") and urlsplit(row.base_url).hostname == host:
            return name
    return None
