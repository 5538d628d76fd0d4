"""What can be wrong with a call, by name. `wait` is what the provider asks for, in seconds.

What it says is told to the caller where he must change something, and never if it is about our key or our account.
"""

import re

from warren.errors import (
    ContextLengthExceeded,
    UpstreamAuth,
    UpstreamError,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    WarrenError,
)

_LONGEST = 2000
_KEY_CODES = frozenset({"invalid_api_key", "authentication_error"})
QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_error", "billing_hard_limit_reached", "exceeded_current_quota_error"}
)
_ABOUT_KEY = re.compile(
    r"(?<![a-z0-9_])api[ _-]?keys?(?![a-z0-9_])|\bsk-|\b(gsk_|csk-|xai-|hf_|nvapi-|pplx-|dapi)[a-z0-9]{8}"
    r"|\bAIza|\bya29\.|\bA[KS]IA[A-Z0-9]{12}|\bbearer (?!format)|access token|security token|authori[sz]ation header",
    re.IGNORECASE,
)
_ABOUT_MONEY = re.compile(
    r"credit balance|(insufficient|not enough|out of|no more) (account )?(balance|credits?|funds|quota)"
    r"|(exceeded|reached|used up|over) (your|the) [a-z -]{0,40}(credits|usage limits?|spend(ing)? limits?)",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context.?(length|size|window|limit)|maximum prompt length|(prompt|input) is too long"
    r"|input token count.{0,60}exceed|too many (input|prompt) tokens|maximum (number of )?input tokens"
    r"|reduce the length of the (messages|prompt)|tokens`? \+ `?max_new_tokens"
    r"|(prompt|input)( length)?( \d+)? exceeds? (the )?max(imum)? length"
    r"|exceeded model token limit|model max length exceeded|exceed max message tokens",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content filter(ing)? policy|content management policy|content violates [a-z ]*(guidelines|polic(y|ies))"
    r"|content exists risk|considered high risk|may contain sensitive information|unsafe or sensitive content",
    re.IGNORECASE,
)
_ABOUT_OUTPUT = re.compile(r"\W*max_(completion_|output_)?tokens", re.IGNORECASE)
"""How a complaint begins that is not about the input, whatever else it mentions."""


def of_status(
    status: int, said: str = "", *, param: str | None = None, code: str | None = None, wait: float | None = None
) -> WarrenError:
    """What an answer with this status is, where a vendor means by it what everybody does.

    `said` is what the vendor says, as far as it may concern the caller: it is only told where he must change something.
    """
    match status:
        case 403 if _FILTERED.search(said):  # xAI; its words name our key
            return filtered()
        case 401 | 403:
            return unaccepted()
        case 402:
            return quota(wait)
        case 429:
            return quota(wait) if code in QUOTA_CODES else rate_limited(wait)
        case 408 | 504:
            return timed_out(wait)
        case 409:
            return UpstreamError("The provider reports a conflict.", retry_after=wait)
        case 413 if code == "rate_limit_exceeded":  # Groq: more tokens than the account may use in a minute
            return rate_limited(wait)
        case 498 | 503 | 529:  # 498: Groq has no room for flexible requests
            return overloaded(wait)
        case _ if 400 <= status < 500:
            return refused(status, said, param=param, code=code)
        case _:
            return failed(status, wait)


def refused(status: int, said: str = "", *, param: str | None = None, code: str | None = None) -> WarrenError:
    """A refusal of this very request, in the provider's words.

    Whatever the status, words about our key or our account make it what they say, and too long an input is just that.
    """
    if code in _KEY_CODES or _ABOUT_KEY.search(said):
        return unaccepted()
    if code in QUOTA_CODES or _ABOUT_MONEY.search(said):
        return quota()
    if code == "content_filter" or _FILTERED.search(said):
        return filtered(said, param=param)
    long = _TOO_LONG.search(said) is not None and not _ABOUT_OUTPUT.match(said)
    if status in (400, 413, 422) and (code == "context_length_exceeded" or long):
        return too_long(said)
    kept = status if status in (400, 404, 413, 422) else 400
    default = "The provider does not know this model." if status == 404 else "The provider refused the request."
    return UpstreamRefused(said[:_LONGEST] or default, status=kept, param=param, code=code)


def too_long(said: str = "") -> WarrenError:
    """More input than the model takes."""
    if _ABOUT_KEY.search(said):
        return unaccepted()
    return ContextLengthExceeded(said[:_LONGEST] or "The input is too long for this model.", param="input")


def filtered(said: str = "", *, param: str | None = None) -> WarrenError:
    """A filter of the provider's does not let the prompt pass."""
    if _ABOUT_KEY.search(said):
        return unaccepted()
    default = "The provider's content filter refused the request."
    return UpstreamRefused(said[:_LONGEST] or default, param=param, code="content_filter")


def unaccepted() -> UpstreamAuth:
    """Our key is bad, or may not do this."""
    return UpstreamAuth("The provider does not accept Warren's credentials for this model.")


def rate_limited(wait: float | None = None) -> UpstreamRateLimited:
    return UpstreamRateLimited("The provider limits the rate of requests to this model.", retry_after=wait)


def quota(wait: float | None = None) -> UpstreamQuotaExceeded:
    """Somebody must pay, or a month must end."""
    return UpstreamQuotaExceeded("The provider's quota for this model is used up.", retry_after=wait)


def timed_out(wait: float | None = None) -> UpstreamTimeout:
    return UpstreamTimeout("The provider took too long over the request.", retry_after=wait)


def overloaded(wait: float | None = None) -> UpstreamError:
    return UpstreamError("The provider is overloaded.", retry_after=wait)


def failed(status: int | None = None, wait: float | None = None) -> UpstreamError:
    """The provider's own fault."""
    told = f" (status {status})" if status is not None else ""
    return UpstreamError(f"The provider failed{told}.", retry_after=wait)


def concerns_money(said: str) -> bool:
    """Whether this is about what our account may use, or has to pay."""
    return _ABOUT_MONEY.search(said) is not None
