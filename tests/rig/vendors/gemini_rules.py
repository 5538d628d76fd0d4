"""What Google refuses of a request: what its own types do not hold, and what its documentation forbids."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from google.genai import types
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from tests.rig.vendors.google import TOKEN

Json = dict[str, Any]
SIGNATURES = {
    b"signature-of-the-vendor": "what thoughts of scripts are signed with",
    b"signature-of-a-call": "what calls without thoughts are",
    b"skip_thought_signature_validator": "documented, for calls of other models",
    b"context_engineering_is_the_way_to_go": "documented, for calls of nobody",
}
_NAME = re.compile(r"[a-zA-Z_][\w.:-]{0,127}")


class Wrong(Exception):
    """Why a request is refused, and how."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Body(BaseModel):
    """A request, read by the types of Google's SDK."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    contents: list[types.Content]
    system_instruction: types.Content | None = None
    tools: list[types.Tool] = []
    tool_config: types.ToolConfig = types.ToolConfig()
    safety_settings: list[types.SafetySetting] = []
    generation_config: types.GenerationConfig = types.GenerationConfig()
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: types.ServiceTier | None = None
    model: str | None = None


def check(body: Json, headers: Mapping[str, str], *, vertex: bool, older: bool) -> Body:
    """The request, if it is one. `older`: of a Gemini 2.

    Raises:
        Wrong: it is none.
    """
    bearer = headers.get("authorization", "").startswith(f"Bearer {TOKEN}")
    if not headers.get("x-goog-api-key") and not (vertex and bearer):
        raise Wrong("Request is missing required authentication credential.", 401)
    try:
        read = Body.model_validate_json(json.dumps(body))
    except ValidationError as error:
        raise Wrong(f"Invalid JSON payload received: {error}") from None
    _check_contents(read.contents, vertex=vertex)
    _check_calls(read.contents)
    if not older:
        _check_signatures(read.contents)
    _check_tools(read, vertex=vertex, older=older)
    _check_thinking(read.generation_config, older=older)
    return read


def _check_contents(contents: list[types.Content], *, vertex: bool) -> None:
    if not contents or contents[0].role != "user":
        raise Wrong("Please ensure that multiturn requests begin with a user turn.")
    for content in contents:
        if content.role not in ("user", "model"):
            raise Wrong("Please use a valid role: user, model.")
        if not content.parts:
            raise Wrong("Unable to submit request because it must include at least one parts field.")
        for part in content.parts:
            _check_part(part, vertex=vertex)


def _check_part(part: types.Part, *, vertex: bool) -> None:
    beside = {"thought", "thought_signature", "media_resolution", "video_metadata"}
    held = part.model_fields_set - beside
    if len(held) != 1:
        raise Wrong(f"A part must hold one kind of data: {sorted(held)}")
    if part.text == "" and part.thought_signature is None:
        raise Wrong("Unable to submit request because it has an empty text parameter.")
    if vertex and (part.tool_call or part.tool_response):
        raise Wrong("Unknown name toolCall")
    for blob in (part.inline_data, part.file_data):
        if blob is not None and blob.mime_type is None and (vertex or blob is part.inline_data):
            raise Wrong("mimeType is required.")


def _check_calls(contents: list[types.Content]) -> None:
    """Every call is answered, right behind it and by its name; nothing else is answered."""
    open_: list[types.FunctionCall] = []
    for content in contents:
        parts = content.parts or []
        answers = [part.function_response for part in parts if part.function_response is not None]
        if len(answers) != len(open_):
            raise Wrong(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        for call, answer in zip(open_, answers, strict=True):
            if call.name != answer.name or (call.id or answer.id) != (answer.id or call.id):
                raise Wrong("The function response does not match its function call.")
            if answer.response is None:
                raise Wrong("A function response must have a response.")
        open_ = [part.function_call for part in parts if part.function_call is not None]
    if open_:
        raise Wrong("Please ensure that function call turns are answered.")


def _check_signatures(contents: list[types.Content]) -> None:
    """In the current turn, the first call of each step is signed."""
    turns = [
        at
        for at, content in enumerate(contents)
        if content.role == "user" and not any(part.function_response for part in content.parts or ())
    ]
    for content in contents[turns[-1] if turns else 0 :]:
        calls = [part for part in content.parts or () if part.function_call is not None]
        if calls and calls[0].thought_signature is None:
            raise Wrong("Function call is missing a thought_signature in functionCall parts.")
    for content in contents:
        for part in content.parts or ():
            if part.thought_signature is not None and part.thought_signature not in SIGNATURES:
                raise Wrong(f"Thought signature is not valid: {base64.b64encode(part.thought_signature)!r}")


def _check_tools(body: Body, *, vertex: bool, older: bool) -> None:
    declared = [one for tool in body.tools for one in tool.function_declarations or ()]
    names = [str(one.name) for one in declared]
    if len(set(names)) != len(names):
        raise Wrong("Duplicate function declaration found.")
    for one in declared:
        if not _NAME.fullmatch(one.name or ""):
            raise Wrong("Invalid function name.")
        if one.parameters is not None and one.parameters_json_schema is not None:
            raise Wrong("parameters and parametersJsonSchema are mutually exclusive.")
        if one.parameters_json_schema is not None and one.parameters_json_schema.get("type") != "object":
            raise Wrong("parameters schema should be of type OBJECT.")
    _check_choice(body.tool_config.function_calling_config, names)
    searches = any(tool.google_search is not None for tool in body.tools)
    shown = body.tool_config.include_server_side_tool_invocations
    if vertex and shown is not None:
        raise Wrong("Unknown name includeServerSideToolInvocations")
    if searches and declared and (older or not (shown or vertex)):
        raise Wrong("Built-in tools and Function Calling cannot be combined in the same request.")
    if older and body.tools and body.generation_config.response_mime_type == "application/json":
        raise Wrong("Function calling with a response mime type: 'application/json' is unsupported")


def _check_choice(config: types.FunctionCallingConfig | None, names: list[str]) -> None:
    if config is None:
        return
    if not names:
        raise Wrong("Function calling config is set without function_declarations.")
    allowed = config.allowed_function_names or []
    if allowed and config.mode is not types.FunctionCallingConfigMode.ANY:
        raise Wrong("allowed_function_names should only be set when mode is ANY.")
    if not set(allowed) <= set(names):
        raise Wrong("allowed_function_names should be a subset of the declared functions.")


def _check_thinking(config: types.GenerationConfig, *, older: bool) -> None:
    if config.response_json_schema is not None and config.response_mime_type != "application/json":
        raise Wrong("response_json_schema needs a response_mime_type of application/json.")
    if config.logprobs is not None and not config.response_logprobs:
        raise Wrong("logprobs is only valid if response_logprobs is set.")
    thinking = config.thinking_config
    if thinking is None:
        return
    if thinking.thinking_level is not None and (older or thinking.thinking_budget is not None):
        raise Wrong("Thinking level is not supported for this model.")
    if not -1 <= (thinking.thinking_budget or 0) <= 32768:
        raise Wrong("The thinking budget is invalid.")
