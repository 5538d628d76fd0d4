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
from warren_worker.refusal import (
    failed,
    filtered,
    inside,
    overloaded,
    quota,
    rate_limited,
    refusal,
    refused,
    retry_after,
    timed_out,
    too_long,
    unaccepted,
)


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
    (400, [], UpstreamRefused, 400, "upstream_refused"),
    (400, {"error": {"message": ["x"]}}, UpstreamRefused, 400, "upstream_refused"),
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


FASTAPI = {"detail": [{"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "Gone", "input": "hush"}]}
VENDORS: list[tuple[str, int, Any, type[WarrenError], int, str, str]] = [
    ("Mistral", 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "param": None,
     "code": "1500"}, UpstreamRefused, 400, "1500", "Invalid model: x"),
    ("Mistral, FastAPI", 422, FASTAPI, UpstreamRefused, 422, "upstream_refused", "messages.0.content: Gone"),
    ("Mistral, both", 422, {"object": "error", "message": FASTAPI, "type": "invalid_request_error"},
     UpstreamRefused, 422, "upstream_refused", "messages.0.content: Gone"),
    ("Mistral, too long", 400, {"object": "error", "message": "Prompt contains 40000 tokens, too large for model with "
     "32768 maximum context length"}, ContextLengthExceeded, 400, "context_length_exceeded", "40000 tokens"),
    ("Mistral, key", 401, {"detail": "hush"}, UpstreamAuth, 502, "upstream_auth", ""),
    ("vLLM, old", 400, {"object": "error", "message": "No.", "type": "BadRequestError", "param": None, "code": 400},
     UpstreamRefused, 400, "upstream_refused", "No."),
    ("vLLM, new", 400, said("This model's maximum context length is 8 tokens.", type="BadRequestError", code=400),
     ContextLengthExceeded, 400, "context_length_exceeded", "8 tokens"),
    ("vLLM, model", 404, said("The model `x` does not exist.", type="NotFoundError", code=404),
     UpstreamRefused, 404, "upstream_refused", "does not exist"),
    ("NIM", 400, {"detail": "Inference error"}, UpstreamRefused, 400, "upstream_refused", "Inference error"),
    ("NIM, error", 400, {"error": "No."}, UpstreamRefused, 400, "upstream_refused", "No."),
    ("NIM, problem", 404, {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "No function x"},
     UpstreamRefused, 404, "upstream_refused", "No function x"),
    ("Hugging Face, credits", 402, {"error": "hush"}, UpstreamQuotaExceeded, 429, "insufficient_quota", ""),
    ("Hugging Face, loading", 503, {"error": "hush is loading", "estimated_time": 20}, UpstreamError, 502,
     "upstream_error", "overloaded"),
    ("TGI", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
     "error_type": "validation"}, ContextLengthExceeded, 400, "context_length_exceeded", "4096"),
    ("Databricks", 429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "hush"}, UpstreamRateLimited, 429,
     "rate_limit_exceeded", ""),
    ("Databricks, odd status", 400, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "hush"}, UpstreamRateLimited,
     429, "rate_limit_exceeded", ""),
    ("Databricks, request", 400, {"error_code": "BAD_REQUEST", "message": "No."}, UpstreamRefused, 400,
     "upstream_refused", "No."),
    ("OpenRouter", 502, said("hush", code=502, metadata={"raw": "hush", "provider_name": "p"}), UpstreamError, 502,
     "upstream_error", ""),
    ("OpenRouter, credits", 402, said("hush", code=402), UpstreamQuotaExceeded, 429, "insufficient_quota", ""),
    ("OpenRouter, moderation", 403, said("hush", code=403, metadata={"reasons": ["violence"], "flagged_input": "hush"}),
     UpstreamRefused, 400, "content_filter", "filter"),
    ("OpenRouter, of the vendor behind it", 400, said("Provider returned error", code=400, metadata={"raw":
     '{"type":"error","error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}', "provider_name": "p"}),
     ContextLengthExceeded, 400, "context_length_exceeded", "9 tokens"),
    ("OpenRouter, of a vendor without JSON", 400, said("Provider returned error", code=400, metadata={"raw": "hush"}),
     UpstreamRefused, 400, "upstream_refused", "Provider returned"),
    ("Cohere", 400, {"id": "1", "message": "invalid request: no"}, UpstreamRefused, 400, "upstream_refused", "no"),
    ("Ollama", 404, {"error": "model 'x' not found"}, UpstreamRefused, 404, "upstream_refused", "not found"),
    ("Azure, filter", 400, said("The response was filtered.", type=None, param="prompt", code="content_filter",
     status=400, innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}),
     UpstreamRefused, 400, "content_filter", "filtered"),
    ("Azure, key", 401, {"statusCode": 401, "message": "hush"}, UpstreamAuth, 502, "upstream_auth", ""),
    ("Azure, deployment", 404, said("The API deployment does not exist.", code="DeploymentNotFound"),
     UpstreamRefused, 404, "DeploymentNotFound", "deployment"),
    ("Azure, rate", 429, said("hush", code="429"), UpstreamRateLimited, 429, "rate_limit_exceeded", ""),
    ("Groq, tokens a minute", 413, said("hush", type="tokens", code="rate_limit_exceeded"), UpstreamRateLimited, 429,
     "rate_limit_exceeded", ""),
    ("Groq, flex", 498, said("hush", code="flex_tier_capacity_exceeded"), UpstreamError, 502, "upstream_error", ""),
    ("Groq, output", 400, said("`max_tokens` must be at most `8`, less than the `context_window`", param="max_tokens"),
     UpstreamRefused, 400, "upstream_refused", "max_tokens"),
    ("DeepSeek", 402, said("hush"), UpstreamQuotaExceeded, 429, "insufficient_quota", ""),
    ("Anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error", "message":
     "prompt is too long: 9 tokens > 8 maximum"}}, ContextLengthExceeded, 400, "context_length_exceeded", "9 tokens"),
    ("Anthropic, output", 400, {"type": "error", "error": {"type": "invalid_request_error", "message":
     "max_tokens: 9 > 8, which is the maximum"}}, UpstreamRefused, 400, "upstream_refused", "max_tokens"),
    ("Anthropic, both", 400, said("input length and `max_tokens` exceed context limit: 9 + 9 > 8"),
     ContextLengthExceeded, 400, "context_length_exceeded", "9 + 9"),
    ("Anthropic, credit", 400, said("Your credit balance is too low: hush"), UpstreamQuotaExceeded, 429,
     "insufficient_quota", ""),
    ("Anthropic, month", 400, said("You have reached your specified API usage limits. hush"), UpstreamQuotaExceeded,
     429, "insufficient_quota", ""),
    ("Anthropic, month as a rate", 429, said("You have exceeded your monthly spend limit. hush",
     type="rate_limit_error"), UpstreamQuotaExceeded, 429, "insufficient_quota", ""),
    ("Anthropic, overloaded", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "hush"}},
     UpstreamError, 502, "upstream_error", "overloaded"),
    ("Gemini, in a list", 400, [said("No.", status="INVALID_ARGUMENT", code=400)], UpstreamRefused, 400,
     "upstream_refused", "No."),
    ("Gemini, key", 400, said("API key not valid. hush", status="INVALID_ARGUMENT", code=400), UpstreamAuth, 502,
     "upstream_auth", ""),
    ("Gemini, long", 400, said("The input token count (9) exceeds the maximum number of tokens allowed (8)."),
     ContextLengthExceeded, 400, "context_length_exceeded", "(9)"),
    ("Bedrock", 400, {"message": "Input is too long for requested model."}, ContextLengthExceeded, 400,
     "context_length_exceeded", "too long"),
    ("Bedrock, token", 403, {"message": "The security token included in the request is hush"}, UpstreamAuth, 502,
     "upstream_auth", ""),
    ("xAI", 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: hush"},
     UpstreamAuth, 502, "upstream_auth", ""),
    ("xAI, filter", 403, {"code": "The caller does not have permission", "error": "Content violates usage guidelines. "
     "Team: hush, API key ID: hush, Failed check: SAFETY_CHECK_TYPE_BIO"}, UpstreamRefused, 400, "content_filter", ""),
    ("Anthropic, filter", 400, said("Output blocked by content filtering policy"), UpstreamRefused, 400,
     "content_filter", "filtering policy"),
    ("DeepSeek, filter", 400, said("Content Exists Risk"), UpstreamRefused, 400, "content_filter", "Risk"),
    ("Moonshot, filter", 400, said("The request was rejected", type="content_filter"), UpstreamRefused, 400,
     "content_filter", "rejected"),
    ("Moonshot, too long", 400, said("Invalid request: Your request exceeded model token limit: 8192"),
     ContextLengthExceeded, 400, "context_length_exceeded", "8192"),
    ("Z.ai, too long", 400, said("Prompt exceeds max length", code="1261"), ContextLengthExceeded, 400,
     "context_length_exceeded", "max length"),
    ("Volcengine, too long", 400, said("Input length 9000 exceeds the maximum length 8192", code="InvalidParameter"),
     ContextLengthExceeded, 400, "context_length_exceeded", "9000"),
    ("Volcengine, filter", 400, said("The request failed because the input text may contain sensitive information.",
     code="InputTextSensitiveContentDetected"), UpstreamRefused, 400, "content_filter", "sensitive"),
    ("a field that is too long", 400, said("Invalid 'user': string too long. Expected maximum length 64"),
     UpstreamRefused, 400, "upstream_refused", "64"),
    ("a key of some vendor's", 400, said("hush: gsk_abcdefgh1234"), UpstreamAuth, 502, "upstream_auth", ""),
    ("a tool of that name", 400, said("Invalid schema for 'rotate_api_key'"), UpstreamRefused, 400, "upstream_refused",
     "rotate_api_key"),
    ("some server", 504, b"<html>hush</html>", UpstreamTimeout, 504, "upstream_timeout", ""),
]  # fmt: skip
"""Who, its status and body, what that is to us, and a part of what a client is told."""


@pytest.mark.parametrize(("who", "status", "body", "kind", "ours", "code", "told"), VENDORS)
def test_each_vendors_error_is_known_by_our_name(
    who: str, status: int, body: Any, kind: type[WarrenError], ours: int, code: str, told: str
) -> None:
    error = refusal(status, {"retry-after": "3"}, body if isinstance(body, bytes) else to_json(body))
    assert type(error) is kind, who
    assert (error.status, error.code) == (ours, code)
    assert told in error.message
    assert "hush" not in error.message
    assert error.retry_after in (None, 3.0)


@pytest.mark.parametrize("make", [refused, too_long, filtered], ids=lambda make: str(make.__name__))
def test_nothing_about_our_key_is_ever_told(make: Any) -> None:
    error = make(400, "bad sk-hush") if make is refused else make("bad sk-hush")
    assert type(error) is UpstreamAuth
    assert "hush" not in error.message


def test_what_went_wrong_can_be_made_by_its_name() -> None:
    assert (
        rate_limited(2).retry_after == quota(2).retry_after == overloaded(2).retry_after == failed(500, 2).retry_after
    )
    assert (timed_out(2).status, unaccepted().code, filtered().code) == (504, "upstream_auth", "content_filter")
    assert (too_long().param, too_long("Too long.").message) == ("input", "Too long.")
    assert (rate_limited().retry, quota().retry, overloaded().retry, failed().retry) == (True, False, True, True)


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
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
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
