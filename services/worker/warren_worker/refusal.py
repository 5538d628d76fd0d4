"""What OpenAI-shaped errors mean, as an answer to a call or inside a stream.

What the provider says about a request is passed on; what it says about our key, or itself, is not.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
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
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "vector_store_timeout": 504,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "data_residency_mismatch": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "unsupported_image_media_type": 400,
    "failed_to_download_image": 400,
}
"""What a code or, without a known one, a type inside a stream would have been as an answer."""
_KEY_CODES = frozenset({"invalid_api_key", "authentication_error"})
_ABOUT_KEY = re.compile(r"api[ _-]?key|\bsk-", re.IGNORECASE)


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
    """The error that this answer is."""
    return _error(status, _detail(body), retry_after(headers))


def inside(error: Any) -> WarrenError:
    """The error that a stream reports after it began with status 200."""
    detail = error if isinstance(error, dict) else {"message": error}
    code = detail.get("code")
    if isinstance(code, int) or (isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3):
        status = int(code)
    elif str(code).startswith(("invalid_image", "invalid_base64_image", "image_", "empty_image")):
        status = 400
    else:
        status = _STATUS.get(str(code)) or _STATUS.get(str(detail.get("type"))) or 500
    return _error(status, detail, None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks us to wait; None if it does not say, or says nonsense."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            seconds = float(milliseconds) / 1000
        elif (value := headers.get("retry-after")) is None:
            return None
        else:
            seconds = _seconds(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds) if isfinite(seconds) else None


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time()


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
    said = detail["message"][:_LONGEST] if isinstance(detail.get("message"), str) else ""
    match status:
        case 401 | 403:
            return _unaccepted()
        case 402 | 429 if status == 402 or "insufficient_quota" in (code, detail.get("type")):
            return UpstreamQuotaExceeded("The provider's quota for this model is used up.", retry_after=wait)
        case 429:
            return UpstreamRateLimited("The provider limits the rate of requests to this model.", retry_after=wait)
        case 408:
            return UpstreamTimeout("The provider took too long to read the request.", retry_after=wait)
        case 409:
            return UpstreamError("The provider reports a conflict.", retry_after=wait)
        case _ if 400 <= status < 500:
            return _no(status, code, param, said)
        case _:
            return UpstreamError(f"The provider failed (status {status}).", retry_after=wait)


def _no(status: int, code: str | None, param: str | None, said: str) -> WarrenError:
    """A refusal of this very request, in the provider's words, unless they are about our key."""
    if code in _KEY_CODES or _ABOUT_KEY.search(said):
        return _unaccepted()
    if status == 400 and (code == "context_length_exceeded" or "context length" in said or "context size" in said):
        return ContextLengthExceeded(said or "The input is too long for this model.", param="input")
    if status == 404:
        return UpstreamRefused(said or "The provider does not know this model.", status=404, param=param, code=code)
    kept = status if status in (400, 413, 422) else 400
    return UpstreamRefused(said or "The provider refused the request.", status=kept, param=param, code=code)


def _unaccepted() -> UpstreamAuth:
    return UpstreamAuth("The provider does not accept Warren's credentials for this model.")
