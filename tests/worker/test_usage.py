"""What vendors report of a call, in their words, and what of it is known to us: all that decides what it costs."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic_core import to_json

from tests.worker.telling import fed
from warren import config
from warren.contracts import Usage
from warren_worker.dialect import Conversation, Tokens
from warren_worker.dialects.converse.reader import ConverseReader
from warren_worker.provider import endpoint

Json = dict[str, Any]


def reported(model: str, *events: Json, **params: Any) -> Usage:
    """The last usage that the reader of this model's dialect makes of these."""
    given = {"model": model, "api_key": "k", **params}
    parsed = config.parse(to_json({"model_list": [{"model_name": "m", "litellm_params": given}]}).decode())
    (deployment,) = parsed.deployments.values()
    reader = endpoint(deployment, {}).dialect.reader(Conversation({}, []))
    return [delta for delta in fed(reader, events) if isinstance(delta, Tokens)][-1].usage


def of_claude(**usage: Any) -> Usage:
    begun = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7, **usage}}
    return reported("anthropic/claude-sonnet-4-5", begun, ended)


def of_chat(**usage: Any) -> Usage:
    return reported("groq/m", {"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 20, **usage}})


def of_responses(*, tool_usage: Any = None, **usage: Any) -> Usage:
    usage = {"input_tokens": 50, "output_tokens": 20, **usage}
    response = {"id": "r", "status": "completed", "output": [], "usage": usage, "tool_usage": tool_usage}
    return reported("openai/gpt-5", {"type": "response.completed", "response": response})


def of_gemini(**usage: Any) -> Usage:
    counted = {"promptTokenCount": 50, "candidatesTokenCount": 20, **usage}
    return reported("gemini/gemini-2.5-pro", {
        "candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}], "usageMetadata": counted,
    })  # fmt: skip


def test_anthropic_says_how_long_the_cache_is_to_keep_and_what_was_looked_up() -> None:
    used = of_claude(
        cache_read_input_tokens=10,
        cache_creation_input_tokens=30,
        cache_creation={"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        server_tool_use={"web_search_requests": 3, "web_fetch_requests": 1},
        inference_geo="us",
        speed="fast",
    )
    assert used == Usage(
        input_tokens=45, cached_tokens=10, cache_write_tokens=30, cache_write_1h_tokens=20, output_tokens=7,
        tools={"web_search": 3}, geo="us", fast=True,
    )  # fmt: skip


def test_bedrock_says_how_long_the_cache_is_to_keep() -> None:
    kept = [{"ttl": "5m", "inputTokens": 10}, {"ttl": "1h", "inputTokens": 20}]
    usage = {"inputTokens": 5, "outputTokens": 7, "cacheWriteInputTokens": 30, "cacheDetails": kept}
    (tokens,) = ConverseReader("anthropic", summarizes=False)._account({"usage": usage})
    assert isinstance(tokens, Tokens)
    assert tokens.usage == Usage(input_tokens=35, cache_write_tokens=30, cache_write_1h_tokens=20, output_tokens=7)


def test_chat_completions_say_what_was_sound() -> None:
    used = of_chat(
        prompt_tokens_details={"cached_tokens": 5, "audio_tokens": 30, "image_tokens": 4},
        completion_tokens_details={"reasoning_tokens": 3, "audio_tokens": 6},
    )
    assert used == Usage(
        input_tokens=50, cached_tokens=5, input_audio_tokens=30, input_image_tokens=4, output_tokens=20,
        reasoning_tokens=3, output_audio_tokens=6,
    )  # fmt: skip


def test_openai_says_what_is_kept_for_half_a_day() -> None:
    details = {"cached_tokens": 5, "cache_write_tokens": 40, "cache_write_tokens_details": {"ttl_12h_tokens": 30}}
    used = of_responses(input_tokens_details=details)
    assert (used.cache_write_tokens, used.cache_write_12h_tokens) == (40, 30)


def test_openai_says_what_its_tools_have_used() -> None:
    pictures = {
        "input_tokens": 60, "input_tokens_details": {"image_tokens": 10, "text_tokens": 50}, "output_tokens": 1100,
        "output_tokens_details": {"image_tokens": 1056, "text_tokens": 44}, "total_tokens": 1160, "cached_tokens": 8,
        "cached_tokens_details": {"cached_image_tokens": 3, "cached_text_tokens": 5},
    }  # fmt: skip
    used = of_responses(tool_usage={"image_gen": pictures, "web_search": {"num_requests": 2}})
    assert used.tools == {"web_search": 2}
    assert used.pictures == Usage(
        input_tokens=60, input_image_tokens=10, cached_tokens=8, cached_image_tokens=3, output_tokens=1100,
        output_image_tokens=1056,
    )  # fmt: skip


@pytest.mark.parametrize("said", [of_chat, of_responses])
@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.00014}, "0.00014"),  # OpenRouter
        ({"cost": 0}, "0"),
        ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.25}}, "0.25"),  # Perplexity
        ({"cost_in_usd_ticks": 37756000}, "0.0037756"),  # xAI
        ({"cost": "much"}, None),
        ({"cost": -1}, None),
        ({"cost": {}}, None),
        ({}, None),
    ],
)
def test_some_state_what_it_costs(said: Any, usage: Json, cost: str | None) -> None:
    assert said(**usage).stated == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize("said", [of_chat, of_responses])
def test_xai_says_how_often_it_searched(said: Any) -> None:
    assert said(server_side_tool_usage_details={"web_search_calls": 2}).tools == {"web_search": 2}


def test_gemini_says_what_is_no_text() -> None:
    used = of_gemini(
        cachedContentTokenCount=10,
        promptTokensDetails=[
            {"modality": "TEXT", "tokenCount": 20}, {"modality": "AUDIO", "tokenCount": 15},
            {"modality": "IMAGE", "tokenCount": 10}, {"modality": "DOCUMENT", "tokenCount": 3},
            {"modality": "VIDEO", "tokenCount": 2},
        ],
        cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 7}],
        candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 12}],
    )  # fmt: skip
    assert used == Usage(
        input_tokens=50, cached_tokens=10, cached_audio_tokens=7, input_audio_tokens=15, input_image_tokens=13,
        input_video_tokens=2, output_tokens=20, output_image_tokens=12,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (of_claude, {"cache_creation": 1, "server_tool_use": [], "inference_geo": {}, "speed": 1}),
        (of_claude, {"server_tool_use": {"web_search_requests": "x"}}),
        (of_chat, {"cost": [], "server_side_tool_usage_details": 7}),
        (of_chat, {"prompt_tokens_details": {"audio_tokens": -1, "image_tokens": "x"}}),
        (of_responses, {"input_tokens_details": {"cache_write_tokens_details": "x"}, "cost": True}),
        (of_responses, {"tool_usage": {"image_gen": [], "web_search": {"num_requests": "x"}}}),
        (of_gemini, {"promptTokensDetails": {"modality": "AUDIO"}, "cacheTokensDetails": [1, {"modality": []}]}),
    ],
)  # fmt: skip
def test_nonsense_beside_the_counts_is_left_out(said: Any, usage: Json) -> None:
    used = said(**usage)
    assert used == Usage(input_tokens=used.input_tokens, output_tokens=used.output_tokens)
    assert used.output_tokens > 0
