"""Every failure Warren knows by name, and its form on the wire.

WarrenError
├── InvalidRequest            the caller must change the request
│   ├── PreviousNotFound
│   ├── RequestTooLarge
│   ├── IdempotencyKeyReused
│   └── ContextLengthExceeded
├── Unauthorized
│   ├── KeyBlocked
│   └── KeyExpired
├── Forbidden                 whoever asks may not do this
│   ├── EndUserBlocked
│   └── AccountBlocked
├── NotFound
│   └── ModelNotFound
├── Overloaded                a queue is full: ask again later
├── Unavailable               a part of Warren cannot be reached
│   ├── BusUnavailable
│   │   ├── Unroutable
│   │   └── PublishUnknown
│   ├── CallTimeout
│   ├── LedgerUnavailable
│   └── DeploymentsCoolingDown
├── DeadlineExceeded
├── Interrupted               the attempt that had shown output is gone
├── Cancelled
├── Limited                   a limit of ours lets no provider be asked
└── UpstreamError             the provider failed
    ├── UpstreamRefused       … and will say no again
    ├── UpstreamAuth          … because it does not accept our key
    ├── UpstreamRateLimited
    ├── UpstreamQuotaExceeded
    ├── UpstreamTimeout
    ├── UpstreamUnreachable
    └── UpstreamTruncated     … by ending without an end

The codes are stable; clients match on them. The JSON form is OpenAI's error object.
"""

from typing import Any, ClassVar, Self

_BY_CODE: dict[str, type["WarrenError"]] = {}


def named(code: str) -> bool:
    """Whether a class of failures has this code: then it is ours, not a provider's."""
    return code in _BY_CODE


class WarrenError(Exception):
    """A failure with a stable code, an HTTP status and a message made for the caller."""

    status: int = 500
    code: str | None = "server_error"
    type: str = "server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.code is not None:
            _BY_CODE.setdefault(cls.code, cls)

    def body(self) -> dict[str, Any]:
        """OpenAI's error object: all four keys, always."""
        return {"error": self.detail()}

    def detail(self) -> dict[str, Any]:
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}

    @classmethod
    def from_detail(
        cls, detail: dict[str, Any], status: int | None = None, retry_after: float | None = None
    ) -> "WarrenError":
        """The error that `detail` was made of, in another process."""
        code = detail.get("code") if isinstance(detail.get("code"), str) else None
        kind = _BY_CODE.get(code, cls) if code is not None else cls
        if kind is cls and detail.get("type") == InvalidRequest.type and status is not None and status < 500:
            kind = NotFound if status == NotFound.status else InvalidRequest  # their codes are many, or none
        error = kind(str(detail.get("message") or "The request failed."), code=code, status=status)
        error.type = detail.get("type") or kind.type
        error.param = detail.get("param")
        error.retry_after = retry_after
        return error


class InvalidRequest(WarrenError):
    """The request cannot be served as it is; `param` names the field."""

    status = 400
    code: str | None = None
    type = "invalid_request_error"


class PreviousNotFound(InvalidRequest):
    code = "previous_response_not_found"

    @classmethod
    def of(cls, response_id: str) -> Self:
        return cls(f"Previous response with id '{response_id}' not found.", param="previous_response_id")


class RequestTooLarge(InvalidRequest):
    status = 413
    code = "request_too_large"


class IdempotencyKeyReused(InvalidRequest):
    """The key stands for another request already."""

    status = 422
    code = "idempotency_key_reused"
    type = "idempotency_error"


class ContextLengthExceeded(InvalidRequest):
    code = "context_length_exceeded"


class Unauthorized(WarrenError):
    status = 401
    code = "invalid_api_key"
    type = "invalid_request_error"


class KeyBlocked(Unauthorized):
    code = "key_blocked"


class KeyExpired(Unauthorized):
    code = "key_expired"


class Forbidden(WarrenError):
    """Whoever asks is known, and may not do this."""

    status = 403
    code = "permission_denied"
    type = "invalid_request_error"


class EndUserBlocked(Forbidden):
    code = "end_user_blocked"


class AccountBlocked(Forbidden):
    code = "account_blocked"


class NotFound(WarrenError):
    status = 404
    code: str | None = None
    type = "invalid_request_error"


class ModelNotFound(NotFound):
    code = "model_not_found"


class Overloaded(WarrenError):
    """A queue is full. `retry_after` says when there may be room, in seconds."""

    status = 503
    code = "overloaded"


class Unavailable(WarrenError):
    status = 503
    code = "unavailable"


class BusUnavailable(Unavailable):
    """The broker cannot be reached. Nothing was sent."""

    code = "bus_unavailable"


class Unroutable(BusUnavailable):
    """Nobody is at that address."""

    code = "unroutable"


class PublishUnknown(BusUnavailable):
    """The broker did not confirm in time. The message may still arrive."""

    code = "publish_unknown"


class CallTimeout(Unavailable):
    """No answer in time. The call may still have its effect."""

    code = "call_timeout"


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"


class DeploymentsCoolingDown(Unavailable):
    """All that could answer have failed so often that they are left alone for a while."""

    code = "deployments_cooling_down"


class DeadlineExceeded(WarrenError):
    status = 504
    code = "deadline_exceeded"


class Interrupted(WarrenError):
    """The process that was answering is gone, and its output had been shown: nobody may go on for it."""

    status = 502
    code = "interrupted"


class Cancelled(WarrenError):
    status = 499
    code = "cancelled"
    type = "invalid_request_error"


class UpstreamError(WarrenError):
    """The provider failed."""

    status = 502
    code = "upstream_error"
    retry: ClassVar[bool] = True


class UpstreamRefused(UpstreamError):
    """The provider understood the request and said no. Asking again will not help."""

    status = 400
    code = "upstream_refused"
    type = "invalid_request_error"
    retry = False


class UpstreamAuth(UpstreamError):
    """The provider does not accept our credentials; the caller's are fine."""

    code = "upstream_auth"
    retry = False


class UpstreamRateLimited(UpstreamError):
    status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"


class UpstreamQuotaExceeded(UpstreamError):
    """Our account at the provider is used up. Asking again will not help before somebody pays."""

    status = 429
    code = "insufficient_quota"
    type = "insufficient_quota"
    retry = False


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class UpstreamUnreachable(UpstreamError):
    code = "upstream_unreachable"


class UpstreamTruncated(UpstreamError):
    """The provider's stream ended without saying how. What came until then is kept."""

    code = "upstream_truncated"


class Limited(WarrenError):
    """What the configuration allows of a deployment is used up; the provider was not asked. `retry_after` says when
    there may be room, in seconds; without it, there is never any for so large a request.
    """

    status = 429
    code = "deployment_limit_reached"
    type = "rate_limit_error"
