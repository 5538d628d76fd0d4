"""What a provider's errors mean to a client: the status, our code, and never a word about our key."""

import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

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
from warren_worker.refusal import inside, refusal, retry_after


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


ANSWERS: list[tuple[int, Any, type[WarrenError], int, str]] = [
    (400, said("Bad.", param="input", code="invalid_value"), UpstreamRefused, 400, "invalid_value"),
    (400, said("Bad."), UpstreamRefused, 400, "upstream_refused"),
    (400, said("Too long.", code="context_length_exceeded"), ContextLengthExceeded, 400, "context_length_exceeded"),
    (400, said("maximum context length is 8 tokens"), ContextLengthExceeded, 400, "context_length_exceeded"),
    (400, said("exceeds the available context size"), ContextLengthExceeded, 400, "context_length_exceeded"),
    (400, {"error": "Bad."}, UpstreamRefused, 400, "upstream_refused"),
    (400, {"object": "error", "message": "Bad.", "code": 400}, UpstreamRefused, 400, "upstream_refused"),
    (400, {"detail": [{"msg": "Bad."}]}, UpstreamRefused, 400, "upstream_refused"),
    (400, said("Bad.", code=7, param=[1], type=None), UpstreamRefused, 400, "upstream_refused"),
    (400, b"<html>Bad.</html>", UpstreamRefused, 400, "upstream_refused"),
    (401, said("Incorrect API key provided: sk-hush"), UpstreamAuth, 502, "upstream_auth"),
    (403, said("sk-hush may not"), UpstreamAuth, 502, "upstream_auth"),
    (400, said("API key not valid. Please pass sk-hush."), UpstreamAuth, 502, "upstream_auth"),
    (404, said("No api_key for hush"), UpstreamAuth, 502, "upstream_auth"),
    (400, said("hush", code="invalid_api_key"), UpstreamAuth, 502, "upstream_auth"),
    (402, said("Insufficient Balance"), UpstreamQuotaExceeded, 429, "insufficient_quota"),
    (404, said("No such model.", code="model_not_found"), UpstreamRefused, 404, "model_not_found"),
    (404, b"", UpstreamRefused, 404, "upstream_refused"),
    (408, b"", UpstreamTimeout, 504, "upstream_timeout"),
    (409, said("Conflict."), UpstreamError, 502, "upstream_error"),
    (413, b"", UpstreamRefused, 413, "upstream_refused"),
    (418, b"", UpstreamRefused, 400, "upstream_refused"),
    (422, said("Bad."), UpstreamRefused, 422, "upstream_refused"),
    (429, said("Slow down, key sk-hush."), UpstreamRateLimited, 429, "rate_limit_exceeded"),
    (429, said("Pay.", code="insufficient_quota"), UpstreamQuotaExceeded, 429, "insufficient_quota"),
    (429, said("Pay.", type="insufficient_quota"), UpstreamQuotaExceeded, 429, "insufficient_quota"),
    (302, b"", UpstreamError, 502, "upstream_error"),
    (500, said("hush: our database is gone"), UpstreamError, 502, "upstream_error"),
    (503, b"<html>hush</html>", UpstreamError, 502, "upstream_error"),
    (529, said("hush", type="overloaded_error"), UpstreamError, 502, "upstream_error"),
]


@pytest.mark.parametrize(("status", "body", "kind", "ours", "code"), ANSWERS)
def test_an_answer_that_is_no_is_told(status: int, body: Any, kind: type[WarrenError], ours: int, code: str) -> None:
    error = refusal(status, {}, body if isinstance(body, bytes) else to_json(body))
    assert type(error) is kind
    assert (error.status, error.code) == (ours, code)
    assert "hush" not in error.message
    assert "<html>" not in error.message
    assert error.message


def test_what_a_provider_says_about_the_request_is_passed_on() -> None:
    error = refusal(400, {}, to_json(said("No tools here.", param="tools", code="unsupported_value")))
    assert (error.message, error.param, error.code) == ("No tools here.", "tools", "unsupported_value")


def test_only_so_much_is_passed_on() -> None:
    assert len(refusal(400, {}, to_json(said("x" * 100_000))).message) == 2000


@pytest.mark.parametrize(
    ("error", "retried"),
    [(500, True), (502, True), (408, True), (409, True), (429, True), (400, False), (401, False), (402, False)],
)
def test_what_may_go_better_the_next_time_is_tried_again(error: int, retried: bool) -> None:
    failed = refusal(error, {}, b"")
    assert isinstance(failed, UpstreamError)
    assert failed.retry is retried


INSIDE: list[tuple[Any, type[WarrenError], str]] = [
    ({"message": "hush", "type": "server_error"}, UpstreamError, "upstream_error"),
    ({"message": "hush", "code": "server_error"}, UpstreamError, "upstream_error"),
    ({"message": "No.", "type": "invalid_request_error"}, UpstreamRefused, "upstream_refused"),
    ({"message": "No.", "code": "invalid_prompt"}, UpstreamRefused, "invalid_prompt"),
    ({"message": "No.", "code": "invalid_image_url"}, UpstreamRefused, "invalid_image_url"),
    ({"message": "No.", "code": "context_length_exceeded"}, ContextLengthExceeded, "context_length_exceeded"),
    ({"message": "hush", "code": "rate_limit_exceeded"}, UpstreamRateLimited, "rate_limit_exceeded"),
    ({"message": "hush", "code": "insufficient_quota"}, UpstreamQuotaExceeded, "insufficient_quota"),
    ({"message": "hush", "code": "invalid_api_key"}, UpstreamAuth, "upstream_auth"),
    ({"message": "hush", "type": "authentication_error"}, UpstreamAuth, "upstream_auth"),
    ({"message": "hush", "type": "overloaded_error"}, UpstreamError, "upstream_error"),
    ({"message": "hush", "code": 503}, UpstreamError, "upstream_error"),
    ({"message": "hush", "code": "429"}, UpstreamRateLimited, "rate_limit_exceeded"),
    ({"message": "hush", "code": 401}, UpstreamAuth, "upstream_auth"),
    ({"message": "hush", "code": -1}, UpstreamError, "upstream_error"),
    ({"code": "²"}, UpstreamError, "upstream_error"),
    ("hush", UpstreamError, "upstream_error"),
    (None, UpstreamError, "upstream_error"),
    ([], UpstreamError, "upstream_error"),
]


@pytest.mark.parametrize(("error", "kind", "code"), INSIDE)
def test_an_error_inside_a_stream_is_told(error: Any, kind: type[WarrenError], code: str) -> None:
    told = inside(error)
    assert type(told) is kind
    assert told.code == code
    assert "hush" not in told.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "99999"}, 99999.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, None),
    ],
)
def test_how_long_a_provider_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
    assert refusal(429, headers, b"").retry_after == seconds


def test_a_date_to_wait_for_is_so_far_away() -> None:
    wait = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert wait is not None
    assert 28 <= wait <= 31
    far = retry_after({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"})
    assert far is not None
    assert far > 1e11


@given(st.integers(300, 999), st.binary(max_size=60), st.dictionaries(st.just("retry-after"), st.text(max_size=12)))
def test_any_answer_is_an_error_of_ours(status: int, body: bytes, headers: dict[str, str]) -> None:
    assert isinstance(refusal(status, headers, body), WarrenError)
