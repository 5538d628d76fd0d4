"""What a configuration says about the way of requests, and the classes of errors that it says it by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from warren.contracts import Target

Strategy = Literal[
    "simple-shuffle",
    "least-busy",
    "latency-based-routing",
    "usage-based-routing",
    "usage-based-routing-v2",
    "cost-based-routing",
]
Affinity = Literal["session", "account", "prompt"]
"""What belongs together: what the caller says does, one account's, what has one `prompt_cache_key`."""
Fallbacks = Mapping[str, tuple[Target, ...]]
"""By the name of a group, where to go on when it fails; `*` stands for all that are not named."""


class Cause(StrEnum):
    """Classes of failures, by LiteLLM's names."""

    BAD_REQUEST = "BadRequestError"
    AUTHENTICATION = "AuthenticationError"
    TIMEOUT = "TimeoutError"
    RATE_LIMIT = "RateLimitError"
    CONTENT_POLICY = "ContentPolicyViolationError"
    INTERNAL = "InternalServerError"
    UNAVAILABLE = "ServiceUnavailableError"
    NOT_FOUND = "NotFoundError"
    CONTEXT_WINDOW = "ContextWindowExceededError"
    CONNECTION = "APIConnectionError"


_BY_CODE = {
    "context_length_exceeded": Cause.CONTEXT_WINDOW,
    "content_filter": Cause.CONTENT_POLICY,
    "content_policy_violation": Cause.CONTENT_POLICY,
    "upstream_auth": Cause.AUTHENTICATION,
    "rate_limit_exceeded": Cause.RATE_LIMIT,
    "insufficient_quota": Cause.RATE_LIMIT,
    "upstream_timeout": Cause.TIMEOUT,
    "upstream_unreachable": Cause.CONNECTION,
    "upstream_truncated": Cause.CONNECTION,
}
_BY_STATUS = {
    400: Cause.BAD_REQUEST,
    401: Cause.AUTHENTICATION,
    403: Cause.AUTHENTICATION,
    404: Cause.NOT_FOUND,
    408: Cause.TIMEOUT,
    413: Cause.BAD_REQUEST,
    422: Cause.BAD_REQUEST,
    429: Cause.RATE_LIMIT,
    503: Cause.UNAVAILABLE,
    504: Cause.TIMEOUT,
    529: Cause.UNAVAILABLE,
}


def cause(code: str | None, status: int | None = None) -> Cause:
    """The class of a failure, by our code for it, and else by the status that the provider gave."""
    return _BY_CODE.get(code or "") or _BY_STATUS.get(status or 0, Cause.INTERNAL)


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a group."""

    group: str
    hidden: bool = False
    """It can be asked for, and is not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Times are in seconds. What a deployment says goes before this, what a request says before both."""

    strategy: Strategy = "simple-shuffle"
    latency_buffer: float = 0.0
    """`lowest_latency_buffer`: who is slower than the fastest by this share of it at the most counts as equal."""
    window: float = 3600.0
    """`ttl`: how long a measured latency counts."""

    num_retries: int = 2
    """Tries in a group after the first one."""
    retry_policy: Mapping[Cause, int] = field(default_factory=dict)
    """The same by the class of the error; `DefaultRetries` is `num_retries`."""
    group_retry_policy: Mapping[str, Mapping[Cause, int]] = field(default_factory=dict)
    retry_after: float = 0.0
    """The least to wait before a deployment is asked again."""

    allowed_fails: int | None = None
    """Failures in a minute that cool a deployment down; None: nobody said."""
    allowed_fails_policy: Mapping[Cause, int] = field(default_factory=dict)
    cooldown_time: float | None = None
    """None: nobody said."""
    disable_cooldowns: bool = False

    timeout: float | None = None
    """Of one call, as a whole."""
    stream_timeout: float | None = None
    """Of one call, to its first event."""

    fallbacks: Fallbacks = field(default_factory=dict)
    """With `default_fallbacks` as those of `*`."""
    context_window_fallbacks: Fallbacks = field(default_factory=dict)
    content_policy_fallbacks: Fallbacks = field(default_factory=dict)
    max_fallbacks: int = 5
    """Groups that one request may go on to."""
    fallback_on_unsupported_params: bool = True

    aliases: Mapping[str, Alias] = field(default_factory=dict)
    tag_filtering: bool = False
    tags_match_any: bool = True
    """One tag in common is enough; else a deployment must have all of the request's."""
    default_max_parallel_requests: int | None = None
    """Of each deployment that does not say otherwise."""
    affinity: frozenset[Affinity] = frozenset()
    """What else than a session that somebody holds goes to one place."""
    health_check_routing: bool = False
    """Deployments that background checks found dead are left out."""
    litellm_headers: bool = False
    """Answers have LiteLLM's headers, too, which tell the address of who answered."""
