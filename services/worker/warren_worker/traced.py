"""What a trace tells of a call to a provider."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from warren.contracts import UpstreamCall
from warren.errors import WarrenError
from warren.objects import Item
from warren.telemetry import conventions
from warren_worker.provider import Endpoint

_PORTS = {"https": 443, "http": 80}


def asked(endpoint: Endpoint, request: Mapping[str, Any]) -> dict[str, Any]:
    """What is known when the call begins."""
    host, port = _place(endpoint.base_url)
    reasoning = request.get("reasoning")
    return {
        "asks": "chat",
        "provider": conventions.provider(endpoint.provider),
        "asked_model": endpoint.model,
        "deployment": endpoint.deployment,
        "server": host,
        "port": port,
        "asked_stream": True,
        "max_output_tokens": request.get("max_output_tokens"),
        "temperature": request.get("temperature"),
        "top_p": request.get("top_p"),
        "reasoning_effort": reasoning.get("effort") if isinstance(reasoning, dict) else None,
    }


def _place(url: str) -> tuple[str | None, int | None]:
    """Host and port; what is wrong with a URL is for whoever calls it to say."""
    try:
        place = urlsplit(url)
        return place.hostname, place.port or _PORTS.get(place.scheme)
    except ValueError:
        return None, None


def answered(call: UpstreamCall, response: Item, upstream_id: str | None, error: WarrenError | None) -> dict[str, Any]:
    """What is known when it is over."""
    usage = call.usage
    return {
        "call": call.call_id,
        "response_id": upstream_id,
        "finish_reasons": None if error is not None else [finish(response)],
        "time_to_first_chunk": call.first_event_seconds,
        "status_code": call.status,
        "upstream_request_id": call.upstream_request_id,
        "service_tier": call.service_tier,
        "cost": call.cost,
        "input_tokens": usage and usage.input_tokens,
        "output_tokens": usage and usage.output_tokens,
        "cached_tokens": (usage and usage.cached_tokens) or None,
        "cache_write_tokens": (usage and usage.cache_write_tokens) or None,
        "reasoning_tokens": (usage and usage.reasoning_tokens) or None,
        "usage_estimated": True if call.usage_source == "estimated" else None,
    }


def finish(response: Item) -> str:
    """Why the model stopped, by the conventions' words; nothing of a response says it in the provider's own."""
    details = response.get("incomplete_details")
    if isinstance(details, dict):
        return conventions.FINISHES.get(details.get("reason"), "stop")
    calls = any(str(item.get("type")).endswith("_call") for item in response["output"][-1:])
    return "tool_call" if calls else "stop"
