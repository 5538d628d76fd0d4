"""What is left out of a request, or goes around its dialect, where the configuration says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from warren.errors import InvalidRequest, WarrenError
from warren_worker import dropping
from warren_worker.asked.choice import chosen
from warren_worker.asked.unsaid import unsupported
from warren_worker.dialect import Call, Conversation, Reader
from warren_worker.facts import Facts
from warren_worker.framing import Framing
from warren_worker.parameters import NAMES, Treatment, allowed, narrowed
from warren_worker.provider import Endpoint

FUNCTION = {"type": "function", "name": "f"}
TOOLS = [{"type": "web_search"}, FUNCTION, {"type": "code_interpreter", "container": {"type": "auto"}}]
UNKNOWN = Facts()
ITEMS = [{"type": "message", "role": "user", "content": "hello"}]
COLUMN = dict.fromkeys(NAMES, Treatment.NATIVE) | {
    "tools:web_search": Treatment.DROPPABLE,
    "tools:code_interpreter": Treatment.DROPPABLE,
    "tools:mcp": Treatment.REFUSED,
    "tool_choice:hosted": Treatment.DROPPABLE,
    "user": Treatment.DROPPABLE,
    "text.verbosity": Treatment.DROPPABLE,
    "text.format:json_schema": Treatment.DROPPABLE,
    "moderation": Treatment.DROPPABLE,
    "prompt": Treatment.REFUSED,
    "input:input_image": Treatment.REFUSED,
}


@dataclass(frozen=True)
class Plain:
    """A dialect that says all that it takes in the API's own words, but knows one kind of format only."""

    parameters: Mapping[str, Treatment] = field(default_factory=lambda: COLUMN)
    framing: Framing = Framing.SSE
    inlines: frozenset[str] = frozenset()
    compacts: bool = False

    def call(self, conversation: Conversation, model: str) -> Call:
        chosen(conversation.request)
        if "format" in conversation.request.get("text", {}):
            raise unsupported("text.format.type")
        if any("defer_loading" in tool for tool in conversation.request.get("tools", ())):
            raise unsupported("tools[0].defer_loading")
        for at, item in enumerate(conversation.items):
            if item["type"] == "compaction_trigger":
                raise unsupported(f"input[{at}].type")
        return Call("/x", {**conversation.request, "model": model})

    def reader(self, _: Conversation, /) -> Reader:
        raise NotImplementedError

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        raise NotImplementedError


def called(
    *,
    drop: bool = True,
    unwanted: tuple[str, ...] = (),
    allow: tuple[str, ...] = (),
    facts: Facts = UNKNOWN,
    items: list[dict[str, Any]] | None = None,
    **request: Any,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that goes out, without what always does, and what was told."""
    table, raw = allowed(narrowed(COLUMN, facts), COLUMN, allow)
    endpoint = Endpoint(
        "d", "p", "m", "http://nowhere", Plain(), remembers=False, headers={}, drops=drop, parameters=table,
        unwanted=unwanted, raw=raw, facts=facts,
    )  # fmt: skip
    asked = {"model": "m", "input": items or ITEMS, **request}
    before = repr(asked)
    call, conversation, dropped = dropping.call(endpoint, Conversation(asked, asked["input"]))
    assert repr(asked) == before, "the request is somebody else's"
    assert set(conversation.request) <= set(asked)
    return {name: value for name, value in call.body.items() if name not in ("model", "input")}, dropped


def refused(**given: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        called(**given)
    return caught.value.param


def test_what_is_taken_is_kept() -> None:
    asked: dict[str, Any] = {"tools": [FUNCTION], "tool_choice": "required", "temperature": 0.5}
    assert called(**asked) == (asked, ())


def test_hosted_tools_are_told_by_the_places_they_had() -> None:
    assert called(tools=TOOLS) == ({"tools": [FUNCTION]}, ("tools[0]", "tools[2]"))


def test_what_a_dialect_refuses_is_told_by_the_place_it_had_too() -> None:
    tools = [*TOOLS[:1], {**FUNCTION, "defer_loading": True}, *TOOLS[1:]]
    assert called(tools=tools) == ({"tools": [FUNCTION]}, ("tools[0]", "tools[3]", "tools[1]"))


def test_between_no_tools_there_is_no_choice() -> None:
    assert called(tools=TOOLS[:1], tool_choice="auto") == ({}, ("tools[0]",))
    assert called(tools=TOOLS[:1], tool_choice="required") == ({}, ("tools[0]", "tool_choice"))
    assert called(tools=TOOLS[:2], tool_choice={"type": "web_search"}) == (
        {"tools": [FUNCTION]},
        ("tools[0]", "tool_choice"),
    )


def test_a_namespace_without_a_tool_left_goes_too() -> None:
    hosted, own = {"type": "web_search"}, {**FUNCTION, "name": "g"}
    space = {"type": "namespace", "name": "n", "description": "d", "tools": [hosted, own]}
    assert called(tools=[{**space, "tools": [hosted]}, FUNCTION])[0] == {"tools": [FUNCTION]}
    assert called(tools=[space]) == ({"tools": [{**space, "tools": [own]}]}, ("tools[0].tools[0]",))


def test_fields_and_keys_of_fields_are_told_by_name() -> None:
    body, dropped = called(moderation={"model": "m"}, user="u", text={"verbosity": "low"}, top_p=0.5)
    assert (body, dropped) == ({"top_p": 0.5}, ("moderation", "user", "text.verbosity"))


def test_what_only_the_dialect_knows_is_left_out_as_well() -> None:
    assert called(text={"format": {"type": "json_object"}, "verbosity": "medium"}) == ({}, ("text.format",))


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tools": TOOLS}, "tools[0].type"),
        ({"user": "u"}, "user"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format.type"),
    ],
)
def test_nothing_is_left_out_unasked(given: dict[str, Any], param: str) -> None:
    assert refused(drop=False, **given) == param


def test_what_is_said_is_never_left_out() -> None:
    picture = {"role": "user", "type": "message", "content": [{"type": "input_image", "image_url": "u"}]}
    assert refused(items=[*ITEMS, picture]) == "input[1].content[0]"
    assert refused(items=[*ITEMS, {"type": "compaction_trigger"}]) == "input[1].type"
    assert refused(prompt={"id": "pmpt_1"}) == "prompt"
    assert refused(tools=[{"type": "mcp", "server_label": "x"}]) == "tools[0].type"
    body, dropped = called(unwanted=("input", "instructions", "conversation", "input[0].content"), instructions="Be.")
    assert (body, dropped) == ({"instructions": "Be."}, ())


def test_what_is_wrong_is_refused_all_the_same() -> None:
    assert refused(tools=[{"type": "function"}]) == "tools[0].name"


def test_what_happens_anyway_goes_untold_and_unasked() -> None:
    assert called(drop=False, text={"verbosity": "medium"}) == ({}, ())


def test_effort_is_nothing_to_a_model_that_does_not_reason() -> None:
    silent = Facts(reasoning="none")
    assert called(drop=False, facts=silent, reasoning={"effort": "none"}) == ({}, ())
    assert refused(drop=False, facts=silent, reasoning={"effort": "low"}) == "reasoning.effort"
    assert called(facts=silent, reasoning={"effort": "low"}) == ({}, ("reasoning.effort",))


@pytest.mark.parametrize(
    ("name", "given", "left", "told"),
    [
        ("temperature", {"temperature": 0.5, "top_p": 0.5}, {"top_p": 0.5}, ("temperature",)),
        ("reasoning.summary", {"reasoning": {"summary": "auto", "effort": "low"}}, {"reasoning": {"effort": "low"}},
         ("reasoning.summary",)),
        ("reasoning_effort", {"reasoning": {"effort": "low"}}, {}, ("reasoning.effort",)),
        ("max_tokens", {"max_output_tokens": 16}, {}, ("max_output_tokens",)),
        ("response_format", {"text": {"format": {"type": "json_object"}}}, {}, ("text.format",)),
        ("web_search_options", {"tools": TOOLS[:2]}, {"tools": [FUNCTION]}, ("tools[0]",)),
        ("tools[*].strict", {"tools": [{**FUNCTION, "strict": True}, {**FUNCTION, "name": "g", "strict": False}]},
         {"tools": [FUNCTION, {**FUNCTION, "name": "g"}]}, ("tools[0].strict", "tools[1].strict")),
        ("tools[*].function.strict", {"tools": [{**FUNCTION, "strict": True}]}, {"tools": [FUNCTION]},
         ("tools[0].strict",)),
        ("tools[0]", {"tools": [{**FUNCTION, "name": "g"}, FUNCTION]}, {"tools": [FUNCTION]}, ("tools[0]",)),
        ("tools[5].strict", {"tools": [FUNCTION]}, {"tools": [FUNCTION]}, ()),
        ("tools", {"tools": [FUNCTION], "tool_choice": "required"}, {}, ("tools", "tool_choice")),
        ("metadata.trace", {"metadata": {"trace": "1", "a": "b"}}, {"metadata": {"a": "b"}}, ("metadata.trace",)),
        ("seed", {"top_p": 0.5}, {"top_p": 0.5}, ()),
        ("", {"top_p": 0.5}, {"top_p": 0.5}, ()),
    ],
)  # fmt: skip
def test_what_is_unwanted_is_left_out_whoever_could_take_it(
    name: str, given: dict[str, Any], left: dict[str, Any], told: tuple[str, ...]
) -> None:
    assert called(drop=False, unwanted=(name,), **given) == (left, told)


def test_what_is_left_out_by_name_is_counted_in_the_places_of_the_rest() -> None:
    assert called(unwanted=("tools[0]",), tools=[FUNCTION, *TOOLS]) == (
        {"tools": [FUNCTION]},
        ("tools[0]", "tools[1]", "tools[3]"),
    )


def test_what_is_allowed_goes_out_as_it_is() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    assert called(
        drop=False,
        allow=("user", "verbosity", "response_format"),
        user="u",
        text={"verbosity": "low", "format": schema},
    ) == (
        {
            "user": "u",
            "verbosity": "low",
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        },
        (),
    )


def test_what_is_allowed_again_is_said_by_the_dialect() -> None:
    narrow = Facts(tools=False, reasoning="none")
    asked: dict[str, Any] = {"tools": [FUNCTION], "reasoning": {"effort": "low"}}
    assert refused(drop=False, facts=narrow, **asked) is not None
    assert called(drop=False, facts=narrow, allow=("tools", "reasoning_effort"), **asked) == (asked, ())


def test_what_the_request_does_not_say_the_configuration_says() -> None:
    endpoint = Endpoint(
        "d", "p", "m", "http://nowhere", Plain(), remembers=False, headers={}, drops=True, parameters=COLUMN,
        defaults={"temperature": 0.2, "reasoning": {"effort": "low"}, "user": "u"},
    )  # fmt: skip
    made, _, lost = dropping.call(endpoint, Conversation({"input": "hi", "temperature": 1}, ITEMS))
    assert (made.body["temperature"], made.body["reasoning"]) == (1, {"effort": "low"})
    assert lost == ("user",)
