"""What the fake Google says: answers, whole and in chunks, and refusals."""

import base64
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tests.rig.vendors.gemini_rules import Body
from tests.rig.vendors.script import Cited, Refuse, Say, Script, Search, Step, Think, Use, Used

Json = dict[str, Any]
_STOPS = {"length": "MAX_TOKENS", "filter": "SAFETY"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RPC = "type.googleapis.com/google.rpc."
_INVALID = {"@type": f"{_RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
_PER_MINUTE = {
    "@type": f"{_RPC}QuotaFailure",
    "violations": [
        {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel",
            "quotaDimensions": {"location": "global", "model": "gemini-3-flash"},
        }
    ],
}
_RETRY = {"@type": f"{_RPC}RetryInfo", "retryDelay": "1s"}
_CURRENT = "You exceeded your current quota, please check your plan and billing details."
_ERRORS: dict[str, tuple[int, str, list[Json]]] = {
    "context": (400, "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).", []),
    "key": (400, "API key not valid. Please pass a valid API key: sk-of-ours", [_INVALID]),
    "quota": (429, "Your prepayment credits are depleted. Please manage your project and billing.", []),
    "429": (429, _CURRENT, [_PER_MINUTE, _RETRY]),
    "overload": (503, "The model is overloaded. Please try again later.", []),
    "404": (404, "models/x is not found for API version v1beta, or is not supported for generateContent.", []),
}
_CALL_SIGNATURE = base64.b64encode(b"signature-of-a-call").decode()


def refusal(error: str, message: str | None = None) -> tuple[int, Json]:
    """Status and body of an error."""
    status, words, details = _ERRORS.get(error, (0, "Something is wrong.", []))
    status = status or int(error)
    told = {"code": status, "message": message or words, "status": _STATUS.get(status, "INTERNAL")}
    return status, {"error": {**told, **({"details": details} if details and message is None else {})}}


def answer(script: Script, body: Body, model: str, number: int, *, vertex: bool, older: bool) -> Json:
    """An answer of one candidate; none to a prompt that is blocked."""
    whole = {
        "usageMetadata": _usage(script.used, vertex=vertex),
        "modelVersion": model,
        "responseId": f"resp-{number:012}",
    }
    if any(isinstance(step, Refuse) for step in script.steps):
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **whole}
    shown = body.tool_config.include_server_side_tool_invocations is True
    candidate: Json = {
        "content": {"parts": list(_parts(script.steps, body, number, older=older, shown=shown)), "role": "model"},
        "finishReason": _STOPS.get(script.stop, "STOP"),
        "index": 0,
    }
    if grounding := _grounding(script.steps):
        candidate["groundingMetadata"] = grounding
    return {"candidates": [candidate], **whole}


def chunks(script: Script, whole: Json) -> Iterator[Json]:
    """The same in chunks: text in pieces, calls whole, the end by itself."""
    rest = {name: value for name, value in whole.items() if name != "candidates"}
    if "candidates" not in whole:
        yield rest
        return
    (candidate,) = whole["candidates"]
    begun = {**rest, "usageMetadata": {**rest["usageMetadata"], "candidatesTokenCount": 1}}
    last: Json = {"text": ""}
    for parts in _cut(candidate["content"]["parts"]):
        if "text" in parts[0] and (signature := parts[0].pop("thoughtSignature", None)):
            last["thoughtSignature"] = signature
        yield {"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}], **begun}
    if script.stop == "cut":
        return
    if script.stop == "inside":
        yield refusal("overload")[1]
        return
    yield {"candidates": [{**candidate, "content": {"parts": [last], "role": "model"}}], **rest}


def _cut(parts: list[Json]) -> Iterator[list[Json]]:
    calls = [part for part in parts if "functionCall" in part]
    for part in parts:
        if "text" in part:
            text = part["text"]
            places = [*range(0, len(text), 7), len(text)]
            pieces = [text[start:end] for start, end in pairwise(places)]
            for piece in pieces[:-1]:
                yield [{name: value for name, value in part.items() if name != "thoughtSignature"} | {"text": piece}]
            yield [{**part, "text": pieces[-1] if pieces else ""}]
        elif part in calls:
            if part is calls[0]:
                yield calls
        else:
            yield [part]


def _parts(steps: tuple[Step, ...], body: Body, number: int, *, older: bool, shown: bool) -> Iterator[Json]:
    """Its parts. Thoughts are shown to those who asked for them; what they led to is signed in any case."""
    thinking = body.generation_config.thinking_config
    signature: str | None = None
    calls = 0
    for step in steps:
        match step:
            case Think(text, signed):
                signature = signed
                if thinking is not None and thinking.include_thoughts:
                    yield {"text": text, "thought": True}
            case Say(text) | Cited(text):
                yield _signed({"text": text}, signature)
                signature = None
            case Use(name, arguments):
                id_: Json = {} if older else {"id": f"fc-{number}-{calls}"}
                default = _CALL_SIGNATURE if calls == 0 and not older else None
                yield _signed({"functionCall": {**id_, "name": name, "args": arguments}}, signature or default)
                signature, calls = None, calls + 1
            case Search(query) if shown:
                kind = {"id": "search-0", "toolType": "GOOGLE_SEARCH_WEB"}
                yield _signed({"toolCall": {**kind, "args": {"queries": [query]}}}, _CALL_SIGNATURE)
                yield {"toolResponse": {**kind, "response": {"search_suggestions": "<div></div>"}}}


def _signed(part: Json, signature: str | None) -> Json:
    return part if signature is None else {**part, "thoughtSignature": signature}


def _grounding(steps: tuple[Step, ...]) -> Json:
    searches = [step for step in steps if isinstance(step, Search)]
    if not searches:
        return {}
    pages = [{"web": {"uri": url, "title": "A page"}} for search in searches for url in search.urls]
    supports = []
    for step in steps:
        if isinstance(step, Cited):
            at = next(at for at, page in enumerate(pages) if page["web"]["uri"] == step.url)
            pages[at]["web"]["title"] = step.title
            segment = {"endIndex": len(step.text.encode()), "text": step.text}
            supports.append({"segment": segment, "groundingChunkIndices": [at]})
    return {
        "searchEntryPoint": {"renderedContent": "<div></div>"},
        "groundingChunks": pages,
        "groundingSupports": supports,
        "webSearchQueries": [search.query for search in searches],
    }


def _usage(used: Used, *, vertex: bool) -> Json:
    counts = {
        "promptTokenCount": used.read,
        "candidatesTokenCount": used.written - used.reasoned,
        "totalTokenCount": used.read + used.written,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": used.read}],
    }
    if used.cached:
        counts["cachedContentTokenCount"] = used.cached
    if used.reasoned:
        counts["thoughtsTokenCount"] = used.reasoned
    return {**counts, **({"trafficType": "ON_DEMAND"} if vertex else {})}
