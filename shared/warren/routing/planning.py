"""Which deployments of a group may be asked for a request, and in which order."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import random

from warren.deployments import Deployment
from warren.errors import InvalidRequest, ModelNotFound, WarrenError
from warren.routing.board import Board
from warren.routing.groups import Group, Groups
from warren.routing.order import Chance, Rate, ordered, shuffled
from warren.routing.rules import Rules

DEFAULT = "default"
"""The tag of deployments for requests whose tags no deployment has."""


@dataclass(frozen=True, slots=True)
class Router:
    """What decisions are made of."""

    groups: Groups
    rules: Rules
    board: Board = field(default_factory=Board)
    chance: Chance = random
    rate: Rate | None = None
    """For routing by cost."""

    def known(self, model: str) -> Group:
        """The group of this name.

        Raises:
            ModelNotFound: there is none.
        """
        group = self.groups.find(model)
        if group is None:
            raise ModelNotFound(f"The model '{model}' does not exist or you do not have access to it.", param="model")
        return group


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a plan has to know of a request."""

    tags: Sequence[str] = ()
    stream: bool = False
    holder: str | None = None
    """The deployment that has the session: it goes first."""
    barred: Collection[str] = ()
    """Deployments that have no budget for it."""
    sticky: str | None = None
    """What belongs together and should go to one place: the same text gives the same order."""


def plan(router: Router, group: Group, wish: Wish, now: float) -> list[Deployment]:
    """The deployments that may be asked, in the order to ask them.

    Who cannot be asked at the moment is in it all the same: whoever walks looks at that again.

    Raises:
        InvalidRequest: there is none for these tags.
        WarrenError: there is none that has a budget for it.
    """
    tagged = _tagged(group, wish.tags, router.rules)
    allowed = [one for one in tagged if one.id not in wish.barred]
    if tagged and not allowed:
        raise WarrenError("A budget is used up.", code="insufficient_quota", status=429)
    if wish.sticky is not None:
        text = wish.sticky
        order = shuffled(allowed, lambda one: _share(text, one.id))
    else:
        rules, board, chance = router.rules, router.board, router.chance
        order = ordered(allowed, rules, board, chance, now, stream=wish.stream, rate=router.rate)
    return sorted(order, key=lambda one: one.id != wish.holder)


def _tagged(group: Group, tags: Sequence[str], rules: Rules) -> Sequence[Deployment]:
    """Those with the tags of the request; else, and for a request without any, those for all, if there are such."""
    if not rules.tag_filtering:
        return group.deployments
    enough = any if rules.tags_match_any else all
    found = [one for one in group.deployments if tags and enough(tag in one.params.tags for tag in tags)]
    found = found or [one for one in group.deployments if DEFAULT in one.params.tags]
    if tags and not found:
        raise InvalidRequest(
            f"No deployment of '{group.name}' is for requests with these tags.",
            param="tags",
            code="no_tagged_deployment",
        )
    return found or group.deployments


def _share(text: str, deployment: str) -> float:
    """A number in (0, 1] that is the same whoever asks (rendezvous hashing)."""
    digest = hashlib.blake2b(f"{text}\0{deployment}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) + 1) / 2**64
