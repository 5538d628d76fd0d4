"""The input of a custom tool: into a function's arguments and, piece by piece, out of them."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren_worker.wrapping import Unwrapper, wrapped

TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n\t/{}é😀'), max_size=20)


def unwrapped(arguments: str, *cuts: int) -> str:
    one = Unwrapper()
    places = sorted({0, len(arguments), *(cut for cut in cuts if cut <= len(arguments))})
    return "".join(one.feed(arguments[at:to]) for at, to in pairwise(places)) + one.end()


@given(TEXT, st.lists(st.integers(0, 80), max_size=6), st.booleans(), st.sampled_from([None, 2]))
def test_what_is_wrapped_comes_out_again_however_it_is_cut(
    text: str, cuts: list[int], ascii_only: bool, indent: int | None
) -> None:
    assert unwrapped(wrapped(text), *cuts) == text
    assert unwrapped(json.dumps({"input": text}, ensure_ascii=ascii_only, indent=indent), *cuts) == text


@given(TEXT, st.lists(st.integers(0, 80), max_size=6))
def test_any_arguments_give_the_same_input_however_they_are_cut(arguments: str, cuts: list[int]) -> None:
    assert unwrapped(arguments, *cuts) == unwrapped(arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("print(1)", "print(1)"),
        ("  two words", "  two words"),
        ("{not json", "{not json"),
        ('{"content": "a"}', "a"),
        ('{"why": "so", "input": "a"}', "a"),
        ('{"a": "b", "c": "d"}', '{"a": "b", "c": "d"}'),
        ('{"input": 5}', '{"input": 5}'),
        ('["a"]', '["a"]'),
        ('{"inp', '{"inp'),
        ('{"input": "cut sh', "cut sh"),
        ('{"input": "a\\', "a"),
        ('{"input": "a\nb"}', "a\nb"),
        ('{"input": "\\d+\\ud83d!"}', "\\d+\ufffd!"),
        ('{"input": "\\udc00"}', "\ufffd"),
        ('{"input": "a", "more": "b"}', "a"),
    ],
)
def test_what_models_make_of_it_is_taken_for_what_it_is(arguments: str, text: str) -> None:
    assert unwrapped(arguments) == text
    assert unwrapped(arguments, *range(len(arguments))) == text


def test_the_input_comes_as_it_is_written() -> None:
    one = Unwrapper()
    assert [one.feed(part) for part in ('{"in', 'put":', '"a', "b\\", 'nc"', "}")] == ["", "", "a", "b", "\nc", ""]
    assert one.end() == ""
