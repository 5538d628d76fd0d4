"""What Anthropic's errors mean, as an answer to a call or inside a stream."""

from collections.abc import Mapping
from typing import Any

from warren.errors import WarrenError
from warren.objects import Item
from warren_worker.refusal import detail, of_status, quota, retry_after
from warren_worker.refusal.causes import concerns_money

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""What a type inside a stream would have been as an answer."""


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
    """The error that this answer is."""
    return _error(status, detail(body), retry_after(headers))


def inside(error: Any) -> WarrenError:
    """The error that a stream reports after it began with status 200."""
    given = error if isinstance(error, dict) else {}
    return _error(_STATUS.get(str(given.get("type")), 500), given, None)


def _error(status: int, error: Item, wait: float | None) -> WarrenError:
    said = error["message"] if isinstance(error.get("message"), str) else ""
    if status == 429 and (_spent(error) or concerns_money(said)):
        return quota(wait)
    return of_status(status, said, wait=wait)


def _spent(error: Item) -> bool:
    """Whether it is money that has run out, not patience: a month's limit looks like a minute's but for this."""
    match error.get("details"):
        case {"error_code": str(code)}:
            return code.endswith("spend_limit_reached")
    return False
