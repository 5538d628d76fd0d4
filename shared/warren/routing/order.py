"""The strategies: in which order the deployments of a group are asked."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from math import inf, log

from warren.deployments import Deployment
from warren.routing.board import Board
from warren.routing.rules import Rules

Chance = Callable[[], float]
"""Gives uniform numbers in [0, 1)."""
Rate = Callable[[Deployment], Decimal | None]
"""What a deployment costs, to be compared with others; None: nobody knows."""

EXPLORED = 0.25
"""How often one of those goes first whose latency is not known, while that of others is."""


def ordered(
    deployments: Sequence[Deployment],
    rules: Rules,
    board: Board,
    chance: Chance,
    now: float,
    *,
    stream: bool = False,
    rate: Rate | None = None,
) -> list[Deployment]:
    """All of them: levels of `order` first, inside of these by the strategy; where that sees no difference, as
    `shuffled` does.
    """
    rest = shuffled(deployments, lambda _deployment: 1 - chance())
    match rules.strategy:
        case "least-busy":
            rest.sort(key=lambda one: board.load(one.id, now).in_flight)
        case "usage-based-routing" | "usage-based-routing-v2":
            rest.sort(key=lambda one: _used(one, board, now))
        case "latency-based-routing":
            rest = _fastest_first(rest, rules, board, chance, now, stream=stream)
        case "cost-based-routing" if rate is not None:
            rest.sort(key=lambda one: _dear(rate(one)))
        case _:
            pass
    return sorted(rest, key=lambda one: inf if one.params.order is None else one.params.order)


def shuffled(deployments: Sequence[Deployment], draw: Callable[[Deployment], float]) -> list[Deployment]:
    """By weighted chance, which `draw` gives for each, in (0, 1].

    A deployment of weight w comes before one of weight v with probability w / (w + v) (Efraimidis and Spirakis, 2006).
    """
    raced = [
        (-log(draw(one)) / weight if weight else inf, number, one)
        for number, (one, weight) in enumerate(zip(deployments, _weights(deployments), strict=True))
    ]
    return [one for _, _, one in sorted(raced, key=lambda entry: entry[:2])]


def _weights(deployments: Sequence[Deployment]) -> Iterator[float]:
    """By `weight`, else by `rpm`, else by `tpm`, whichever any of them has. Without a limit one may take as much as
    the one that may take the most.
    """
    for name, default in (("weight", 1.0), ("rpm", None), ("tpm", None)):
        given = [getattr(one.params, name) for one in deployments]
        if any(given):
            most = max(value for value in given if value is not None)
            yield from (value if value is not None else default or most for value in given)
            return
    yield from (1.0 for _ in deployments)


def _used(one: Deployment, board: Board, now: float) -> tuple[bool, int, int]:
    """Who has had its share of the minute comes last."""
    load, params = board.load(one.id, now), one.params
    full = (params.tpm is not None and load.tokens >= params.tpm) or (
        params.rpm is not None and load.requests >= params.rpm
    )
    return full, load.tokens, load.requests


def _fastest_first(
    deployments: list[Deployment], rules: Rules, board: Board, chance: Chance, now: float, *, stream: bool
) -> list[Deployment]:
    """By the time to the first event for a stream, else by that for a token. Those that are about as fast as the
    fastest stay as they are, in front.
    """
    loads = [board.load(one.id, now) for one in deployments]
    means = [load.first_event if stream else load.per_token for load in loads]
    known = [(mean, number) for number, mean in enumerate(means) if mean is not None]
    unknown = [number for number, mean in enumerate(means) if mean is None]
    if known:
        equal = min(known)[0] * (1 + rules.latency_buffer)
        known.sort(key=lambda one: (max(one[0], equal), one[1]))
    explored = unknown[:1] if known and chance() < EXPLORED else []
    order = explored + [number for _, number in known] + [number for number in unknown if number not in explored]
    return [deployments[number] for number in order]


def _dear(rate: Decimal | None) -> tuple[bool, Decimal]:
    return rate is None, rate or Decimal(0)
