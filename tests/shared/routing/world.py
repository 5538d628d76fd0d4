"""Deployments, and a router for them, in few words."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from warren.config import PROVIDERS
from warren.contracts import Failed, Gauge, Pulse, Target
from warren.deployments import Deployment
from warren.params import Info, Params
from warren.routing.board import Board
from warren.routing.cooling import Terms
from warren.routing.groups import Group, Groups
from warren.routing.order import Rate
from warren.routing.planning import Router
from warren.routing.rules import Rules

NOW = 1_000_000.0


def deployment(id_: str, group: str = "m", model: str = "openai/m", **params: Any) -> Deployment:
    info = Info(**params.pop("info", {}))
    provider, _, name = model.partition("/")
    return Deployment(id_, group, provider, name, Params(model=model, **params), info)


def router(
    deployments: Iterable[Deployment],
    seed: int = 1,
    board: Board | None = None,
    rate: Rate | None = None,
    **rules: Any,
) -> Router:
    made = Rules(**rules)
    return Router(
        Groups(deployments, made.aliases, PROVIDERS),
        made,
        Board() if board is None else board,
        Random(seed).random,
        rate,
    )


def group(deployments: Iterable[Deployment], name: str = "m") -> Group:
    return Group(name, tuple(deployments))


def to(**fallbacks: Iterable[str | Mapping[str, Any]]) -> dict[str, tuple[Target, ...]]:
    """Fallbacks by group; `every` is all others."""
    return {
        ("*" if name == "every" else name): tuple(
            Target(model=one) if isinstance(one, str) else Target(model=one["model"], overrides=dict(one["overrides"]))
            for one in targets
        )
        for name, targets in fallbacks.items()
    }


def loaded(**gauges: Mapping[str, Any]) -> Board:
    """A board that was told this by one worker."""
    board = Board()
    told = tuple(Gauge(deployment=id_, **values) for id_, values in gauges.items())
    board.take(Pulse(address="w", service="worker", version="0", slots=8, in_flight=0, gauges=told), NOW)
    return board


def cooled(*ids: str, code: str = "rate_limit_exceeded", seconds: float = 30.0) -> Board:
    """A board on which these are left alone for so long."""
    board = Board(lambda _id: Terms(seconds=seconds))
    for id_ in ids:
        for _ in range(5):
            board.take(Failed(deployment=id_, address="w", status=429, code=code), NOW)
    return board
