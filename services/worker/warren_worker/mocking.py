"""Answers and failures that nobody gave: what `mock_response` and `mock_testing_*` ask for. No provider is called."""

from typing import Literal

from warren.errors import (
    ContextLengthExceeded,
    UpstreamAuth,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    WarrenError,
)
from warren.events import Event
from warren_worker.assembler import Assembler
from warren_worker.dialect import Stop, Text
from warren_worker.exchange import Audience

Kind = Literal["fallbacks", "context_window", "content_policy", "rate_limit"]
_SAID = "This failure was asked for."
_BY_NAME: dict[str, WarrenError] = {
    "InternalServerError": UpstreamError(_SAID),
    "ServiceUnavailableError": UpstreamError(_SAID),
    "RateLimitError": UpstreamRateLimited(_SAID),
    "Timeout": UpstreamTimeout(_SAID),
    "AuthenticationError": UpstreamAuth(_SAID),
    "ContextWindowExceededError": ContextLengthExceeded(_SAID, param="input"),
    "ContentPolicyViolationError": UpstreamRefused(_SAID, code="content_filter"),
    "BadRequestError": UpstreamRefused(_SAID),
}
"""LiteLLM's exceptions: `mock_response: "litellm.RateLimitError"` fails in this way."""
_BY_KIND: dict[Kind, WarrenError] = {
    "fallbacks": _BY_NAME["InternalServerError"],
    "context_window": _BY_NAME["ContextWindowExceededError"],
    "content_policy": _BY_NAME["ContentPolicyViolationError"],
    "rate_limit": _BY_NAME["RateLimitError"],
}


def failure(kind: Kind) -> WarrenError:
    return _copied(_BY_KIND[kind])


def answer(said: str, assembler: Assembler, audience: Audience, now: float) -> list[Event]:
    """Say this as if a model did; gives the answer's last events.

    Raises:
        WarrenError: it names one of LiteLLM's exceptions.
    """
    if (error := _BY_NAME.get(said.removeprefix("litellm."))) is not None and said.startswith("litellm."):
        raise _copied(error)
    audience.begin()
    audience.say(assembler.feed(Text(said)))
    assembler.feed(Stop())
    return assembler.finish(now)


def _copied(error: WarrenError) -> WarrenError:
    return type(error)(error.message, param=error.param, code=error.code, status=error.status)
