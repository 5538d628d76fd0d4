"""What OpenAI-shaped errors mean, as an answer to a call or inside a stream.

What the provider says about a request is passed on; what it says about our key, or itself, is not.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from pydantic_core import from_json
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
_STATUS = {
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "vector_store_timeout": 504,
    "invalid_api_key": 401,
}


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
    """The error that this answer is."""
    return _error(status, _detail(body), retry_after(headers))


def inside(error: Any) -> WarrenError:
    """The error that a stream reports after it began with status 200."""
    detail = error if isinstance(error, dict) else {"message": error}
    code = detail.get("code")
    if isinstance(code, int):
        status = code
    elif isinstance(code, str) and code.isdigit():
        status = int(code)
    else:
        known = code if isinstance(code, str) and code in _STATUS else str(detail.get("type"))
        status = _STATUS.get(known, 400 if detail.get("type") == "invalid_request_error" else 500)
    return _error(status, detail, None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks us to wait; None if it does not say, or says nonsense."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        if (value := headers.get("retry-after")) is None:
            return None
        try:
            return max(0.0, float(value))
        except ValueError:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, OverflowError):
        return None


def _detail(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body)
    except ValueError:
        return {}
    error = value.get("error", value) if isinstance(value, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _error(status: int, detail: dict[str, Any], wait: float | None) -> WarrenError:
    code = detail.get("code") if isinstance(detail.get("code"), str) else None
    param = detail.get("param") if isinstance(detail.get("param"), str) else None
    said = str(detail.get("message") or "")[:_LONGEST]
    match status:
        case 401 | 403:
            return UpstreamAuth("The provider does not accept Warren's credentials for this model.")
        case 429 if "insufficient_quota" in (code, detail.get("type")):
            return UpstreamQuotaExceeded("The provider's quota for this model is used up.", retry_after=wait)
        case 429:
            return UpstreamRateLimited("The provider limits the rate of requests to this model.", retry_after=wait)
        case 408:
            return UpstreamTimeout("The provider took too long to read the request.", retry_after=wait)
        case 400 if code == "context_length_exceeded" or "context length" in said or "context size" in said:
            return ContextLengthExceeded(said, param="input")
        case 404:
            return UpstreamRefused(said or "The provider does not know this model.", status=404, param=param, code=code)
        case 409:
            return UpstreamError("The provider reports a conflict.", retry_after=wait)
        case _ if 400 <= status < 500:
            kept = status if status in (400, 413, 422) else 400
            return UpstreamRefused(said or "The provider refused the request.", status=kept, param=param, code=code)
        case _:
            return UpstreamError(f"The provider failed (status {status}).", retry_after=wait)
