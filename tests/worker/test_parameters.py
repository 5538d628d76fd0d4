"""The table of parameters: it has a row for all that a request may say, and holds requests to its columns."""

from typing import Any

import pytest

from warren.config import PROVIDERS
from warren.errors import InvalidRequest
from warren.naming import CHATS
from warren.requests import bodies, fields, parts
from warren.requests import tools as tool_shapes
from warren.requests.extras import BODY
from warren_worker.admission import given, surplus
from warren_worker.facts import Facts
from warren_worker.page import DIALECTS, site
from warren_worker.parameters import NAMES, OURS, Treatment, allowed, narrowed

TAKEN = dict.fromkeys(NAMES, Treatment.NATIVE)
ITEMS: list[dict[str, Any]] = [
    {"type": "message", "role": "user", "content": "hello"},
    {"role": "user", "content": [{"type": "input_text", "text": "and?"}, {"type": "input_image", "image_url": "u"}]},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_id": "f"}]},
]


def left(name: str, treatment: Treatment, *, drop: bool = False, **request: Any) -> list[tuple[str, bool]]:
    """What has to go of this request where everything is taken but one."""
    items = request.get("input") or []
    return surplus(request, items, TAKEN | {name: treatment}, drop=drop)


def refused(name: str, treatment: Treatment, *, drop: bool = False, **request: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        left(name, treatment, drop=drop, **request)
    assert caught.value.code == "unsupported_parameter"
    return caught.value.param


def used(items: list[dict[str, Any]] | None = None, **request: Any) -> list[tuple[str, str]]:
    return [(row.name, path) for row, path, _ in given(request, items or [])]


def options(schema: Any, *steps: str) -> set[str]:
    """The names or values that a schema of a request's object knows there."""
    for step in steps:
        schema = _of_field(schema, step)
    return _named(schema)


def _of_field(schema: Any, name: str) -> Any:
    found = _find(schema, name)
    assert found is not None, name
    return found


def _find(schema: Any, name: str) -> Any:
    if isinstance(schema, dict):
        if isinstance(known := schema.get("fields"), dict) and name in known:
            return known[name]
        return next((found for inner in schema.values() if (found := _find(inner, name)) is not None), None)
    if isinstance(schema, list):
        return next((found for inner in schema if (found := _find(inner, name)) is not None), None)
    return None


def _named(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_named, schema))
    if not isinstance(schema, dict):
        return set()
    if schema.get("type") == "literal":
        return set(schema["expected"])
    if isinstance(known := schema.get("fields"), dict):
        return set(known)
    if isinstance(choices := schema.get("choices"), dict):
        return set(choices)
    return set().union(*map(_named, schema.values()))


@pytest.mark.parametrize("body", [bodies.CreateResponse, bodies.CountTokens, bodies.Compact])
def test_every_field_of_a_request_has_a_row_or_is_ours(body: type[bodies.Body]) -> None:
    tops = {row.path.partition(".")[0] for row in NAMES.values()}
    assert {*body.model_fields, *BODY} <= tops | OURS


def test_no_field_is_ours_and_a_row() -> None:
    assert not OURS & {row.path for row in NAMES.values() if row.path != "input"}


@pytest.mark.parametrize("kind", tool_shapes.TABLE)
def test_every_type_of_tool_has_a_row(kind: str) -> None:
    tool = {"type": kind, "name": "t", "tools": []}
    assert [path for name, path in used(tools=[tool])] == ["tools[0]"]


@pytest.mark.parametrize("kind", sorted(tool_shapes._CHOICES))
def test_every_choice_of_a_tool_has_a_row(kind: str) -> None:
    ((name, path),) = used(tool_choice={"type": kind})
    assert (name.partition(":")[0], path) == ("tool_choice", "tool_choice")


@pytest.mark.parametrize("name", ["text", "reasoning"])
def test_every_key_of_an_object_has_a_row(name: str) -> None:
    schema = {"text": fields.TEXT_FORMAT, "reasoning": fields.REASONING}[name]
    for key in options(schema):
        value: Any = {"type": "json_schema"} if key == "format" else "x"
        assert [path for _, path, _ in given({name: {key: value}}, [])] == [f"{name}.{key}"]


def test_every_part_that_is_no_text_has_a_row() -> None:
    parts_ = {*parts._INPUT_PARTS, "input_audio"} - {"input_text"}
    assert {f"input:{kind}" for kind in parts_} == {name for name in NAMES if name.startswith("input:")}


def test_rows_are_told_with_the_places_of_what_they_are_about() -> None:
    assert used(
        temperature=0.5,
        top_p=None,
        text={"verbosity": "low", "format": {"type": "json_object"}},
        reasoning={"effort": "low", "generate_summary": "auto", "summary": None},
        include=["file_search_call.results", "message.output_text.logprobs"],
        tools=[
            {"type": "web_search_preview_2025_03_11"},
            {"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "c"}]},
        ],
        tool_choice={"type": "custom", "name": "c"},
    ) == [
        ("temperature", "temperature"),
        ("text.verbosity", "text.verbosity"),
        ("text.format:json_object", "text.format"),
        ("reasoning.effort", "reasoning.effort"),
        ("reasoning.summary", "reasoning.generate_summary"),
        ("include:message.output_text.logprobs", "include[1]"),
        ("tools:namespace", "tools[1]"),
        ("tools:web_search", "tools[0]"),
        ("tools:custom", "tools[1].tools[0]"),
        ("tool_choice:function", "tool_choice"),
    ]


def test_parts_are_found_in_what_is_new_and_in_what_came_before() -> None:
    assert used(ITEMS, input=ITEMS[1:]) == [
        ("input:input_image", "input[0].content[1]"),
        ("input:input_file", "input[1].output[0]"),
    ]
    before = [*ITEMS[1:], ITEMS[0]]
    assert used(before, input="hello") == [
        ("input:input_image", "previous_response_id"),
        ("input:input_file", "previous_response_id"),
    ]
    assert {path for _, path in used(before, input="hello", conversation="conv_1")} == {"conversation"}


def test_plain_text_and_no_choice_are_no_parameters() -> None:
    assert used(text={"format": {"type": "text"}}, tool_choice="auto", include=[]) == []
    assert used(tool_choice="none", tools=[]) == []


@pytest.mark.parametrize(
    ("name", "request_", "path"),
    [
        ("temperature", {"temperature": 0.5}, "temperature"),
        ("text.verbosity", {"text": {"verbosity": "low"}}, "text.verbosity"),
        ("reasoning.effort", {"reasoning": {"effort": "low"}}, "reasoning.effort"),
        ("tools:web_search", {"tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}, "tools[1]"),
        ("tool_choice:required", {"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice"),
        ("prompt_cache_options", {"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options"),
    ],
)
def test_what_is_not_taken_is_refused_by_its_place_or_left_out(name: str, request_: dict[str, Any], path: str) -> None:
    assert left(name, Treatment.NATIVE, **request_) == []
    param = f"{path}.type" if name.startswith("tools:") else path
    assert refused(name, Treatment.DROPPABLE, **request_) == param
    assert left(name, Treatment.DROPPABLE, drop=True, **request_) == [(path, True)]
    assert refused(name, Treatment.REFUSED, drop=True, **request_) == param


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 1),
        ("temperature", 1.0),
        ("service_tier", "auto"),
        ("parallel_tool_calls", True),
        ("prompt_cache_options", {"mode": "implicit"}),
        ("prompt_cache_options", {"mode": "implicit", "ttl": "30m"}),
    ],
)
def test_what_happens_anyway_may_be_said_and_is_not_told(name: str, value: Any) -> None:
    assert left(name, Treatment.REFUSED, **{name: value}) == [(name, False)]
    assert left(name, Treatment.NATIVE, **{name: value}) == []


def test_parts_of_the_input_are_never_left_out() -> None:
    assert refused("input:input_image", Treatment.REFUSED, drop=True, input=ITEMS) == "input[1].content[1]"


def test_what_no_row_knows_is_refused_by_name() -> None:
    for request, path in (({"seed": 1}, "seed"), ({"reasoning": {"budget": 1}}, "reasoning.budget")):
        with pytest.raises(InvalidRequest) as caught:
            surplus(request, [], TAKEN, drop=True)
        assert caught.value.param == path


def test_a_model_narrows_what_its_provider_takes() -> None:
    table = TAKEN | {"top_p": Treatment.REFUSED}
    assert narrowed(table, Facts()) == table
    silent = narrowed(table, Facts(reasoning="none", sampling="none", images=False, tools=False))
    assert {name for name, one in silent.items() if one is not table[name]} == {
        "reasoning.effort",
        "temperature",
        "input:input_image",
        *(name for name in NAMES if name.startswith("tools:")),
    }
    assert silent["input:input_image"] is Treatment.REFUSED
    assert silent["top_p"] is Treatment.REFUSED
    assert "input:input_image" not in narrowed({}, Facts(images=False))


def test_what_is_allowed_is_said_by_the_dialect_or_goes_around_it() -> None:
    dialect = TAKEN | {"top_logprobs": Treatment.REFUSED, "text.verbosity": Treatment.DROPPABLE}
    table = dialect | {"tools:function": Treatment.REFUSED, "reasoning.effort": Treatment.DROPPABLE}
    wide, raw = allowed(table, dialect, ["tools", "reasoning_effort", "top_logprobs", "verbosity", "text.verbosity"])
    assert {name for name, one in wide.items() if not one.taken} == {"top_logprobs", "text.verbosity"}
    assert raw == {"top_logprobs": "top_logprobs", "text.verbosity": "verbosity"}
    assert allowed(table, dialect, []) == (table, {})


@pytest.mark.parametrize("name", CHATS)
def test_what_chats_call_a_parameter_is_one_here(name: str) -> None:
    path = CHATS[name]
    assert any(path in (row.name, row.path) for row in NAMES.values())


SPOKEN = {
    f"{name}-{type(one.dialect).__name__}": one
    for name in sorted(PROVIDERS)
    for one in (site(name, "MODEL", chat=chat)[0] for chat in (False, True))
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_says_what_it_does_with_every_parameter(name: str) -> None:
    column = DIALECTS[name].parameters
    assert set(column) == set(NAMES)
    assert all(isinstance(one, Treatment) for one in column.values())
    assert all(one is not Treatment.DROPPABLE for key, one in column.items() if key.startswith("input:"))


@pytest.mark.parametrize("name", SPOKEN)
def test_providers_deviate_in_parameters_that_there_are(name: str) -> None:
    parameters = SPOKEN[name].parameters
    assert set(parameters) <= set(NAMES)
    assert all(one is not Treatment.DROPPABLE for key, one in parameters.items() if key.startswith("input:"))


def test_rows_are_known_by_their_own_names() -> None:
    assert all(name == row.name for name, row in NAMES.items())
