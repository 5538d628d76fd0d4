"""Where a request goes on when a group has failed."""

from collections.abc import Iterable

from warren.contracts import Knobs, Target
from warren.errors import InvalidRequest, WarrenError
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


def _of(kind: str, names: tuple[str, ...], rules: Rules, knobs: Knobs) -> tuple[Target, ...]:
    said: Fallbacks | None = getattr(knobs, kind)
    given: Fallbacks = getattr(rules, kind) if said is None else said
    return next((given[name] for name in (*names, EVERY) if name in given), ())
