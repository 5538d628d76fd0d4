"""Exceptions by LiteLLM's names, caught by ours and by openai's."""

import copy
import pickle
import subprocess
import sys
from typing import Any

import openai
import pytest

from warren import exceptions
from warren.errors import Unauthorized, WarrenError
from warren.exceptions import APIError

NAMES = sorted(name for name, kind in vars(exceptions).items() if isinstance(kind, type) and issubclass(kind, APIError))
THEIRS: dict[str, type[Exception]] = {
    "APIConnectionError": openai.APIConnectionError,
    "APIError": openai.APIError,
    "AuthenticationError": openai.AuthenticationError,
    "BadGatewayError": openai.InternalServerError,
    "BadRequestError": openai.BadRequestError,
    "BudgetExceededError": openai.RateLimitError,
    "ContentPolicyViolationError": openai.BadRequestError,
    "ContextWindowExceededError": openai.BadRequestError,
    "InternalServerError": openai.InternalServerError,
    "JSONSchemaValidationError": openai.APIResponseValidationError,
    "NotFoundError": openai.NotFoundError,
    "PaymentRequiredError": openai.APIStatusError,
    "PermissionDeniedError": openai.PermissionDeniedError,
    "RateLimitError": openai.RateLimitError,
    "ServiceUnavailableError": openai.InternalServerError,
    "Timeout": openai.APITimeoutError,
    "UnprocessableEntityError": openai.UnprocessableEntityError,
    "UnsupportedParamsError": openai.BadRequestError,
}
LITELLMS = {
    "APIConnectionError", "APIError", "AuthenticationError", "BadGatewayError", "BadRequestError",
    "BudgetExceededError", "ContentPolicyViolationError", "ContextWindowExceededError", "InternalServerError",
    "JSONSchemaValidationError", "NotFoundError", "PermissionDeniedError", "RateLimitError", "ServiceUnavailableError",
    "Timeout", "UnprocessableEntityError", "UnsupportedParamsError",
}  # fmt: skip


def test_litellms_names_are_there() -> None:
    assert set(NAMES) >= LITELLMS
    assert set(NAMES) == THEIRS.keys()


@pytest.mark.parametrize("name", NAMES)
def test_openais_class_catches_it(name: str) -> None:
    kind = getattr(exceptions, name)
    with pytest.raises(THEIRS[name]) as caught:
        raise kind("no", "openai", "gpt-5")
    error: Any = caught.value
    assert issubclass(kind, WarrenError)
    assert type(error).__mro__.count(kind) == 1
    assert (error.message, error.llm_provider, error.model) == ("no", "openai", "gpt-5")
    assert error.status_code == error.status == kind.status
    assert type(error).__name__ == name
    assert str(error) == "no"


def test_what_openai_promises_is_there() -> None:
    detail = {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    error = exceptions.of(detail, 429, retry_after=2)
    assert isinstance(error, openai.RateLimitError)
    assert error.body == detail
    assert (error.code, error.type, error.param, error.retry_after) == (
        "rate_limit_exceeded", "rate_limit_error", None, 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "context_length_exceeded", "ContextWindowExceededError"),
        (400, "content_filter", "ContentPolicyViolationError"),
        (400, "unsupported_parameter", "UnsupportedParamsError"),
        (400, None, "BadRequestError"),
        (401, "invalid_api_key", "AuthenticationError"),
        (402, None, "PaymentRequiredError"),
        (403, None, "PermissionDeniedError"),
        (404, "model_not_found", "NotFoundError"),
        (409, None, "BadRequestError"),
        (413, "request_too_large", "BadRequestError"),
        (422, "idempotency_key_reused", "UnprocessableEntityError"),
        (429, "rate_limit_exceeded", "RateLimitError"),
        (429, "insufficient_quota", "RateLimitError"),
        (429, "budget_exceeded", "BudgetExceededError"),
        (500, "server_error", "InternalServerError"),
        (502, "upstream_auth", "BadGatewayError"),
        (502, "upstream_truncated", "BadGatewayError"),
        (502, "interrupted", "BadGatewayError"),
        (502, "upstream_unreachable", "APIConnectionError"),
        (502, "invalid_structured_output", "JSONSchemaValidationError"),
        (503, "overloaded", "ServiceUnavailableError"),
        (504, "upstream_timeout", "Timeout"),
        (504, "deadline_exceeded", "Timeout"),
        (599, None, "InternalServerError"),
    ],
)
def test_statuses_and_codes(status: int, code: str | None, kind: str) -> None:
    error = exceptions.of({"message": "no", "code": code}, status)
    assert isinstance(error, getattr(exceptions, kind))
    assert type(error).__name__ == kind
    assert (error.status, error.code) == (status, code)


def test_a_code_alone_says_enough() -> None:
    """As inside of a stream, which has no status."""
    assert isinstance(exceptions.of({"message": "no", "code": "upstream_timeout"}), exceptions.Timeout)
    limited = exceptions.of({"message": "no", "code": "rate_limit_exceeded"})
    assert (type(limited).__name__, limited.status) == ("RateLimitError", 429)
    assert exceptions.of({"message": "no", "code": "cyber_policy"}).code == "cyber_policy"


def test_inside_of_a_program_the_key_is_the_callers() -> None:
    error = exceptions.of({"message": "no", "code": "upstream_auth"}, 502, inside=True)
    assert isinstance(error, exceptions.AuthenticationError)
    assert error.status == 401


def test_they_can_be_copied_and_sent_to_other_processes() -> None:
    error = exceptions.of({"message": "no", "code": "rate_limit_exceeded"}, 429, retry_after=3)
    for same in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert isinstance(same, openai.RateLimitError)
        assert isinstance(same, exceptions.APIError)
        assert (same.message, same.code, same.status, same.retry_after) == ("no", "rate_limit_exceeded", 429, 3)


def test_they_are_none_of_the_services_own_failures() -> None:
    """A code that comes over the bus becomes what raised it, not an exception of the SDK."""
    assert type(WarrenError.from_detail({"message": "no", "code": "server_error"}, 500)) is WarrenError
    assert type(WarrenError.from_detail({"message": "no", "code": "invalid_api_key"}, 401)) is Unauthorized


def test_openai_is_not_imported_for_it() -> None:
    code = (
        "import sys, warren\n"
        "try: raise warren.RateLimitError('no')\n"
        "except warren.WarrenError as error: assert type(error) is warren.exceptions.RateLimitError\n"
        "assert 'openai' not in sys.modules\n"
        "import openai\n"
        "try: raise warren.RateLimitError('no')\n"
        "except openai.RateLimitError: print('caught')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "caught\n"
