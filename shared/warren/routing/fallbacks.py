"""Where a request goes on when a group has failed."""

from collections.abc import Iterable, Iterator

from warren.contracts import Knobs, Target
from warren.errors import InvalidRequest, WarrenError
from warren.routing.groups import Group, Groups
from warren.routing.rules import Cause, Fallbacks, Rules, cause

EVERY = "*"
"""Names all groups that have no fallbacks of their own."""
_SPECIAL = {
    Cause.CONTEXT_WINDOW: "context_window_fallbacks",
    Cause.CONTENT_POLICY: "content_policy_fallbacks",
}


def ahead(error: WarrenError, names: Iterable[str], rules: Rules, knobs: Knobs) -> tuple[Target, ...]:
    """The fallbacks of a group, which may have several names, for this error.

    Those for the kind of error go before those for any; what a request says stands in place of what the configuration
    does.
    """
    if knobs.disable_fallbacks:
        return ()
    if error.code == "unsupported_parameter" and isinstance(error, InvalidRequest):
        special = None
        if not rules.fallback_on_unsupported_params:
            return ()
    else:
        special = _SPECIAL.get(cause(error.code))
    for kind in (special, "fallbacks"):
        if kind is not None and (found := _of(kind, tuple(names), rules, knobs)):
            return found
    return ()


def reachable(model: str, groups: Groups, rules: Rules, knobs: Knobs) -> Iterator[tuple[Target, Group]]:
    """All groups that a request for this one may go on to, whatever goes wrong on its way, and how it asks there."""
    waiting = [] if knobs.disable_fallbacks else [Target(model=model)]
    seen: set[str] = set()
    while waiting:
        target = waiting.pop()
        group = groups.find(target.model)
        if group is None or group.key in seen:
            continue
        if seen:
            yield target, group
        seen.add(group.key)
        for kind in (*_SPECIAL.values(), "fallbacks"):
            waiting += _of(kind, (target.model, group.name), rules, knobs)


def _of(kind: str, names: tuple[str, ...], rules: Rules, knobs: Knobs) -> tuple[Target, ...]:
    said: Fallbacks | None = getattr(knobs, kind)
    given: Fallbacks = getattr(rules, kind) if said is None else said
    return next((given[name] for name in (*names, EVERY) if name in given), ())
