"""Every field that a request may have, and what becomes of it. Nothing is silently ignored, nothing leaks upstream.

One row for each field that OpenAI's SDK knows: a value, and what that does to the echo, to the call of a chat server
and to that of a server with the Responses API. When the SDK gains a field that has no row here, the first test fails.
"""

from dataclasses import dataclass, field
from typing import Any, get_type_hints

import pytest
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic_core import to_json

from warren import requests
from warren.errors import InvalidRequest
from warren.objects import blank, items
from warren_worker.dialect import Conversation
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses

ASK: dict[str, Any] = {"model": "m", "input": "hi"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
HI = {"role": "user", "content": "hi"}
NOTHING: Any = object()


@dataclass(frozen=True)
class Ours:
    """Warren sees to it: no server is told."""


@dataclass(frozen=True)
class Says:
    """The server is told so in its own words."""

    body: dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """The server could not be told, so the caller is."""

    param: str


@dataclass(frozen=True)
class Row:
    value: Any
    chat: Ours | Says | Refused
    echo: Any = NOTHING
    """What the response shows; nothing means that it does not show the field."""
    native: bool = True
    """A server with the Responses API is told so in the same words; if not, Warren sees to it."""
    beside: dict[str, Any] = field(default_factory=dict)
    """What else must be asked for to ask for this."""


ROWS: dict[str, Row] = {
    "model": Row("m", Says({"model": "m-1"}), "m", native=False),
    "input": Row("hey", Says({"messages": [{"role": "user", "content": "hey"}]}), native=False),
    "instructions": Row("Be brief.", Says({"messages": [{"role": "system", "content": "Be brief."}, HI]}), "Be brief."),
    "previous_response_id": Row("resp_1", Ours(), "resp_1", native=False),
    "conversation": Row("conv_1", Ours(), {"id": "conv_1"}, native=False),
    "store": Row(value=False, chat=Ours(), echo=False),
    "stream": Row(value=True, chat=Ours(), native=False),
    "stream_options": Row({"include_obfuscation": True}, Ours(), native=False, beside={"stream": True}),
    "background": Row(value=True, chat=Ours(), echo=True, native=False),
    "background_options": Row({"completion_window": "soonest"}, Ours(), native=False, beside={"background": True}),
    "metadata": Row({"a": "b"}, Ours(), {"a": "b"}),
    "max_output_tokens": Row(99, Says({"max_tokens": 99}), 99),
    "max_tool_calls": Row(3, Ours(), 3),
    "parallel_tool_calls": Row(
        value=False, chat=Says({"parallel_tool_calls": False}), echo=False, beside={"tools": [TOOL]}
    ),
    "temperature": Row(0.5, Says({"temperature": 0.5}), 0.5),
    "top_p": Row(0.5, Says({"top_p": 0.5}), 0.5),
    "top_logprobs": Row(2, Says({"logprobs": True, "top_logprobs": 2}), 2),
    "presence_penalty": Row(0.5, Says({"presence_penalty": 0.5}), 0.5),
    "frequency_penalty": Row(-0.5, Says({"frequency_penalty": -0.5}), -0.5),
    "tools": Row([TOOL], Says({"tools": [CHAT_TOOL]}), [{**TOOL, "description": None, "strict": True}]),
    "tool_choice": Row("required", Says({"tool_choice": "required"}), "required", beside={"tools": [TOOL]}),
    "text": Row(
        {"format": SCHEMA, "verbosity": "low"},
        Says({
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            "verbosity": "low",
        }),
        {"format": {**SCHEMA, "description": None, "strict": False}, "verbosity": "low"},
    ),
    "reasoning": Row({"effort": "low"}, Says({"reasoning_effort": "low"}), {"effort": "low", "summary": None}),
    "include": Row(["message.output_text.logprobs"], Says({"logprobs": True})),
    "truncation": Row("auto", Ours(), "auto"),
    "service_tier": Row("flex", Says({"service_tier": "flex"}), "flex"),
    "prompt": Row({"id": "pmpt_1"}, Refused("prompt"), {"id": "pmpt_1"}),
    "context_management": Row([{"type": "compaction", "compact_threshold": 1000}], Ours()),
    "moderation": Row({"model": "omni"}, Refused("moderation")),
    "safety_identifier": Row("s", Says({"safety_identifier": "s"}), "s"),
    "prompt_cache_key": Row("k", Says({"prompt_cache_key": "k"}), "k"),
    "prompt_cache_options": Row(
        {"mode": "explicit"}, Refused("prompt_cache_options.mode"), {"mode": "explicit", "ttl": "30m"}
    ),
    "prompt_cache_retention": Row("24h", Says({"prompt_cache_retention": "24h"}), "24h"),
    "user": Row("u", Says({"user": "u"}), "u"),
    "access_programs": Row({"cyber": "standard"}, Refused("access_programs"), {"cyber": "standard"}),
    "image": Row({"context_compression": "enabled"}, Refused("image"), {"context_compression": "enabled"}),
}  # fmt: skip
EACH = [pytest.param(name, row, id=name) for name, row in ROWS.items()]


def asked(name: str, row: Row) -> dict[str, Any]:
    """The request, as a worker reads it."""
    request = {**ASK, **row.beside, name: row.value}
    requests.create(to_json(request))
    return request


def called(dialect: Chat | Responses, request: dict[str, Any]) -> dict[str, Any]:
    return dialect.call(Conversation(request, items(request["input"])), "m-1").body


def test_every_field_of_the_sdk_has_a_row() -> None:
    known = get_type_hints(ResponseCreateParamsNonStreaming) | get_type_hints(ResponseCreateParamsStreaming)
    assert ROWS.keys() == known.keys() | {"presence_penalty", "frequency_penalty"}
    assert ROWS.keys() == requests.CreateResponse.model_fields.keys()


@pytest.mark.parametrize(("name", "row"), EACH)
def test_the_echo_shows_what_was_asked(name: str, row: Row) -> None:
    response = blank(asked(name, row), response_id="resp_1", created_at=0)
    assert response.get(name, NOTHING) == row.echo


@pytest.mark.parametrize(("name", "row"), EACH)
def test_a_chat_server_is_told_in_its_words_or_the_caller_is_told(name: str, row: Row) -> None:
    request = asked(name, row)
    plain = called(Chat(), {**ASK, **row.beside})
    match row.chat:
        case Ours():
            assert called(Chat(), request) == plain
        case Says(body):
            assert called(Chat(), request) == plain | body
        case Refused(param):
            with pytest.raises(InvalidRequest) as caught:
                called(Chat(), request)
            assert caught.value.param == param


@pytest.mark.parametrize(("name", "row"), EACH)
def test_a_responses_server_is_told_in_the_same_words_or_not_at_all(name: str, row: Row) -> None:
    dialect = Responses(stores=True)
    request = asked(name, row)
    plain = called(dialect, {**ASK, **row.beside})
    if name in ("model", "input"):
        assert called(dialect, request)[name] == ("m-1" if name == "model" else items(row.value))
    elif row.native:
        assert called(dialect, request) == plain | {name: row.value}
    else:
        assert called(dialect, request) == plain


def test_the_book_keeping_of_codex_goes_nowhere() -> None:
    request = {**ASK, "client_metadata": {"turn": "1"}}
    requests.create(to_json(request))
    assert "client_metadata" not in blank(request, response_id="resp_1", created_at=0)
    for dialect in (Chat(), Responses(), Responses(stores=True)):
        assert called(dialect, request) == called(dialect, ASK)
