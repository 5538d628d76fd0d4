"""How a server is told to think."""

from collections.abc import Mapping
from typing import Any, Literal

from warren.objects import Item
from warren_worker.asked.unsaid import only, unsupported
from warren_worker.facts import Facts, nearest

Thinking = Literal["reasoning_effort", "reasoning", "thinking", "thinking+effort", "budget", "prompt_mode", "default"]
"""By which field: `reasoning_effort` as OpenAI has it; `reasoning: {effort}` (OpenRouter); `thinking: {type}`, on or
off (Z.ai, Moonshot), or that with an effort beside it (DeepSeek); `thinking` with a budget for those models that are
known to be told so, and an effort for others (Databricks); `prompt_mode` in the same way for those that it switches on
(Mistral); a `reasoning_effort` that is `default` or `none` (Qwen at Groq)."""

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
_ROOM = 1024
"""Tokens for the answer behind the thoughts, where there is room for so many."""
_DEFAULTS = {"context": "auto", "mode": "standard"}


def effort(request: Mapping[str, Any], how: Thinking, facts: Facts) -> Item:
    """The fields that ask for this much thought.

    A summary may be asked for; what a chat server shows is the reasoning itself, and to ask for one is to ask for that.
    """
    reasoning = request.get("reasoning") or {}
    only(reasoning, ("effort", "summary", "generate_summary"), "reasoning", _DEFAULTS)
    wanted = reasoning.get("effort")
    shown = reasoning.get("summary") or reasoning.get("generate_summary")
    if facts.reasoning == "none":
        if wanted not in (None, "none"):
            raise unsupported("reasoning.effort", "this model does not reason")
        return {}
    if wanted is None:
        return _asked(how, facts) if shown else {}
    if facts.efforts:
        wanted = nearest(wanted, facts.efforts)
    return _said(how, wanted, facts, request)


def _asked(how: Thinking, facts: Facts) -> Item:
    """Thoughts, as many as the model likes."""
    match how:
        case "reasoning":
            return {"reasoning": {"enabled": True}}
        case "thinking" | "thinking+effort":
            return {"thinking": {"type": "enabled"}}
        case "budget" if facts.reasoning in ("budget", "adaptive"):
            return {"thinking": {"type": "enabled", "budget_tokens": _BUDGETS["medium"]}}
        case "prompt_mode" if facts.reasoning == "switch":
            return {"prompt_mode": "reasoning"}
        case _:
            return {}


def _said(how: Thinking, wanted: str, facts: Facts, request: Mapping[str, Any]) -> Item:
    switch = {"type": "disabled" if wanted == "none" else "enabled"}
    match how:
        case "reasoning":
            return {"reasoning": {"effort": wanted}}
        case "thinking":
            return {"thinking": switch}
        case "thinking+effort":
            return {"thinking": switch, **({} if wanted == "none" else {"reasoning_effort": wanted})}
        case "budget" if facts.reasoning in ("budget", "adaptive"):
            return _budget(wanted, request.get("max_output_tokens"))
        case "default":
            return {"reasoning_effort": "none" if wanted == "none" else "default"}
        case "prompt_mode" if facts.reasoning == "switch":
            return {} if wanted == "none" else {"prompt_mode": "reasoning"}
        case _:
            return {"reasoning_effort": wanted}


def _budget(wanted: str, limit: int | None) -> Item:
    """Thoughts count towards the limit and must stay below it."""
    if wanted == "none":
        return {"thinking": {"type": "disabled"}}
    budget = _BUDGETS[wanted]
    if limit is None:
        return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": budget + 4 * _ROOM}
    least = _BUDGETS["minimal"]
    if limit <= least:
        raise unsupported("reasoning.effort", f"this model thinks in no fewer than {least} tokens")
    return {"thinking": {"type": "enabled", "budget_tokens": min(budget, max(least, limit - _ROOM))}}
