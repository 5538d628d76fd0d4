"""How it goes at the moment, as the ops page is told. Pure."""

from collections.abc import Mapping
from typing import Any

from warren.contracts import Pulse
from warren.deployments import Deployment
from warren.routing.board import Board
from warren.traffic import SLICE, Sum, Traffics, percentile

Json = dict[str, Any]

STEPS = {300: 5, 900: 15, 3600: 60}
"""Seconds of a point, for each length of time that can be looked at."""
_SHARES = (0.5, 0.95, 0.99)
_LATELY = 60


def traffic(traffics: Traffics, now: float, window: int) -> Json:
    """What ended in so many seconds: as points of a curve, all together, and what did in the last minute alone. Times
    are those of whole slices.
    """
    step = STEPS[window]
    last = int(now) // step * step
    points = traffics.sums(last - window, last, step)
    total = Sum()
    for _, made in points:
        total.add(made)
    until = int(now) // SLICE * SLICE
    [(_, lately)] = traffics.sums(until - _LATELY, until, _LATELY)
    return {
        "since": traffics.since,
        "step": step,
        "points": [{"at": int(at), **_counted(made)} for at, made in points],
        "total": {**_counted(total), "errors": _most(total.errors), "refusals": _most(total.refused)},
        "minute": _counted(lately),
    }


def _counted(made: Sum) -> Json:
    return {
        "requests": made.requests,
        "failed": made.failed,
        "refused": sum(made.refused.values()),
        "background": made.background,
        "input_tokens": made.input_tokens,
        "output_tokens": made.output_tokens,
        "cost": f"{made.cost:f}",
        "first": _percentiles(made.first),
        "seconds": _percentiles(made.seconds),
    }


def _percentiles(counts: Mapping[int, int]) -> list[float] | None:
    found = [percentile(counts, share) for share in _SHARES]
    return None if None in found else [round(one or 0.0, 4) for one in found]


def _most(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def process(pulse: Pulse) -> Json:
    return {
        "service": pulse.service,
        "address": pulse.address,
        "version": pulse.version,
        "slots": pulse.slots,
        "in_flight": pulse.in_flight,
        "started_at": int(pulse.started_at) or None,
        "takes": pulse.takes,
        "lag": pulse.lag,
    }


def deployment(one: Deployment, board: Board, now: float) -> Json:
    check, cooling, load = board.check(one.id), board.cooling(one.id, now), board.load(one.id, now)
    return {
        "id": one.id,
        "group": one.group,
        "provider": one.provider,
        "model": one.model,
        "cooling_until": round(now + cooling) if cooling else None,
        "cooling_for": board.why(one.id) if cooling else None,
        "checked_at": None if check is None else int(check.at),
        "check": None if check is None else "up" if check.up else check.code or "down",
        "in_flight": load.in_flight,
        "requests": load.requests,
        "tokens": load.tokens,
        "first_event": None if load.first_event is None else round(load.first_event, 4),
        "per_token": None if load.per_token is None else round(load.per_token, 6),
    }
