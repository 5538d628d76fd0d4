"""Errors as OpenAI writes them, and all the servers that mean to do so."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from time import time
from typing import Any

from pydantic_core import from_json

from warren.errors import WarrenError
from warren_worker.refusal.causes import QUOTA_CODES, concerns_money, filtered, of_status, quota, rate_limited

_STATUS = {
    "server_error": 500,
    "internal_server_error": 500,
    "api_error": 500,
    "overloaded_error": 529,
    "service_unavailable": 503,
    "timeout_error": 504,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "billing_error": 402,
    "vector_store_timeout": 504,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "invalid_prompt": 400,
    "data_residency_mismatch": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "unsupported_image_media_type": 400,
    "failed_to_download_image": 400,
}
"""What a code or, without a known one, a type inside a stream would have been as an answer."""


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
    """The error that this answer is, if it is like OpenAI's, or like those of servers that follow it."""
    return _error(status, detail(body), retry_after(headers))


def inside(error: Any) -> WarrenError:
    """The error that a stream reports after it began with status 200."""
    said = error if isinstance(error, dict) else {"message": error}
    code = said.get("code")
    if isinstance(code, int) or (isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3):
        status = int(code)
    elif str(code).startswith(("invalid_image", "invalid_base64_image", "image_", "empty_image")):
        status = 400
    else:
        status = _STATUS.get(str(code)) or _STATUS.get(str(said.get("type"))) or 500
    return _error(status, said, None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks us to wait; None if it does not say, or says nonsense."""
    try:
        if (milliseconds := headers.get("retry-after-ms") or headers.get("x-ms-retry-after-ms")) is not None:
            seconds = float(milliseconds) / 1000
        elif (value := headers.get("retry-after")) is None:
            return None
        else:
            seconds = _seconds(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds) if isfinite(seconds) else None


def detail(body: bytes) -> dict[str, Any]:
    """The object of an error's body that says what went wrong, with its words under `message`; {} if there is none."""
    try:
        value = from_json(body)
    except ValueError:
        return {}
    if isinstance(value, list):  # Gemini, where a stream was asked for
        value = next(iter(value), None)
    match value:
        case {"error": dict(error)}:
            return error
        case {"error": str(said)}:
            beside = value.get("message")  # Hugging Face and others: a word, and then a sentence
            return {**value, "message": beside if isinstance(beside, str) else said}
        case {"message": dict(inner)}:  # Mistral: FastAPI's list inside its own error
            return {**value, "message": _listed(inner.get("detail"))}
        case {"detail": told} | {"message": list(told)}:
            return {**value, "message": _listed(told)}
        case dict():
            return value
        case _:
            return {}


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time()


def _listed(told: Any) -> str:
    """FastAPI's `detail`: a sentence, or a list of what is wrong and where, without what was sent."""
    match told:
        case str():
            return told
        case {"message": str(said)} | {"error": str(said)}:
            return said
        case list():
            return "; ".join(filter(None, map(_complaint, told[:5])))
        case _:
            return ""


def _complaint(told: Any) -> str:
    match told:
        case {"loc": list(path), "msg": str(said)}:
            where = ".".join(str(part) for part in path if part != "body")
            return f"{where}: {said}" if where else said
        case {"msg": str(said)}:
            return said
        case _:
            return ""


def _error(status: int, said: dict[str, Any], wait: float | None) -> WarrenError:
    """Of an error in OpenAI's form, or in one that is almost that."""
    words, code, param = (_text(said.get(name)) for name in ("message", "code", "param"))
    kind = _text(said.get("type"))
    if kind == "content_filter":  # Moonshot
        code = kind
    if status == 429 and (kind in QUOTA_CODES or concerns_money(words or "")):
        return quota(wait)
    match said:
        case {"metadata": {"reasons": list()}} if status == 403:  # OpenRouter: what was flagged stands there as well
            return filtered()
        case {"innererror": {"code": "ResponsibleAIPolicyViolation"}} if status == 400:  # Azure
            return filtered(words or "", param=param)
        case {"error_code": "REQUEST_LIMIT_EXCEEDED"}:  # Databricks
            return rate_limited(wait)
        case {"metadata": {"raw": str(raw)}} if status < 500:  # OpenRouter: what the vendor behind it says
            words = _text(detail(raw.encode()).get("message")) or words
            return of_status(status, words or "", param=param, code=code, wait=wait)
        case _:
            return of_status(status, words or "", param=param, code=code, wait=wait)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
