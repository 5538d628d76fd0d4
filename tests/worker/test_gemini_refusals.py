"""What errors of Google's mean to who asks Warren."""

from typing import Any

import pytest
from pydantic_core import to_json

from warren.errors import (
    ContextLengthExceeded,
    UpstreamAuth,
    UpstreamError,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
)
from warren_worker.dialects.gemini.refusals import inside, refusal

RPC = "type.googleapis.com/google.rpc."
CURRENT = "You exceeded your current quota, please check your plan and billing details."


def violated(*quotas: str) -> dict[str, Any]:
    return {"@type": f"{RPC}QuotaFailure", "violations": [{"quotaId": quota} for quota in quotas]}


def info(reason: str) -> dict[str, Any]:
    return {"@type": f"{RPC}ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def retry(delay: str) -> dict[str, Any]:
    return {"@type": f"{RPC}RetryInfo", "retryDelay": delay}


CASES: list[tuple[int, str, list[Any], type[UpstreamError] | type[ContextLengthExceeded]]] = [
    (400, "Invalid value at 'contents'", [], UpstreamRefused),
    (400, "User location is not supported for the API use.", [], UpstreamRefused),
    (400, "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).", [],
     ContextLengthExceeded),
    (400, "API key not valid. Please pass a valid API key.", [info("API_KEY_INVALID")], UpstreamAuth),
    (400, "API Key not found. Please pass a valid API key.", [], UpstreamAuth),
    (400, "It has expired.", [info("API_KEY_EXPIRED")], UpstreamAuth),
    (401, "Request had invalid authentication credentials.", [], UpstreamAuth),
    (403, "Permission denied on resource project p-123.", [], UpstreamAuth),
    (403, "This API method requires billing to be enabled.", [info("BILLING_DISABLED")], UpstreamQuotaExceeded),
    (404, "Publisher Model `projects/p-123/locations/x` was not found.", [], UpstreamRefused),
    (429, "Resource has been exhausted (e.g. check quota).", [], UpstreamRateLimited),
    (429, CURRENT, [violated("GenerateRequestsPerMinutePerProjectPerModel"), retry("13s")], UpstreamRateLimited),
    (429, CURRENT, [violated("TokensPerMinute", "GenerateRequestsPerDayPerProjectPerModel"), retry("13s")],
     UpstreamQuotaExceeded),
    (429, CURRENT, [retry("13s")], UpstreamRateLimited),
    (429, CURRENT, [], UpstreamQuotaExceeded),
    (429, "Your prepayment credits are depleted.", [], UpstreamQuotaExceeded),
    (499, "The operation was cancelled.", [], UpstreamError),
    (500, "An internal error has occurred.", [], UpstreamError),
    (503, "The model is overloaded.", [], UpstreamError),
    (504, "Deadline expired.", [], UpstreamTimeout),
]  # fmt: skip


@pytest.mark.parametrize(("status", "message", "details", "kind"), CASES)
@pytest.mark.parametrize("listed", [False, True])
def test_an_error_is_what_its_status_and_details_say(
    status: int, message: str, details: list[Any], kind: type[Exception], listed: bool
) -> None:
    error = {"error": {"code": status, "message": message, "status": "X", "details": details}}
    answer = refusal(status, {}, to_json([error] if listed else error))
    assert type(answer) is kind
    streamed = inside(error["error"])
    assert type(streamed) is kind
    assert "p-123" not in answer.message


def test_the_time_to_wait_is_googles() -> None:
    body = to_json({"error": {"code": 429, "message": "x", "details": [retry("20.04s")]}})
    assert refusal(429, {"retry-after": "7"}, body).retry_after == 20.04
    assert refusal(429, {"retry-after": "7"}, b"{}").retry_after == 7
    for nonsense in ("soon", "-1s", "1e9s", 7):
        details = [{"@type": f"{RPC}RetryInfo", "retryDelay": nonsense}, 7]
        assert refusal(429, {}, to_json({"error": {"details": details}})).retry_after is None


def test_a_request_that_is_wrong_is_told_so_without_our_projects_name() -> None:
    said = "The tuned model in projects/p-123/locations/us is not ready for project 456."
    answer = refusal(400, {}, to_json({"error": {"message": said}}))
    assert answer.message == "The tuned model in the project/locations/us is not ready for the project."


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[7]", b"7", b'{"error": 7}', b'{"error": {"details": {}}}'])
def test_an_error_without_words_is_one_too(body: bytes) -> None:
    assert isinstance(refusal(500, {}, body), UpstreamError)
    assert isinstance(refusal(400, {}, body), UpstreamRefused)


@pytest.mark.parametrize(("error", "kind"), [
    ({"status": "RESOURCE_EXHAUSTED"}, UpstreamRateLimited),
    ({"status": "DEADLINE_EXCEEDED"}, UpstreamTimeout),
    ({"code": True}, UpstreamError),
    ({"code": 200, "status": ["X"]}, UpstreamError),
    ("boom", UpstreamError),
])  # fmt: skip
def test_an_error_inside_a_stream_may_have_no_code(error: Any, kind: type[Exception]) -> None:
    assert type(inside(error)) is kind
