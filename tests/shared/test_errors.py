"""Errors: one tree, stable codes, and the same on the other side of the bus."""

import pytest

from warren import errors
from warren.contracts import Fault, decode, encode
from warren.errors import InvalidRequest, NotFound, WarrenError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WarrenError)]

# What clients match on. A line here is only ever added.
CODES = {
    "WarrenError": ("server_error", 500, "server_error"),
    "InvalidRequest": (None, 400, "invalid_request_error"),
    "PreviousNotFound": ("previous_response_not_found", 400, "invalid_request_error"),
    "IdempotencyKeyReused": ("idempotency_key_reused", 422, "idempotency_error"),
    "RequestTooLarge": ("request_too_large", 413, "invalid_request_error"),
    "ContextLengthExceeded": ("context_length_exceeded", 400, "invalid_request_error"),
    "Unauthorized": ("invalid_api_key", 401, "invalid_request_error"),
    "KeyBlocked": ("key_blocked", 401, "invalid_request_error"),
    "KeyExpired": ("key_expired", 401, "invalid_request_error"),
    "Forbidden": ("permission_denied", 403, "invalid_request_error"),
    "EndUserBlocked": ("end_user_blocked", 403, "invalid_request_error"),
    "AccountBlocked": ("account_blocked", 403, "invalid_request_error"),
    "NotFound": (None, 404, "invalid_request_error"),
    "ModelNotFound": ("model_not_found", 404, "invalid_request_error"),
    "Overloaded": ("overloaded", 503, "server_error"),
    "Unavailable": ("unavailable", 503, "server_error"),
    "BusUnavailable": ("bus_unavailable", 503, "server_error"),
    "Unroutable": ("unroutable", 503, "server_error"),
    "PublishUnknown": ("publish_unknown", 503, "server_error"),
    "CallTimeout": ("call_timeout", 503, "server_error"),
    "LedgerUnavailable": ("ledger_unavailable", 503, "server_error"),
    "DeploymentsCoolingDown": ("deployments_cooling_down", 503, "server_error"),
    "Limited": ("deployment_limit_reached", 429, "rate_limit_error"),
    "DeadlineExceeded": ("deadline_exceeded", 504, "server_error"),
    "Interrupted": ("interrupted", 502, "server_error"),
    "Cancelled": ("cancelled", 499, "invalid_request_error"),
    "UpstreamError": ("upstream_error", 502, "server_error"),
    "UpstreamRefused": ("upstream_refused", 400, "invalid_request_error"),
    "UpstreamAuth": ("upstream_auth", 502, "server_error"),
    "UpstreamRateLimited": ("rate_limit_exceeded", 429, "rate_limit_error"),
    "UpstreamQuotaExceeded": ("insufficient_quota", 429, "insufficient_quota"),
    "UpstreamTimeout": ("upstream_timeout", 504, "server_error"),
    "UpstreamUnreachable": ("upstream_unreachable", 502, "server_error"),
    "UpstreamTruncated": ("upstream_truncated", 502, "server_error"),
}


def across(error: WarrenError) -> WarrenError:
    fault = decode(encode(Fault.of(error)))
    assert isinstance(fault, Fault)
    return fault.error()


def test_codes_are_stable() -> None:
    assert {kind.__name__: (kind.code, kind.status, kind.type) for kind in KINDS} == CODES


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in KINDS if kind.code is not None]
    assert len(codes) == len(set(codes))


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    for kind in KINDS:
        assert f" {kind.__name__}" in f" {errors.__doc__}".replace("\n", " ")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_the_same_on_the_other_side(kind: type[WarrenError]) -> None:
    error = kind("No.", param="input[0].role", retry_after=2.5)
    again = across(error)
    assert type(again) is kind
    assert again.body() == error.body()
    assert (again.status, again.retry_after, str(again)) == (error.status, 2.5, "No.")


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("No.", code="invalid_type", param="input"),
        InvalidRequest("No."),
        NotFound("No.", code="something_else"),
        NotFound("No."),
        errors.UpstreamRefused("No.", status=422),
        errors.UpstreamError("No.", status=500),
    ],
)
def test_codes_of_other_makes_keep_their_kind(error: WarrenError) -> None:
    again = across(error)
    assert type(again) is type(error)
    assert (again.status, again.code, again.type, again.body()) == (error.status, error.code, error.type, error.body())


def test_the_body_has_all_four_keys() -> None:
    assert InvalidRequest("No.").body() == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}
    }


def test_an_error_of_a_newer_sender_is_an_error() -> None:
    again = WarrenError.from_detail({"message": "New.", "type": "new_error", "code": "new"}, 418, 3.0)
    assert (again.status, again.code, again.type, again.retry_after) == (418, "new", "new_error", 3.0)
    assert WarrenError.from_detail({}).message == "The request failed."
