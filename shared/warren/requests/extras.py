"""What real clients send beyond the API, and what Warren does with it. All else is refused by name."""

from typing import Literal

BODY: dict[str, Literal["ignored", "passed"]] = {
    "client_metadata": "ignored",  # Codex CLI, in every request: its own book-keeping. Never sent to a provider.
}
"""Fields at the top of a request's body.

Ignored: taken, and without effect here or upstream. Passed: sent to the provider, which takes or refuses it.
`presence_penalty` and `frequency_penalty` are not here: Open Responses has them, so they are fields like any other.
"""

ITEMS: dict[str, tuple[str, ...]] = {
    "output_text": ("parsed",),  # openai-python's `responses.parse()`, if its answer is dumped and sent back
    "function_call": ("parsed_arguments",),  # as above
}
"""Fields of items and their parts, by type. All ignored by a chat; a server with the Responses API may refuse them."""

MOVED: dict[str, str] = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
}
"""What a request for Chat Completions says, and where the Responses API has it."""

OPERATORS = frozenset(
    {
        "api_base", "api_key", "api_version", "azure_ad_token", "base_url", "custom_llm_provider", "deployment_id",
        "extra_body", "extra_headers", "extra_query", "headers", "organization", "vertex_credentials",
        "vertex_location", "vertex_project",
    }
)  # fmt: skip
"""What LiteLLM's calls may say in a process, and no request from outside: where it goes, and with which key."""
