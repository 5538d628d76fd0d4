"""What AWS's errors mean, as an answer to a call or inside a stream."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from warren.errors import WarrenError
from warren_worker.refusal import (
    failed,
    filtered,
    of_status,
    overloaded,
    quota,
    rate_limited,
    refused,
    retry_after,
    timed_out,
    too_long,
    unaccepted,
)

_UNACCEPTED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnauthorizedException",
        "UnrecognizedClientException",
    }
)
_TOO_LONG = re.compile(
    r"(input|prompt) is too long|input tokens? (count )?exceed|number of input tokens exceeds|too many input tokens"
    r"|exceeds? the (model'?s? )?maximum (context|input)|maximum context length",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"blocked by (our |the )?content filter|content filtering policy", re.IGNORECASE)
_DAILY = re.compile(r"tokens per day", re.IGNORECASE)
_NAMES_US = re.compile(r"\barn:aws|\b\d{12}\b")
"""Whose account it is, and what is in it, is nobody's business."""


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
    """The error that this answer is. Its kind stands in a header, or else in the body."""
    said = _object(body)
    kind = str(headers.get("x-amzn-errortype") or said.get("__type") or said.get("code") or "")
    return _error(kind, status, said, retry_after(headers))


def inside(name: str, data: bytes) -> WarrenError:
    """The error that a stream reports: an exception by its member's name, which begins with a small letter."""
    return _error(name[:1].upper() + name[1:], 500, _object(data), None)


def _error(kind: str, status: int, said: Mapping[str, Any], wait: float | None) -> WarrenError:
    kind = kind.partition(":")[0].rpartition("#")[2]
    words = said.get("message") or said.get("Message")
    words = words if isinstance(words, str) and not _NAMES_US.search(words) else ""
    if kind in _UNACCEPTED:
        return unaccepted()
    match kind:
        case "ValidationException":
            return _invalid(words)
        case "ResourceNotFoundException":
            return refused(404, words)
        case "ServiceQuotaExceededException":
            return quota(wait)
        case "ThrottlingException" | "TooManyRequestsException":
            return quota(wait) if _DAILY.search(words) else rate_limited(wait)
        case "ModelNotReadyException" | "ServiceUnavailableException" | "ServiceUnavailable":
            return overloaded(wait)
        case "ModelTimeoutException":
            return timed_out(wait)
        case "ModelErrorException" | "ModelStreamErrorException":
            return failed(424, wait)
        case "InternalServerException" | "InternalFailure":
            return failed(500, wait)
        case _:
            return of_status(status, words, wait=wait)


def _invalid(words: str) -> WarrenError:
    if _TOO_LONG.search(words):
        return too_long(words)
    if _FILTERED.search(words):
        return filtered(words)
    return refused(400, words)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
