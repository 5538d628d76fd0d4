"""When a deployment has failed so often that it is left alone for a while.

LiteLLM's rules, with two that it lacks: a provider that cannot be reached counts like one that fails, and a budget
that is used up cools until it is there again, if the provider says when.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from warren.contracts import Failed
from warren.deployments import Deployment
from warren.routing.rules import Cause, Rules

MINUTE = 60.0
ALLOWED = 3
"""Failures in a minute, where nobody said how many."""
SECONDS = 5.0
"""A cooldown, where nobody said how long."""
_LONGEST = 86_400.0
_POLICY = "AllowedFails"
"""How LiteLLM's names for classes of errors end, where they say how many are allowed."""
_OWN_FAULT = frozenset({Cause.BAD_REQUEST, Cause.CONTENT_POLICY, Cause.CONTEXT_WINDOW})
"""What says something about the request, not about the deployment, unless a policy wants it counted."""
_SURE = frozenset({Cause.RATE_LIMIT, Cause.AUTHENTICATION})
"""What the next call would meet, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for the failures of one deployment."""

    alone: bool = False
    """Its group has no other: leaving it alone leaves nothing."""
    allowed: int | None = None
    """Failures in a minute that do not matter yet; None: nobody said."""
    allowed_by: Mapping[Cause, int] = field(default_factory=lambda: MappingProxyType({}))
    """The same by what it was, counted on its own."""
    seconds: float | None = None
    """The deployment's own length of a cooldown; 0: it is never cooled down."""
    seconds_by_default: float = SECONDS
    never: bool = False


def after(failed: Failed, why: Cause, recent: Sequence[Cause], succeeded: int, terms: Terms) -> float | None:
    """For how many seconds to leave a deployment alone after this failure; None: go on.

    `recent` are the causes of its failures in the last minute, this one among them; `succeeded` counts its other calls.
    Where somebody said how many failures are allowed, only their number counts. Else a limit or a key that is not
    accepted cools at once, and anything else when it is more than ALLOWED and more than half of all calls. What is
    alone in its group is left alone only when it does nothing but fail.
    """
    if terms.never or terms.seconds == 0:
        return None
    used_up = failed.code == "insufficient_quota" and failed.retry_after is not None
    if used_up or _too_many(why, recent, succeeded, terms):
        return _seconds(failed, terms, used_up=used_up)
    return None


def counts(why: Cause, terms: Terms) -> bool:
    """Whether such a failure says anything about this deployment."""
    return why not in _OWN_FAULT or why in terms.allowed_by


def _too_many(why: Cause, recent: Sequence[Cause], succeeded: int, terms: Terms) -> bool:
    if why in terms.allowed_by:
        return sum(one is why for one in recent) > terms.allowed_by[why]
    failures = sum(one not in terms.allowed_by for one in recent)
    if terms.allowed is not None:
        return failures > terms.allowed
    if why in _SURE and not terms.alone:
        return True
    return failures > ALLOWED and (succeeded == 0 if terms.alone else failures > succeeded)


def _seconds(failed: Failed, terms: Terms, *, used_up: bool) -> float:
    if used_up:
        return min(max(failed.retry_after or 0.0, terms.seconds or 0.0), _LONGEST)
    if terms.seconds is not None:
        return terms.seconds
    return min(failed.retry_after or terms.seconds_by_default, _LONGEST)


def terms(rules: Rules, deployments: Collection[Deployment]) -> dict[str, Terms]:
    """What a configuration says of the failures of each deployment, by its id."""
    groups = Counter(deployment.group for deployment in deployments)
    return {deployment.id: _terms(rules, deployment, alone=groups[deployment.group] == 1) for deployment in deployments}


def _terms(rules: Rules, deployment: Deployment, *, alone: bool) -> Terms:
    known = {f"{cause}{_POLICY}": cause for cause in Cause}
    own = {known[name]: most for name, most in deployment.allowed_fails_policy.items() if name in known}
    return Terms(
        alone=alone,
        allowed=rules.allowed_fails if deployment.allowed_fails is None else deployment.allowed_fails,
        allowed_by={**rules.allowed_fails_policy, **own},
        seconds=deployment.cooldown_time,
        seconds_by_default=SECONDS if rules.cooldown_time is None else rules.cooldown_time,
        never=rules.disable_cooldowns,
    )
