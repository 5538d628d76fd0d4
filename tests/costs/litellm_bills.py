"""What LiteLLM's calculator makes of usages: JSON in, JSON out. Runs where LiteLLM is installed, without ours.

    {"at": ..., "usages": [{"input_tokens": ...}, ...], "models": [["openai", "gpt-5"], ...]}

gives for every model a list with the cost of each usage, null where LiteLLM raises.
"""

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm._internal_context import _billing_time
from litellm.cost_calculator import cost_per_token
from litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking import (
    StandardBuiltInToolCostTracking as Tools,
)
from litellm.types.llms.openai import ResponsesAPIResponse
from litellm.types.utils import (
    CacheCreationTokenDetails,
    CompletionTokensDetailsWrapper,
    PromptTokensDetailsWrapper,
    ServerToolUse,
    Usage,
)

_RESPONSES: dict[Any, ResponsesAPIResponse] = {}


def usage_of(said: dict[str, Any]) -> Usage:
    read, written, tools = said["input_tokens"], said["output_tokens"], said.get("tools", {})
    hour, half_day = said.get("cache_write_1h_tokens", 0), said.get("cache_write_12h_tokens", 0)
    usual = said.get("cache_write_tokens", 0) - hour - half_day
    prompt = PromptTokensDetailsWrapper(
        cached_tokens=said.get("cached_tokens", 0),
        cache_creation_tokens=said.get("cache_write_tokens", 0),
        audio_tokens=said.get("input_audio_tokens", 0),
        image_tokens=said.get("input_image_tokens", 0),
        video_tokens=said.get("input_video_tokens", 0),
        cache_creation_token_details=CacheCreationTokenDetails(
            ephemeral_5m_input_tokens=usual, ephemeral_1h_input_tokens=hour, ephemeral_12h_input_tokens=half_day
        ),
        cached_tokens_details={
            "audio_tokens": said.get("cached_audio_tokens", 0),
            "image_tokens": said.get("cached_image_tokens", 0),
        },
    )
    if searches := tools.get("web_search"):
        prompt.web_search_requests = tools["web_queries"]
    completion = CompletionTokensDetailsWrapper(
        reasoning_tokens=said.get("reasoning_tokens", 0),
        audio_tokens=said.get("output_audio_tokens", 0),
        image_tokens=said.get("output_image_tokens", 0),
    )
    more: dict[str, Any] = {}
    if searches:
        more["server_tool_use"] = ServerToolUse(web_search_requests=searches)
        more["server_side_tool_usage_details"] = {"web_search_calls": searches}
    if said.get("geo"):
        more["inference_geo"] = said["geo"]
    return Usage(
        prompt_tokens=read,
        completion_tokens=written,
        total_tokens=read + written,
        prompt_tokens_details=prompt,
        completion_tokens_details=completion,
        **more,
    )


def response_of(model: str, tools: dict[str, int]) -> ResponsesAPIResponse:
    kinds = tuple((name, tools.get(name, 0)) for name in ("web_search", "file_search"))
    if (model, kinds) not in _RESPONSES:
        output = [{"type": f"{name}_call", "id": "x", "status": "completed"} for name, n in kinds for _ in range(n)]
        _RESPONSES[model, kinds] = ResponsesAPIResponse(id="r", created_at=0, output=output, model=model)
    return _RESPONSES[model, kinds]


def cost(provider: str, model: str, said: dict[str, Any], usage: Usage) -> float | None:
    try:
        made: Any = cost_per_token(
            model=model, custom_llm_provider=provider, usage_object=usage, service_tier=said.get("tier"),
            call_type="responses",
        )  # fmt: skip
        total: float = made[0] + made[1]
        if tools := said.get("tools"):
            total += Tools.get_cost_for_built_in_tools(
                model=model,
                response_object=response_of(model, tools),
                usage=usage,
                custom_llm_provider=provider,
                standard_built_in_tools_params={"file_search": {"type": "file_search"}},
            )
    except Exception:  # noqa: BLE001  # it raises Exception itself
        return None
    return total


def main() -> None:
    asked = json.load(sys.stdin)
    _billing_time.set(datetime.fromtimestamp(asked["at"], UTC))
    litellm.suppress_debug_info = True
    usages = [(said, usage_of(said)) for said in asked["usages"]]
    json.dump([[cost(provider, model, *usage) for usage in usages] for provider, model in asked["models"]], sys.stdout)


if __name__ == "__main__":
    main()
