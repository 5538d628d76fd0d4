"""What a key may be used for."""

import pytest

from warren import scopes


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        ((), "gpt-5", True), (("gpt-5",), "gpt-5", True), (("gpt-5",), "gpt-5-mini", False),
        (("gpt-5", "claude"), "claude", True), (("openai/*",), "openai/gpt-5", True), (("openai/*",), "gpt-5", False),
        (("*",), "anything", True),
    ],
)  # fmt: skip
def test_models_are_allowed_by_name_or_pattern(patterns: tuple[str, ...], model: str, allowed: bool) -> None:
    assert scopes.allows_model(patterns, model) is allowed


@pytest.mark.parametrize(
    ("patterns", "route", "allowed"),
    [
        ((), "/v1/responses", True),
        (("/responses",), "/v1/responses", True),
        (("/v1/responses",), "/openai/v1/responses", True),
        (("/v1/responses",), "/responses", True),
        (("/v1/responses",), "/v1/responses/{response_id}", False),
        (("/v1/responses/{response_id}",), "/responses/{response_id}", True),
        (("/v1/responses*",), "/responses/{response_id}/cancel", True),
        (("/v1/responses/*",), "/v1/responses", False),
        (("/v1/models",), "/v1/responses", False),
        (("/v1/models", "/v1/responses"), "/v1/responses", True),
        (("llm_api_routes",), "/v1/conversations", True),
    ],
)
def test_routes_are_allowed_under_all_prefixes(patterns: tuple[str, ...], route: str, allowed: bool) -> None:
    assert scopes.allows_route(patterns, route) is allowed
