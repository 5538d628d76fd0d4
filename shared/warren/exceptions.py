"""What calls of the SDK raise, by LiteLLM's names. All are `WarrenError`s, with the gateway's stable `code`.

APIError
├── BadRequestError                  400, 413
│   ├── UnsupportedParamsError       … the model, or this way to it, cannot do that
│   ├── ContextWindowExceededError
│   └── ContentPolicyViolationError
├── AuthenticationError              401
├── PaymentRequiredError             402
├── PermissionDeniedError            403
├── NotFoundError                    404
├── UnprocessableEntityError         422
├── RateLimitError                   429
├── BudgetExceededError              429
├── InternalServerError              500
├── BadGatewayError                  502
├── ServiceUnavailableError          503
├── APIConnectionError               the gateway, or the provider, cannot be reached
│   └── Timeout                      408, 504
└── JSONSchemaValidationError        the answer is not what was asked for

`except openai.RateLimitError` and its like catch them, too, wherever the program has imported `openai`: who has not
cannot catch its exceptions, so it is never imported here.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self

from warren.errors import Unauthorized, UpstreamAuth, WarrenError


class APIError(WarrenError):
    """A call that failed. `param` names the field, if it was one; `retry_after` the seconds to wait, if that helps.

    `response` and `request` are httpx's, if it came by HTTP; `body` is the error object. `outcome` is the response it
    happened to, as far as it got.
    """

    code = None
    openai: ClassVar[str] = "APIError"
    """What `openai` calls it."""

    def __new__(cls, *_arguments: Any, **_named: Any) -> Self:
        kind: Any = cls
        if "openai" in sys.modules:
            kind = _theirs(kind)
        made: Self = super().__new__(kind)
        return made

    def __init__(
        self,
        message: str,
        llm_provider: str | None = None,
        model: str | None = None,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        kind: str | None = None,
        retry_after: float | None = None,
        response: Any = None,
        outcome: Any = None,
    ) -> None:
        Exception.__init__(self, message)  # what is between here and there may be openai's, and wants more
        self.message = message
        self.llm_provider = llm_provider
        self.model = model
        self.status = status or type(self).status
        self.code = code
        self.param = param
        self.type = kind or type(self).type
        self.retry_after = retry_after
        self.response = response
        self.request = response.request if response is not None else None
        self.request_id = response.headers.get("x-request-id") if response is not None else None
        self.body = self.detail()  # type: ignore[assignment, method-assign]  # a dict, as openai has it
        self.outcome = outcome

    @property
    def status_code(self) -> int:
        return self.status

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what belongs to a connection."""
        state = {**self.__dict__, "response": None, "request": None}
        return _plain(type(self)), self.args, state


class BadRequestError(APIError):
    """The request must change."""

    status = 400
    type = "invalid_request_error"
    openai = "BadRequestError"


class UnsupportedParamsError(BadRequestError):
    pass


class ContextWindowExceededError(BadRequestError):
    pass


class ContentPolicyViolationError(BadRequestError):
    pass


class AuthenticationError(APIError):
    """The gateway does not take this key; or, inside of a program, the provider does not."""

    status = 401
    type = "invalid_request_error"
    openai = "AuthenticationError"


class PaymentRequiredError(APIError):
    status = 402
    openai = "APIStatusError"


class PermissionDeniedError(APIError):
    status = 403
    openai = "PermissionDeniedError"


class NotFoundError(APIError):
    status = 404
    type = "invalid_request_error"
    openai = "NotFoundError"


class UnprocessableEntityError(APIError):
    status = 422
    type = "invalid_request_error"
    openai = "UnprocessableEntityError"


class RateLimitError(APIError):
    status = 429
    type = "rate_limit_error"
    openai = "RateLimitError"


class BudgetExceededError(APIError):
    status = 429
    type = "budget_exceeded"
    openai = "RateLimitError"


class InternalServerError(APIError):
    openai = "InternalServerError"


class BadGatewayError(APIError):
    """The provider failed, or what it said was cut off."""

    status = 502
    openai = "InternalServerError"


class ServiceUnavailableError(APIError):
    status = 503
    openai = "InternalServerError"


class APIConnectionError(APIError):
    openai = "APIConnectionError"


class Timeout(APIConnectionError):
    status = 408
    openai = "APITimeoutError"


class JSONSchemaValidationError(APIError):
    status = 502
    openai = "APIResponseValidationError"


_BY_CODE: dict[str | None, type[APIError]] = {
    "budget_exceeded": BudgetExceededError,
    "content_filter": ContentPolicyViolationError,
    "content_policy_violation": ContentPolicyViolationError,
    "context_length_exceeded": ContextWindowExceededError,
    "deadline_exceeded": Timeout,
    "invalid_structured_output": JSONSchemaValidationError,
    "unsupported_parameter": UnsupportedParamsError,
    "upstream_timeout": Timeout,
    "upstream_unreachable": APIConnectionError,
}
_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: Timeout,
    422: UnprocessableEntityError,
    429: RateLimitError,
    500: InternalServerError,
    502: BadGatewayError,
    503: ServiceUnavailableError,
    504: Timeout,
}


def of(
    detail: Mapping[str, Any],
    status: int | None = None,
    *,
    inside: bool = False,
    retry_after: float | None = None,
    model: str | None = None,
    response: Any = None,
    outcome: Any = None,
) -> APIError:
    """The exception for an error object. `inside` of a program, the key that a provider refuses is the caller's."""
    known = WarrenError.from_detail(dict(detail), status)
    if inside and known.code == UpstreamAuth.code:
        status = Unauthorized.status
    status = status or known.status
    other = BadRequestError if status < 500 else InternalServerError
    kind = _BY_CODE.get(known.code) or _BY_STATUS.get(status, other)
    return kind(
        known.message,
        model=model,
        status=status,
        code=known.code if isinstance(detail.get("code"), str) else None,
        param=known.param,
        kind=known.type,
        retry_after=retry_after,
        response=response,
        outcome=outcome,
    )


def _theirs(kind: Any) -> Any:
    """This class, which is openai's of the same meaning, too."""
    other = getattr(sys.modules["openai"], kind.openai, None)
    return kind if other is None or issubclass(kind, other) else _both(kind, other)


@cache
def _both(kind: Any, other: Any) -> Any:
    return type(kind.__name__, (kind, other), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def _plain(kind: type) -> type:
    """The class as it is written here."""
    return next(base for base in kind.__mro__ if base in vars(sys.modules[__name__]).values())
