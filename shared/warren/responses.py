"""The Responses API's objects, as far as Warren acts on them. Unknown fields are kept as they came."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from warren.errors import InvalidRequest

Item = dict[str, Any]
"""An input or output item in its JSON form."""

TERMINAL = frozenset({"completed", "incomplete", "failed", "cancelled"})

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class CreateResponse(BaseModel):
    """The body of `POST /v1/responses`. Null means the default, as it does at OpenAI."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1)]
    input: Annotated[str, Field(max_length=10_485_760)] | list[Item]
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    background: bool | None = None
    metadata: Metadata | None = None
    max_output_tokens: Annotated[int, Field(ge=16)] | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    parallel_tool_calls: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: list[Item] | None = None
    tool_choice: str | Item | None = None
    text: Item | None = None
    reasoning: Item | None = None
    include: list[str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    user: str | None = None
    stream_options: Item | None = None


_CODES = {
    "missing": "missing_required_parameter",
    "literal_error": "invalid_value",
    "enum": "invalid_value",
    "greater_than_equal": "below_min_value",
    "less_than_equal": "above_max_value",
    "string_too_long": "string_above_max_length",
    "string_too_short": "string_below_min_length",
    "too_long": "above_max_length",
    "finite_number": "invalid_value",
}


def parse(body: bytes) -> CreateResponse:
    """The request that these bytes hold.

    Raises:
        InvalidRequest: with the path of the field and OpenAI's code for what is wrong with it.
    """
    try:
        return CreateResponse.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> InvalidRequest:
    """One refusal out of many: a missing field first, else the first; of a union, what got furthest."""
    problems = error.errors(include_url=False, include_input=False)
    problem = next((one for one in problems if one["type"] == "missing"), problems[0])
    problem = max((one for one in problems if one["loc"][:1] == problem["loc"][:1]), key=lambda one: len(one["loc"]))
    kind = problem["type"]
    if kind == "json_invalid":
        return InvalidRequest(
            "We could not parse the JSON body of your request: " + str(problem["msg"]).removeprefix("Invalid JSON: "),
            code="invalid_json",
        )
    path = _path(problem["loc"])
    if not path:
        return InvalidRequest("The body of the request must be a JSON object.", code="invalid_type")
    if kind == "missing":
        return InvalidRequest(f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter")
    if path == "model" and kind == "string_too_short":
        return InvalidRequest("The model must not be empty.", param=path, code="model_not_found")
    code = _CODES.get(kind, "invalid_type")
    if code.endswith(("_min_value", "_max_value")):
        code = ("decimal_" if path in {"temperature", "top_p"} else "integer_") + code
    elif code == "above_max_length":
        code = "object_above_max_properties" if path == "metadata" else "array_above_max_length"
    return InvalidRequest(f"Invalid '{path}': {problem['msg']}.", param=path, code=code)


def _path(where: tuple[int | str, ...]) -> str:
    """A pydantic location in OpenAI's notation: `input[0].role`. Branches of a union are not part of it."""
    path = ""
    for step in where:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in _BRANCHES:
            path += f".{step}" if path else step
    return path


_BRANCHES = frozenset({"str", "constrained-str", "list[dict[str,any]]", "dict[str,any]", "[key]"})


def blank(request: Item, *, response_id: str, created_at: float) -> Item:
    """The response object before anything has happened: every key of the API, and true echoes of the request."""
    given = _given(request)
    response: Item = {
        "id": response_id,
        "object": "response",
        "created_at": int(created_at),
        "completed_at": None,
        "status": "in_progress",
        "background": given.get("background", False),
        "error": None,
        "incomplete_details": None,
        "instructions": given.get("instructions"),
        "max_output_tokens": given.get("max_output_tokens"),
        "max_tool_calls": given.get("max_tool_calls"),
        "metadata": given.get("metadata", {}),
        "model": given["model"],
        "output": [],
        "parallel_tool_calls": given.get("parallel_tool_calls", True),
        "presence_penalty": given.get("presence_penalty", 0),
        "frequency_penalty": given.get("frequency_penalty", 0),
        "previous_response_id": given.get("previous_response_id"),
        "prompt_cache_key": given.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None} | _given(given.get("reasoning", {})),
        "safety_identifier": given.get("safety_identifier"),
        "service_tier": given.get("service_tier", "auto"),
        "store": given.get("store", True),
        "temperature": given.get("temperature", 1),
        "text": {"format": {"type": "text"}, "verbosity": "medium"} | _given(given.get("text", {})),
        "tool_choice": given.get("tool_choice", "auto"),
        "tools": [_tool(tool) for tool in given.get("tools", [])],
        "top_logprobs": given.get("top_logprobs", 0),
        "top_p": given.get("top_p", 1),
        "truncation": given.get("truncation", "disabled"),
        "usage": None,
    }
    if "user" in given:
        response["user"] = given["user"]
    return response


def _given(values: Item) -> Item:
    """Null means the default."""
    return {key: value for key, value in values.items() if value is not None}


def _tool(tool: Item) -> Item:
    if tool.get("type") == "function":
        return {"description": None, "parameters": None, "strict": None, **tool}
    return tool


def items(given: str | list[Item]) -> list[Item]:
    """A request's input as items."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return given
