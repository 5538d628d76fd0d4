"""The walk against a slow and obvious model of it: whatever a world does, both ask the same, in the same order."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shared.routing.world import NOW, deployment
from warren.config import PROVIDERS
from warren.contracts import Cooldown, Knobs, Target, Walked
from warren.deployments import Deployment
from warren.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    UpstreamAuth,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnreachable,
    WarrenError,
)
from warren.routing.board import Board
from warren.routing.groups import Groups
from warren.routing.planning import Router, Wish
from warren.routing.rules import Rules
from warren.routing.walk import Walk

ERRORS: dict[str, WarrenError] = {
    "again": UpstreamError("again"),
    "later": UpstreamRateLimited("later", retry_after=2.0),
    "much later": UpstreamRateLimited("much later", retry_after=90.0),
    "key": UpstreamAuth("key"),
    "refused": UpstreamRefused("refused"),
    "context": ContextLengthExceeded("context"),
    "policy": UpstreamRefused("policy", code="content_filter"),
    "final": InvalidRequest("final"),
    "dead": UpstreamUnreachable("dead"),
}
GROUPS = ("a", "b", "c", "d")


@dataclass
class World:
    """What there is, what is said of it, and what each deployment answers, call by call; then it is fine."""

    groups: dict[str, list[str]]
    answers: dict[str, list[str]]
    cooling: dict[str, float]
    fallbacks: dict[str, dict[str, list[str]]]
    retries: int
    max_fallbacks: int
    disabled: bool
    asked: list[str] = field(default_factory=list)

    def answer(self, id_: str) -> str:
        return self.answers[id_].pop(0) if self.answers[id_] else "fine"


@st.composite
def worlds(draw: st.DrawFn) -> World:
    groups = {name: [f"{name}{n}" for n in range(draw(st.integers(1, 3)))] for name in GROUPS}
    ids = [id_ for group in groups.values() for id_ in group]
    answers = st.lists(st.sampled_from(list(ERRORS)), max_size=4)
    targets = st.lists(st.sampled_from([*GROUPS, "a0", "nobody"]), max_size=3)
    kinds = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
    return World(
        groups,
        {id_: draw(answers) for id_ in ids},
        draw(st.dictionaries(st.sampled_from(ids), st.sampled_from([1.0, 1000.0]), max_size=4)),
        {kind: draw(st.dictionaries(st.sampled_from([*GROUPS, "*"]), targets, max_size=3)) for kind in kinds},
        draw(st.integers(0, 3)),
        draw(st.integers(0, 3)),
        draw(st.booleans()) and draw(st.booleans()),
    )


def walked(world: World, *, hops: bool = False) -> Iterator[str]:
    """What ours does: each deployment that is asked, then how it ends. `hops`: before each, another process goes on."""
    deployments: list[Deployment] = [
        deployment(id_, name, order=place) for name, ids in world.groups.items() for place, id_ in enumerate(ids)
    ]
    to = {
        kind: {group: tuple(Target(model=name) for name in names) for group, names in lists.items()}
        for kind, lists in world.fallbacks.items()
    }
    rules = Rules(num_retries=world.retries, max_fallbacks=world.max_fallbacks, **to)  # type: ignore[arg-type]
    board = Board()
    for id_, seconds in world.cooling.items():
        board.take(Cooldown(deployment=id_, until=NOW + seconds, code="upstream_error"), NOW)
    router = Router(Groups(deployments, {}, PROVIDERS), rules, board, lambda: 0.5)
    now = NOW
    knobs = Knobs(disable_fallbacks=world.disabled)
    walk = Walk(router, "a", knobs, Wish(), now)
    while True:
        try:
            step = walk.next(now)
        except WarrenError as error:
            yield f"error {error.message}"
            return
        if step.wait > 0:
            now += step.wait
            continue
        if hops:
            told = Walked.model_validate_json(walk.walked.model_dump_json())
            walk = Walk(router, "a", knobs, Wish(), now, walked=told)
            assert walk.next(now) == step
        answer = world.answer(step.deployment.id)
        yield step.deployment.id
        if answer == "fine":
            return
        if answer == "dead":
            walk.unable(ERRORS[answer], now)
        else:
            walk.failed(ERRORS[answer], now)


class Obvious:
    """The same, told as one would tell it to a person."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = NOW
        self.seen: list[str] = []
        self.queue = ["a"]
        self.known = {**world.groups, **{id_: [id_] for ids in world.groups.values() for id_ in ids}}

    def all(self) -> Iterator[str]:
        told = None
        while True:
            group = self.queue.pop(0)
            self.seen.append(group)
            over = yield from self.group(group)
            if over in ("fine", "final"):
                yield from ["error final"] if over == "final" else []
                return
            if len(self.seen) == 1:
                told = over
            self.queue = self.ahead(group, over)
            if not self.queue:
                says = {"cooling": "All deployments of this model have failed lately."}
                assert told is not None
                yield f"error {says.get(told, told)}"
                return

    def ahead(self, group: str, why: str) -> list[str]:
        """Where to go on: to the group's own fallbacks, then to what was to come anyway; nowhere twice."""
        if self.world.disabled or len(self.seen) > self.world.max_fallbacks:
            return []
        special = {"context": "context_window_fallbacks", "policy": "content_policy_fallbacks"}.get(why)
        own: list[str] = []
        for kind in [special, "fallbacks"] if special else ["fallbacks"]:
            lists = self.world.fallbacks[kind]
            own = own or lists.get(group, lists.get("*", []))
        return [name for name in own + self.queue if name in self.known and name not in self.seen]

    def group(self, group: str) -> Generator[str, None, str]:
        """Who is asked in it; gives how that ended."""
        members = self.known[group]
        ready_at = {id_: NOW + self.world.cooling.get(id_, 0.0) for id_ in members}
        excluded: dict[str, str] = {}
        this_round: list[str] = []
        tries, why = 0, None
        while True:
            left = [id_ for id_ in members if id_ not in excluded]
            if not left:
                return list(excluded.values())[-1]
            one = self.next(left, ready_at, this_round)
            if one is None:
                soonest = min(ready_at[id_] for id_ in left)
                if why is None:
                    return "cooling"
                if soonest - self.now > (3 if self.ahead(group, why) else 60):
                    return why
                self.now = soonest
                continue
            answer = self.world.answer(one)
            yield one
            if answer in ("fine", "final"):
                return answer
            if answer == "dead":
                excluded[one] = "dead"
                continue
            why, tries = answer, tries + 1
            if answer == "context":  # nobody is known to take more
                excluded |= dict.fromkeys(members, "context")
            if answer == "key":
                excluded[one] = "key"
            if tries > self.world.retries or answer in ("refused", "policy"):
                return answer
            pause = {"later": 2.0, "much later": 90.0}.get(answer, 0.2 * 4 ** ((tries - 1) // len(members)))
            ready_at[one] = max(self.now + pause, NOW + self.world.cooling.get(one, 0.0))

    def next(self, left: list[str], ready_at: dict[str, float], this_round: list[str]) -> str | None:
        """Who is asked now: the first who was not yet, or else a new round begins with who may be asked longest."""
        ready = [id_ for id_ in left if ready_at[id_] <= self.now]
        new = [id_ for id_ in ready if id_ not in this_round]
        if ready and not new:
            this_round.clear()
        if not ready:
            return None
        this_round.append((new or ready)[0])
        return this_round[-1]


@settings(max_examples=200, deadline=None)
@given(worlds(), st.booleans())
def test_the_walk_does_what_the_model_does(world: World, hops: bool) -> None:
    _agree(world, hops=hops)


@pytest.mark.long
@settings(max_examples=2000, deadline=None)
@given(worlds(), st.booleans())
def test_the_walk_does_what_the_model_does_in_many_worlds(world: World, hops: bool) -> None:
    _agree(world, hops=hops)


def _agree(world: World, *, hops: bool) -> None:
    answers = {id_: list(given_) for id_, given_ in world.answers.items()}
    ours = list(walked(world, hops=hops))
    world.answers = answers
    assert ours == list(Obvious(world).all())
