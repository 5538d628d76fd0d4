"""Whether the model is to think, and how much."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.objects import Item
from warren_worker.asked.unsaid import unsupported
from warren_worker.facts import EFFORTS, Facts, nearest

_LIMIT = 8192
"""Of output tokens, which must be said, where neither the request says it nor anybody knows the model's own."""
_LEAST = 1024
_BUDGETS = {"minimal": _LEAST, "low": _LEAST, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
_OFF: Item = {"type": "disabled"}
_ADAPTIVE: Item = {"type": "adaptive", "display": "summarized"}


@dataclass(frozen=True, slots=True)
class Thinking:
    max_tokens: int
    config: Item | None = None
    """`thinking`; None leaves it to the model."""
    effort: str | None = None

    @property
    def on(self) -> bool:
        return self.config is not None and self.config is not _OFF


def thinking(request: Mapping[str, Any], facts: Facts, *, forced: bool, begun: bool) -> Thinking:
    """`forced`: a tool must be called. `begun`: if tools have been called in this turn, that began with thoughts."""
    reasoning = request.get("reasoning") or {}
    effort = reasoning.get("effort")
    shown = bool(reasoning.get("summary") or reasoning.get("generate_summary"))
    match facts.reasoning:
        case "none":
            if effort not in (None, "none"):
                raise unsupported("reasoning.effort")
            return Thinking(_limit(request, facts))
        case "budget":
            wanted = effort != "none" and (effort is not None or shown)
            if not wanted or forced or not begun:
                return Thinking(_limit(request, facts))
            return _by_budget(request, facts, effort)
        case _:
            config, level = _adaptive(effort, shown, facts, forced=forced)
            more = _BUDGETS.get(effort or "high", _LEAST) if config is _ADAPTIVE else 0
            return Thinking(_limit(request, facts, more), config, level)


def _limit(request: Mapping[str, Any], facts: Facts, more: int = 0) -> int:
    return int(request.get("max_output_tokens") or facts.max_output_tokens or _LIMIT + more)


def _by_budget(request: Mapping[str, Any], facts: Facts, effort: str | None) -> Thinking:
    budget = _BUDGETS[effort or "medium"]
    limit = _limit(request, facts, budget)
    budget = min(budget, limit - 1)
    if budget >= _LEAST:
        return Thinking(limit, {"type": "enabled", "budget_tokens": budget})
    if effort is None:
        return Thinking(limit)  # nothing but a summary was asked for, of thoughts that need not be
    why = f"this model needs 'max_output_tokens' of more than {_LEAST} to reason"
    raise unsupported("reasoning.effort", why)


def _adaptive(effort: str | None, shown: bool, facts: Facts, *, forced: bool) -> tuple[Item | None, str | None]:
    """`thinking`, and the effort. A model whose efforts are known, without `none` among them, thinks in any case."""
    takes = facts.efforts or EFFORTS
    levels = [one for one in takes if one not in ("none", "minimal")]
    stoppable = "none" in takes
    if effort == "none" and stoppable:
        return _OFF, None
    if effort == "none":
        return (_ADAPTIVE if shown and not forced else None), levels[0]
    if forced:
        # Those that think unless they are told not to must be told; to others it is no news.
        off = _OFF if stoppable and facts.reasoning == "adaptive" else None
        mild = [one for one in levels if one not in ("xhigh", "max")] if off else levels  # the rest needs thoughts
        return off, nearest(effort, mild) if effort is not None else None
    if effort is None:
        return (_ADAPTIVE if shown else None), None
    return _ADAPTIVE, nearest(effort, levels)
