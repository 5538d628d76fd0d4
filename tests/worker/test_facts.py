"""What is known of models, by whatever name their providers have them."""

import re
from typing import Any

import pytest

from warren.config import Info
from warren_worker import facts
from warren_worker.facts import EFFORTS, Facts, nearest, of

SONNET_4_5 = (
    "claude-sonnet-4-5",
    "claude-sonnet-4-5-20250929",
    "claude-sonnet-4-5@20250929",
    "anthropic/claude-sonnet-4.5",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "converse/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "databricks-claude-sonnet-4-5",
    "Claude-Sonnet-4-5",
)


def known(model: str, **info: Any) -> Facts:
    return of(model, Info(**info))


@pytest.mark.parametrize("model", SONNET_4_5)
def test_a_model_is_known_by_all_its_names(model: str) -> None:
    found = known(model)
    assert found == known(SONNET_4_5[0])
    assert (found.reasoning, found.sampling, found.max_output_tokens) == ("budget", "either", 64_000)


@pytest.mark.parametrize(
    ("model", "reasoning", "efforts", "sampling"),
    [
        ("claude-3-5-sonnet-20241022", "none", None, "both"),
        ("claude-3.7-sonnet", "budget", "none minimal low medium high xhigh max", "both"),
        ("claude-opus-4-20250514", "budget", "none minimal low medium high xhigh max", "both"),
        ("claude-opus-4-1-20250805", "budget", "none minimal low medium high xhigh max", "either"),
        ("claude-opus-4-6", "adaptive", "none low medium high max", "either"),
        ("claude-opus-4-8", "adaptive", "none low medium high xhigh max", "none"),
        ("claude-opus-5", "adaptive", "none low medium high xhigh max", "none"),
        ("claude-opus-5-5", "adaptive", "low medium high xhigh max", "none"),
        ("claude-nobody-9", "adaptive", "none low medium high xhigh max", "none"),
        ("gemini-2.5-flash", "budget", "none minimal low medium high xhigh max", "both"),
        ("gemini-2.5-pro", "budget", "minimal low medium high xhigh max", "both"),
        ("databricks-gemini-2-5-pro", "budget", "minimal low medium high xhigh max", "both"),
        ("gemini-2.0-flash-001", "none", None, "both"),
        ("gemini-3-pro-preview", "level", "low high", "both"),
        ("google/gemini-3-flash", "level", "minimal low medium high", "both"),
        ("gemini-4-argon", "level", "low medium high", "both"),
        ("gpt-4o-mini", "none", None, "both"),
        ("ft:gpt-4o-mini:org::id", "none", None, "both"),
        ("azure/gpt-4.1", "none", None, "both"),
        ("o4-mini-2025-04-16", "effort", "low medium high", "none"),
        ("gpt-5-2025-08-07", "effort", "minimal low medium high", "none"),
        ("gpt-5-mini", "effort", "minimal low medium high", "none"),
        ("gpt-5-chat-latest", "none", None, "both"),
        ("gpt-5.1", "effort", "none low medium high", None),
        ("databricks-gpt-5-1", "effort", "none low medium high", None),
        ("gpt-5.2-pro", "effort", "medium high xhigh", "none"),
        ("global.openai.gpt-6-sol", "effort", "none low medium high xhigh max", None),
        ("gpt-6.1-sol", "effort", "low medium high xhigh max", "none"),
        ("openai.gpt-oss-120b-1:0", "effort", "low medium high", "both"),
        ("us.amazon.nova-pro-v1:0", "none", None, "both"),
        ("global.amazon.nova-2-lite-v1:0", "effort", "none low medium high", "both"),
        ("meta-llama/Llama-3.3-70B-Instruct", "none", None, "both"),
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "none", None, "both"),
        ("magistral-medium-latest", "switch", None, "both"),
        ("mistral-medium-3.5", "effort", "none high", "both"),
        ("mistral-large-2512", "none", None, "both"),
        ("mistral-large-4-0", "effort", "none low medium high", "both"),
        ("deepseek-ai/DeepSeek-V3.1", "switch", None, "both"),
        ("deepseek-v4-pro", "switch", "none low high max", None),
        ("Qwen/Qwen3-32B", "switch", None, None),
        ("qwen3-coder-480b", "none", None, None),
        ("grok-4.5", "effort", "low medium high", "both"),
        ("command-a-reasoning-08-2025", "switch", None, "both"),
        ("command-a-03-2025", "none", None, "both"),
        ("z-ai/glm-5.3", "switch", "low high max", None),
        ("glm-4.6", "switch", None, None),
        ("moonshotai/kimi-k2.6", "switch", None, None),
        ("kimi-k2-0905-preview", "none", None, None),
        ("my-deployment", None, None, None),
    ],
)
def test_families_are_told_to_think_in_their_own_ways(
    model: str, reasoning: str | None, efforts: str | None, sampling: str | None
) -> None:
    found = known(model)
    assert (found.reasoning, found.sampling) == (reasoning, sampling)
    assert " ".join(found.efforts or ()) == (efforts or "")


@pytest.mark.parametrize(
    ("model", "fact", "value"),
    [
        ("claude-sonnet-4-5", "schemas", True),
        ("claude-3-7-sonnet-20250219", "schemas", False),
        ("claude-opus-5-5", "forced", False),
        ("claude-opus-5", "forced", None),
        ("claude-sonnet-4@20250514", "max_output_tokens", 64_000),
        ("claude-opus-4-0", "max_output_tokens", 32_000),
        ("gpt-4.1-mini", "max_input_tokens", 1_047_576),
        ("gpt-5", "max_input_tokens", 272_000),
        ("gpt-5.4-mini", "max_input_tokens", 272_000),
        ("gpt-5.4", "max_input_tokens", 922_000),
        ("gpt-3.5-turbo", "images", False),
        ("gpt-4-turbo", "images", True),
        ("o3-mini", "images", False),
        ("amazon.nova-micro-v1:0", "images", False),
        ("llama-3.2-90b-vision", "images", True),
        ("meta.llama3-3-70b-instruct-v1:0", "schemas", False),
        ("gemini-2.5-flash", "audio", True),
        ("gpt-4o-search-preview", "web_search", True),
    ],
)
def test_more_is_known_of_some(model: str, fact: str, value: Any) -> None:
    assert getattr(known(model), fact) == value


def test_another_name_to_look_for_goes_before() -> None:
    assert known("gpt-5", base_model="azure/gpt-4o") == known("gpt-4o")
    assert known("my-deployment", base_model="claude-sonnet-4-5") == known("claude-sonnet-4-5")


@pytest.mark.parametrize(
    ("model", "info", "told"),
    [
        ("x", {"max_tokens": 5}, {"max_output_tokens": 5}),
        ("x", {"max_tokens": 5, "max_output_tokens": 6}, {"max_output_tokens": 6}),
        ("claude-opus-5", {"max_input_tokens": 7}, {"max_input_tokens": 7}),
        ("gpt-4o", {"supports_vision": False, "supports_pdf_input": False}, {"images": False, "documents": False}),
        (
            "x",
            {"supports_function_calling": False, "supports_web_search": False},
            {"tools": False, "web_search": False},
        ),
        ("x", {"supports_response_schema": False, "supports_audio_input": True}, {"schemas": False, "audio": True}),
        ("gpt-5", {"supports_reasoning": False}, {"reasoning": "none", "efforts": None}),
        ("gpt-4o", {"supports_reasoning": True}, {"reasoning": None}),
        ("gpt-5", {"supports_reasoning": True}, {}),
        ("x", {"supports_adaptive_thinking": True}, {"reasoning": "adaptive"}),
        ("x", {"supports_sampling_params": False}, {"sampling": "none"}),
        ("o3", {"supports_sampling_params": True}, {"sampling": "both"}),
        ("x", {"reasoning_effort_levels": ["high", "low", "odd"]}, {"efforts": ("low", "high")}),
    ],
)
def test_the_configuration_knows_better(model: str, info: dict[str, Any], told: dict[str, Any]) -> None:
    found, plain = known(model, **info), known(model)
    for name in Facts.__dataclass_fields__:
        assert getattr(found, name) == told.get(name, getattr(plain, name)), name


@pytest.mark.parametrize(
    ("effort", "efforts", "taken"),
    [
        ("medium", ("low", "medium"), "medium"),
        ("xhigh", ("low", "high"), "high"),
        ("medium", ("low", "high"), "high"),
        ("none", ("low", "high"), "low"),
        ("minimal", ("none", "low"), "low"),
    ],
)
def test_the_nearest_effort_is_taken_and_of_two_the_greater(effort: str, efforts: tuple[str, ...], taken: str) -> None:
    assert nearest(effort, efforts) == taken


def test_every_row_says_what_somebody_asks_for() -> None:
    for pattern, row in facts.rows():
        assert row, pattern.pattern
        efforts = row.get("efforts", ())
        assert [one for one in EFFORTS if one in efforts] == list(efforts), pattern.pattern
        assert row.get("reasoning") in (None, "none", "effort", "budget", "adaptive", "level", "switch")
        assert row.get("sampling") in (None, "both", "either", "none")


def test_no_row_finds_nothing() -> None:
    for pattern, _ in facts.rows():
        assert not re.search(pattern, ""), pattern.pattern
        assert not re.search(pattern, "text"), pattern.pattern
