"""What a request says about its way, and what is left of it then."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared.routing.world import to
from warren.contracts import Knobs
from warren.errors import InvalidRequest
from warren.routing.knobs import UNSAID, taken

PLAIN = {"model": "m", "input": "x"}


def read(headers: dict[str, str] | None = None, **more: Any) -> tuple[Knobs, dict[str, Any], bool]:
    fields = {**PLAIN, **more}
    knobs, changed = taken(fields, headers)
    return knobs, fields, changed


def test_a_request_that_says_nothing_stays_as_it_is() -> None:
    metadata = {"a": "b", "session": "s"}
    assert read({"authorization": "x"}, metadata=metadata) == (UNSAID, {**PLAIN, "metadata": metadata}, False)


def test_all_that_may_be_said_is_taken_out() -> None:
    knobs, left, changed = read(
        fallbacks=["a", {"model": "b", "temperature": 0}],
        context_window_fallbacks=[{"m": ["c"]}, {"n": ["d", {"model": "e"}]}],
        content_policy_fallbacks=[],
        disable_fallbacks=False,
        num_retries=0,
        timeout=1,
        stream_timeout=0.5,
        tags=["t"],
        drop_params=True,
        mock_response="said",
        mock_testing_context_fallbacks=True,
        litellm_metadata={"tags": ["ignored"], "session_id": "s", "spend": 1},
    )
    assert (left, changed) == (PLAIN, True)
    assert knobs == Knobs(
        fallbacks=to(every=["a", {"model": "b", "overrides": {"temperature": 0}}]),
        context_window_fallbacks=to(m=["c"], n=["d", "e"]),
        content_policy_fallbacks={"*": ()},
        num_retries=0,
        timeout=1,
        stream_timeout=0.5,
        tags=("t",),
        drop_params=True,
        mock_response="said",
        mock_testing="context_window",
        session="s",
    )


def test_null_is_not_said() -> None:
    names = (
        "fallbacks",
        "num_retries",
        "timeout",
        "tags",
        "mock_response",
        "mock_testing_fallbacks",
        "litellm_metadata",
    )
    assert read(**dict.fromkeys(names)) == (UNSAID, PLAIN, True)


def test_tags_in_metadata_are_no_metadata() -> None:
    knobs, left, changed = read(metadata={"tags": ["t"], "session_id": "s", "k": "v"})
    assert (knobs.tags, knobs.session, changed) == (("t",), "s", True)
    assert left["metadata"] == {"session_id": "s", "k": "v"}
    _, left, changed = read(metadata={"tags": "text is metadata"})
    assert (left["metadata"], changed) == ({"tags": "text is metadata"}, False)


def test_the_body_goes_before_the_headers_and_ours_before_litellms() -> None:
    headers = {
        "x-litellm-timeout": "5", "x-litellm-stream-timeout": "2.5", "x-litellm-num-retries": "4",
        "x-warren-num-retries": "3", "x-litellm-tags": "a, b,", "x-litellm-trace-id": "t", "x-litellm-session-id": "s",
    }  # fmt: skip
    knobs, _, changed = read(headers)
    assert knobs == Knobs(timeout=5, stream_timeout=2.5, num_retries=3, tags=("a", "b"), session="s")
    assert not changed
    assert read(headers, timeout=1, tags=[])[0].timeout == 1


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"x-litellm-timeout": "soon"}, "x-litellm-timeout"),
        ({"x-litellm-timeout": "-1"}, "x-litellm-timeout"),
        ({"x-litellm-timeout": "nan"}, "x-litellm-timeout"),
        ({"x-litellm-num-retries": "1.5"}, "x-litellm-num-retries"),
        ({"x-warren-num-retries": "101"}, "x-warren-num-retries"),
    ],
)
def test_headers_that_mean_nothing_are_refused_by_name(headers: dict[str, str], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(headers)
    assert refused.value.param == param


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["model", "m", "tags", "x"]), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(
        ["fallbacks", "context_window_fallbacks", "num_retries", "timeout", "tags", "drop_params", "mock_response",
         "metadata", "litellm_metadata", "mock_testing_fallbacks", "disable_fallbacks"]
    ),
    ANYTHING,
)  # fmt: skip
def test_whatever_is_said_is_understood_or_refused_by_name(name: str, value: Any) -> None:
    told = None
    try:
        knobs, left, _ = read(**{name: value})
    except InvalidRequest as refused:
        told = refused.param or ""
    else:
        assert name == "metadata" or name not in left
        assert Knobs.model_validate_json(knobs.model_dump_json()) == knobs
    assert told is None or told.startswith(name)
