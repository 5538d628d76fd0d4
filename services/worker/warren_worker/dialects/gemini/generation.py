"""How the answer is to be made: sampling, thinking, and the form of it."""

from collections.abc import Mapping
from typing import Any

from warren.objects import Item
from warren_worker.asked.form import Form
from warren_worker.asked.unsaid import only, unsupported
from warren_worker.facts import Facts, nearest

_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_output_tokens": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_LEAST = 512
"""The least budget that all models of Gemini 2.5 take."""
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
_LEVELS = ("low", "medium", "high")
"""Those that every current model takes."""


def generation(request: Mapping[str, Any], facts: Facts, wanted: Form | None) -> Item:
    """`generationConfig`. `wanted` is the form that the model is held to by a schema."""
    made = {name: request[given] for given, name in _SAMPLING.items() if request.get(given) is not None}
    made |= _logprobs(request)
    if wanted is not None:
        made["responseMimeType"] = "application/json"
        if not wanted.loose:
            made["responseJsonSchema"] = wanted.schema
    if thinking := _thinking(request, facts):
        made["thinkingConfig"] = thinking
    return made


def _logprobs(request: Mapping[str, Any]) -> Item:
    top = request.get("top_logprobs")
    if not top and "message.output_text.logprobs" not in (request.get("include") or ()):
        return {}
    return {"responseLogprobs": True, **({"logprobs": top} if top else {})}


def _thinking(request: Mapping[str, Any], facts: Facts) -> Item:
    reasoning = request.get("reasoning") or {}
    only(reasoning, ("effort", "summary", "generate_summary"), "reasoning", {"context": "auto", "mode": "standard"})
    effort = reasoning.get("effort")
    shown = bool(reasoning.get("summary") or reasoning.get("generate_summary"))
    if facts.reasoning == "none":
        if effort not in (None, "none"):
            raise unsupported("reasoning.effort")
        return {}
    much = {} if effort is None else _much(effort, request.get("max_output_tokens"), facts)
    return {**much, **({"includeThoughts": True} if shown or effort not in (None, "none") else {})}


def _much(effort: str, limit: int | None, facts: Facts) -> Item:
    """How much it is to think. A model whose efforts are known, without `none` among them, thinks in any case."""
    if facts.reasoning == "budget":
        wanted = nearest(effort, facts.efforts) if facts.efforts else effort
        if wanted == "none":
            return {"thinkingBudget": 0}
        budget = _BUDGETS[wanted]
        return {"thinkingBudget": budget if limit is None else max(_LEAST, min(budget, limit - 1))}
    levels = [one for one in facts.efforts or _LEVELS if one != "none"]
    return {"thinkingLevel": nearest(effort, levels).upper()}
