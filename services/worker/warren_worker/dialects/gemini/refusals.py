"""What errors of Google's mean: a `google.rpc.Status`, on its own or in a list."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from warren.errors import WarrenError
from warren.objects import Item
from warren_worker.refusal import detail, failed, of_status, quota, rate_limited, refused, retry_after, unaccepted

_ABOUT_KEY = frozenset(
    {"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED", "CONSUMER_SUSPENDED"}
)
_ABOUT_MONEY = frozenset({"BILLING_DISABLED"})
_PAY = re.compile(r"billing|credits", re.IGNORECASE)
_OURS = re.compile(r"projects/[^\s/`'\"]+|project[ :]+`?[\w-]*\d[\w-]*`?", re.IGNORECASE)
"""The name of our project, which is no caller's affair."""
_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
    """The error that this answer is."""
    return _error(status, detail(body), retry_after(headers))


def inside(error: Any) -> WarrenError:
    """The error that a stream reports after it began with status 200."""
    said = error if isinstance(error, dict) else {}
    code = said.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else _STATUS.get(str(said.get("status")), 500)
    return _error(status, said, None)


def _error(status: int, said: Item, wait: float | None) -> WarrenError:
    message = said["message"] if isinstance(said.get("message"), str) else ""
    delay = _delay(said)
    wait = wait if delay is None else delay
    reasons = {str(one.get("reason")) for one in _details(said)}
    if reasons & _ABOUT_MONEY:
        return quota(wait)
    if reasons & _ABOUT_KEY:
        return unaccepted()
    match status:
        case 404:
            return refused(404)  # its words name our project
        case 429:
            return quota(wait) if _spent(said, message, waits=delay is not None) else rate_limited(wait)
        case 499:
            return failed(status, wait)
        case _:
            return of_status(status, _OURS.sub("the project", message), wait=wait)


def _spent(said: Item, message: str, *, waits: bool) -> bool:
    """Whether it is the day's or the account's quota, which no short wait brings back, and not the minute's."""
    violated = [str(one.get("quotaId")) for more in _details(said) for one in more.get("violations") or ()]
    if violated:
        return any("PerDay" in quota_id for quota_id in violated)
    return not waits and _PAY.search(message) is not None


def _delay(said: Item) -> float | None:
    """Seconds to wait, of a `RetryInfo`: `"13s"`, `"20.04s"`."""
    for more in _details(said):
        delay = more.get("retryDelay")
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", delay):
            return float(delay[:-1])
    return None


def _details(said: Item) -> Iterator[Item]:
    details = said.get("details")
    return (one for one in (details if isinstance(details, list) else ()) if isinstance(one, dict))
