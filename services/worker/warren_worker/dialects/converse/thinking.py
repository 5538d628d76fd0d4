"""Whether the model is to think, and how much: each vendor is told so by fields of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.objects import Item
from warren_worker.asked.unsaid import only, unsupported
from warren_worker.dialects.converse.vendors import Vendor
from warren_worker.dialects.messages.thinking import thinking as of_claude
from warren_worker.facts import Facts, nearest

_DEFAULTS = {"context": "auto", "mode": "standard"}
_EFFORTS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Thinking:
    max_tokens: int | None
    fields: Item = field(default_factory=dict)
    """Of `additionalModelRequestFields`."""
    effort: str | None = None
    """Of `outputConfig`."""
    on: bool = False
    """It is Claude that thinks, and takes little else to be told then."""


def thinking(request: Mapping[str, Any], facts: Facts, vendor: Vendor, *, forced: bool, begun: bool) -> Thinking:
    """`forced`: a tool must be called. `begun`: if tools have been called in this turn, that began with thoughts."""
    reasoning = request.get("reasoning") or {}
    only(reasoning, ("effort", "summary", "generate_summary"), "reasoning", _DEFAULTS)
    effort, limit = reasoning.get("effort"), request.get("max_output_tokens")
    if facts.reasoning == "none" and effort in (None, "none"):
        return Thinking(limit)
    if effort is not None and (facts.reasoning == "none" or vendor.thinks is None):
        raise unsupported("reasoning.effort")
    match vendor.thinks:
        case "thinking":
            return _claude(request, facts, forced=forced, begun=begun)
        case "reasoningConfig" if effort is not None:
            return _nova(effort, limit, request, facts)
        case "reasoning_effort" if effort is not None:
            return Thinking(limit, {"reasoning_effort": nearest(effort, facts.efforts or _EFFORTS)})
        case _:
            return Thinking(limit)


def _claude(request: Mapping[str, Any], facts: Facts, *, forced: bool, begun: bool) -> Thinking:
    """As Anthropic's own API is told, but that it takes no limit where there is none."""
    theirs = of_claude(request, facts, forced=forced, begun=begun)
    config = theirs.config or {}
    limit = theirs.max_tokens if "budget_tokens" in config else request.get("max_output_tokens")
    return Thinking(limit, {"thinking": config} if config else {}, theirs.effort, on=theirs.on)


def _nova(effort: str, limit: int | None, request: Mapping[str, Any], facts: Facts) -> Thinking:
    """With the greatest effort it takes neither a limit nor how to sample."""
    if effort == "none":
        return Thinking(limit, {"reasoningConfig": {"type": "disabled"}})
    level = nearest(effort, [one for one in facts.efforts or _EFFORTS if one in _EFFORTS] or _EFFORTS)
    if level == "high":
        for name in ("max_output_tokens", "temperature", "top_p"):
            if request.get(name) is not None:
                raise unsupported(name, f"this model takes none with the effort {level!r}")
    return Thinking(limit, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}})
