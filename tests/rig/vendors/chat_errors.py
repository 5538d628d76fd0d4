"""How servers of Chat Completions and Responses say no, each in the form of its own."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse, Response

from tests.rig.vendors import Json

_ERRORS: dict[str, tuple[int, str | None, str | None, str]] = {
    "400": (400, "invalid_request_error", None, "Something is wrong with the request."),
    "404": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    "500": (500, "server_error", None, "The server had an error."),
    "key": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-of-ours."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "overload": (503, "server_error", None, "The engine is currently overloaded."),
    "context": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens. Please reduce the length of the messages.",
    ),
}
"""OpenAI's own: status, type, code and message."""
_LONG = "This model's maximum context length is 32768 tokens, and you asked for 41000."
_DEVIATIONS: dict[tuple[str, str], tuple[int, str | None, str | None, str]] = {
    ("deepseek", "quota"): (402, "unknown_error", "invalid_request_error", "Insufficient Balance"),
    ("deepseek", "context"): (400, "invalid_request_error", "invalid_request_error", _LONG),
    ("openrouter", "quota"): (402, None, None, "Insufficient credits."),
    ("openrouter", "overload"): (502, None, None, "Provider returned error"),
    ("openrouter", "context"): (400, None, None, "This endpoint's maximum context length is 32768 tokens."),
    ("nvidia_nim", "quota"): (402, None, None, "Cloud credits expired."),
    ("hosted_vllm", "quota"): (402, None, None, "Payment Required"),
    ("huggingface", "quota"): (402, None, None, "You have exceeded your monthly included credits."),
    ("groq", "overload"): (498, "server_error", "capacity_exceeded", "Flex tier capacity exceeded."),
    ("mistral", "context"): (
        400,
        "invalid_request_prompt",
        "3051",
        "Prompt contains 41000 tokens, too large for model with 32768 maximum context length",
    ),
    ("mistral", "429"): (429, "rate_limited", "1300", "Rate limit exceeded"),
    ("mistral", "quota"): (402, "payment_required", None, "No active subscription."),
    ("moonshot", "quota"): (429, "exceeded_current_quota_error", None, "Your account is suspended."),
    ("fireworks_ai", "context"): (
        400,
        "invalid_request_error",
        None,
        "The prompt is too long: 41000, model maximum context length: 32768",
    ),
    ("xai", "context"): (
        400,
        None,
        "Client specified an invalid argument",
        "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
    ),
    ("databricks", "429"): (429, None, "REQUEST_LIMIT_EXCEEDED", "Exceeded workspace rate limit."),
    ("databricks", "quota"): (402, None, "INSUFFICIENT_FUNDS", "The account has no funds."),
    ("databricks", "context"): (400, None, "BAD_REQUEST", "prompt is too long: 215032 tokens > 200000 maximum"),
    ("azure", "key"): (401, None, "401", "Access denied due to invalid subscription key sk-of-ours."),
    ("azure", "404"): (404, None, "DeploymentNotFound", "The API deployment for this resource does not exist."),
    ("azure", "429"): (429, None, "RateLimitReached", "Your requests have exceeded the call rate limit."),
}


def refusal(vendor: str, error: str, message: str | None, headers: Mapping[str, str]) -> Response:
    """The answer that says so."""
    known = _DEVIATIONS.get((vendor, error)) or _ERRORS.get(error) or (int(error), "server_error", None, "No.")
    status, kind, code, said = known
    more = {"retry-after": "2"} if status == 429 and error != "quota" else {}
    return JSONResponse(_body(vendor, status, kind, code, message or said), status, {**headers, **more})


def _body(vendor: str, status: int, kind: str | None, code: str | None, message: str) -> Json:
    match vendor:
        case "mistral":
            return {"object": "error", "message": message, "type": kind, "param": None, "code": code}
        case "databricks":
            return {"error_code": code or "INVALID_PARAMETER_VALUE", "message": message}
        case "xai":
            return {"code": code or "The service is unavailable", "error": message}
        case "huggingface":
            return {"error": message}
        case "nvidia_nim":
            return {"status": status, "title": "Error", "detail": message}
        case "openrouter":
            return {"error": {"code": status, "message": message, "metadata": {"provider_name": "Fake"}}}
        case "azure":
            return {"error": {"code": code or str(status), "message": message, "type": kind, "param": None}}
        case "hosted_vllm":
            return {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": status}
        case _:
            return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def inside(vendor: str) -> Json:
    """What comes in the middle of a stream."""
    match vendor:
        case "openrouter":
            ended = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": "error"}
            return {"error": {"code": 502, "message": "Provider disconnected"}, "choices": [ended]}
        case "groq":
            return {"choices": [], "x_groq": {"id": "req_1", "error": "the model went away"}}
        case _:
            return {"error": {"message": "The server had an error.", "type": "server_error", "code": None}}
