"""What the sections say about the way of requests, as rules; and what of it means nothing, by its place."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args

from warren.config.sections import ByGroup, File, Going, LitellmSettings, OneOrMore, RouterSettings
from warren.contracts import Target
from warren.located import Where
from warren.requests.rewritten import overridable
from warren.routing.fallbacks import EVERY
from warren.routing.groups import Groups
from warren.routing.rules import Affinity, Alias, Cause, Fallbacks, Rules, Strategy

T = TypeVar("T")
Told = tuple[Where, str]
"""A place, and what is to be said of it."""

NO_EFFECT = "has no effect"
_HOLDER = {"responses_api_deployment_check", "encrypted_content_affinity"}
"""Names of what is done in any case: who holds a session is asked first."""
_AFFINITIES: dict[str, Affinity] = {
    "session_affinity": "session",
    "deployment_affinity": "account",
    "prompt_caching": "prompt",
}
_LIMITS = {"enforce_model_rate_limits"}
"""Limits are enforced in any case."""
_DEFAULT = "Default"
_LISTS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")


def rules(file: File) -> Rules:
    """In force; the router's settings go before those of the same name for everything."""
    router, everywhere = file.router_settings, file.litellm_settings
    args = router.routing_strategy_args or {}
    retries = _policy(router.retry_policy, "Retries")
    said = {
        "strategy": router.routing_strategy if router.routing_strategy in get_args(Strategy) else None,
        "latency_buffer": _number(args.get("lowest_latency_buffer")),
        "window": _number(args.get("ttl")),
        "num_retries": (router.retry_policy or {}).get("DefaultRetries", _either("num_retries", router, everywhere)),
        "retry_policy": retries,
        "group_retry_policy": {
            group: _policy(policy, "Retries") for group, policy in (router.model_group_retry_policy or {}).items()
        },
        "retry_after": router.retry_after,
        "allowed_fails": _either("allowed_fails", router, everywhere),
        "allowed_fails_policy": _policy(router.allowed_fails_policy, "AllowedFails"),
        "cooldown_time": _either("cooldown_time", router, everywhere),
        "disable_cooldowns": router.disable_cooldowns,
        "timeout": router.timeout or everywhere.request_timeout,
        "stream_timeout": router.stream_timeout,
        **{name: _fallbacks(_either(name, router, everywhere)) for name in _LISTS[1:]},
        "fallbacks": _fallbacks(
            _either("fallbacks", router, everywhere), _either("default_fallbacks", router, everywhere)
        ),
        "max_fallbacks": router.max_fallbacks,
        "fallback_on_unsupported_params": router.fallback_on_unsupported_params,
        "aliases": {name: _alias(value) for name, value in (router.model_group_alias or {}).items()},
        "tag_filtering": router.enable_tag_filtering,
        "tags_match_any": router.tag_filtering_match_any,
        "default_max_parallel_requests": router.default_max_parallel_requests,
        "affinity": frozenset(_AFFINITIES[one] for one in router.optional_pre_call_checks or () if one in _AFFINITIES),
        "health_check_routing": router.enable_health_check_routing,
        "litellm_headers": file.general_settings.litellm_headers,
    }
    return Rules(**{name: value for name, value in said.items() if value is not None})


def meaningless(file: File, groups: Groups) -> Iterator[Told]:
    """What of the rules cannot do anything."""
    router = file.router_settings
    at = "router_settings"
    if router.routing_strategy not in get_args(Strategy):
        yield (at, "routing_strategy"), f"{router.routing_strategy!r} is not supported: simple-shuffle is used"
    for name, value in (router.routing_strategy_args or {}).items():
        if name not in ("ttl", "lowest_latency_buffer") or _number(value) is None:
            yield (at, "routing_strategy_args", name), NO_EFFECT
    for name, policy, suffix in (
        ("retry_policy", router.retry_policy, "Retries"),
        ("allowed_fails_policy", router.allowed_fails_policy, "AllowedFails"),
    ):
        yield from (((at, name, key), NO_EFFECT) for key in _unnamed(policy, suffix))
    for group, policy in (router.model_group_retry_policy or {}).items():
        yield from (((at, "model_group_retry_policy", group, key), NO_EFFECT) for key in _unnamed(policy, "Retries"))
    for number, check in enumerate(router.optional_pre_call_checks or ()):
        if check not in _HOLDER | _AFFINITIES.keys() | _LIMITS:
            yield (at, "optional_pre_call_checks", number), f"{check!r} {NO_EFFECT}"
    for name, alias in (router.model_group_alias or {}).items():
        if groups.find(_alias(alias).group) is None:
            yield (at, "model_group_alias", name), f"there is no model {_alias(alias).group!r}"
    for section, going in ((at, router), ("litellm_settings", file.litellm_settings)):
        yield from _unfounded(section, going, groups)


def _unfounded(section: str, going: Going, groups: Groups) -> Iterator[Told]:
    """Fallbacks from and to what there is not."""
    for name in _LISTS:
        for number, mapping in enumerate(getattr(going, name) or ()):
            for group, targets in mapping.items():
                where: Where = (section, name, number, group)
                if group != EVERY and groups.find(group) is None:
                    yield where, f"there is no model {group!r}"
                yield from _unfound(where, targets, groups)
    yield from _unfound((section, "default_fallbacks"), going.default_fallbacks or (), groups)


def _unfound(where: Where, targets: Iterable[str | dict[str, Any]], groups: Groups) -> Iterator[Told]:
    for number, target in enumerate(targets):
        model = target.get("model") if isinstance(target, dict) else target
        if not isinstance(model, str):
            yield (*where, number), "it names no model"
        elif groups.find(model) is None:
            yield (*where, number), f"there is no model {model!r}"
        for name in target if isinstance(target, dict) else ():
            if name != "model" and not overridable(name):
                yield (*where, number, name), NO_EFFECT


def _either(name: str, router: RouterSettings, everywhere: LitellmSettings) -> Any:
    value = getattr(router, name)
    return getattr(everywhere, name) if value is None else value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _policy(given: Mapping[str, int | None] | None, suffix: str) -> dict[Cause, int]:
    policy = {}
    for name, number in (given or {}).items():
        if number is not None and (why := _cause(name, suffix)) is not None:
            policy[why] = number
    return policy


def _unnamed(given: Mapping[str, int | None] | None, suffix: str) -> Iterator[str]:
    return (name for name in given or () if _cause(name, suffix) is None and name != _DEFAULT + suffix)


def _cause(name: str, suffix: str) -> Cause | None:
    known = {f"{one}{suffix}": one for one in Cause}
    return known.get(name)


def _fallbacks(given: ByGroup | None, default: OneOrMore | None = None) -> Fallbacks:
    found = {group: _targets(targets) for mapping in given or () for group, targets in mapping.items()}
    if default:
        found.setdefault(EVERY, _targets(default))
    return found


def _targets(given: Iterable[str | dict[str, Any]]) -> tuple[Target, ...]:
    return tuple(
        Target(model=one)
        if isinstance(one, str)
        else Target(model=one["model"], overrides={name: one[name] for name in one if overridable(name)})
        for one in given
        if isinstance(one, str) or isinstance(one.get("model"), str)
    )


def _alias(given: str | dict[str, Any]) -> Alias:
    if isinstance(given, str):
        return Alias(given)
    return Alias(str(given.get("model")), hidden=given.get("hidden") is True)
