"""What servers of the Responses API refuse."""

from collections.abc import Iterator
from typing import Any

from fastapi import Request
from openai.types.responses import ResponseInputItemParam, ResponseTextConfigParam, ToolParam
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from pydantic import TypeAdapter, ValidationError

from tests.rig.vendors import Json
from tests.rig.vendors.script import Think

_ITEM: TypeAdapter[Any] = TypeAdapter(ResponseInputItemParam)
_TOOL: TypeAdapter[Any] = TypeAdapter(ToolParam)
_TEXT: TypeAdapter[Any] = TypeAdapter(ResponseTextConfigParam)
_KNOWN = ResponseCreateParamsBase.__annotations__.keys() | {"stream"}
_REFUSED = {
    "xai": frozenset({"metadata", "presence_penalty", "frequency_penalty", "service_tier"}),
    "volcengine": frozenset({"metadata"}),
    "azure": frozenset({"context_management"}),
}
_KEYLESS = ("hosted_vllm",)
_SEALED = Think("").signature


def wrong(vendor: str, body: Json, request: Request) -> Iterator[str]:
    """All that is wrong with a request."""
    yield from _unkeyed(vendor, request)
    known = _KNOWN - _REFUSED.get(vendor, frozenset())
    yield from (f"Unknown parameter: '{name}'." for name in body.keys() - known)
    items = body["input"] if isinstance(body["input"], list) else []
    called: set[str] = set()
    for at, item in enumerate(items):
        stated = {"status": "completed"} if vendor == "azure" and item.get("type") == "message" else {}
        yield from _valid(_ITEM, {**stated, **item}, f"input[{at}]")
        yield from _item(vendor, item, f"input[{at}]", called)
    for at, tool in enumerate(body.get("tools") or ()):
        yield from _valid(_TOOL, tool, f"tools[{at}]")
        if vendor == "xai" and "search_context_size" in tool:
            yield f"Unknown parameter: 'tools[{at}].search_context_size'."
    if "text" in body:
        yield from _valid(_TEXT, body["text"], "text")
    if body.get("previous_response_id") is not None and vendor:
        yield "Previous response not found."
    if vendor and vendor != "openai" and body.get("store") is not False:
        yield "store: nothing is kept here"


def _unkeyed(vendor: str, request: Request) -> Iterator[str]:
    key = "api-key" in request.headers or request.headers.get("authorization", "").startswith("Bearer ")
    if vendor and vendor not in _KEYLESS and not key:
        yield "no key"
    if vendor == "azure" and "/openai/v1/" not in request.url.path and "api-version" not in request.query_params:
        yield "no api-version"


def _item(vendor: str, item: Json, path: str, called: set[str]) -> Iterator[str]:
    match item:
        case {"type": "function_call", "call_id": str(id_)}:
            called.add(id_)
        case {"type": "function_call_output", "call_id": str(id_)} if id_ not in called:
            yield f"No tool call found for function call output with call_id {id_}."
        case {"type": "reasoning"} if item.get("encrypted_content") != _SEALED:
            yield f"{path}: the encrypted content could not be verified"
    if vendor == "azure" and item.get("type") in ("message", "reasoning") and "status" in item:
        yield f"Unknown parameter: '{path}.status'."


def _valid(adapter: TypeAdapter[Any], value: Any, path: str) -> Iterator[str]:
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as error:
        yield f"{path}: {error.errors(include_url=False, include_input=False)[0]['msg']}"
