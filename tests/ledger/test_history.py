import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren_ledger import history

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=5)
ITEMS = st.lists(JSON, max_size=4)


def written(value: Any, *, ascii_only: bool, indent: int | None) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")


@given(OBJECTS, ITEMS, OBJECTS, st.booleans(), st.sampled_from([None, 0, 2]))
def test_the_output_is_cut_out_wherever_it_stands(
    before: dict[str, Any], output: list[Any], after: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    before, after = ({key: value for key, value in part.items() if key != "output"} for part in (before, after))
    body = written({**before, "output": output, **after}, ascii_only=ascii_only, indent=indent)
    assert json.loads(history.output(body).decode("utf-8", "surrogatepass")) == output


@given(st.lists(st.tuples(ITEMS, ITEMS), max_size=4), st.sampled_from([None, 0, 2]))
def test_history_is_input_then_output_of_every_turn(turns: list[tuple[list[Any], list[Any]]], indent: int) -> None:
    wire = [
        (
            written(said, ascii_only=True, indent=indent),
            written({"instructions": "no", "output": answer}, ascii_only=True, indent=indent),
        )
        for said, answer in turns
    ]
    assert json.loads(history.items(wire)) == [item for said, answer in turns for item in (*said, *answer)]


def test_numbers_and_escapes_stay_as_they_were_written() -> None:
    body = b'{"usage":{"output":[1]},"output":[{"n":9007199254740993,"f":1.10,"s":"\\u00e9\xc3\xa9\xc2\x85"}]}'
    assert history.items([(b"[]", body)]) == b'[{"n":9007199254740993,"f":1.10,"s":"\\u00e9\xc3\xa9\xc2\x85"}]'


def test_a_response_without_input_still_has_its_output() -> None:
    assert history.items([(b"", b'{"output":[1]}'), (b" [ ] ", b'{"output":[ 2 ]}')]) == b"[1,2]"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id":1}', b'{"id"', b'{"id":1,}', b'{"a":1 "output":[]}'])
def test_what_is_no_response_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of them
        history.output(body)


def test_an_output_that_is_no_array_is_refused() -> None:
    with pytest.raises(ValueError, match="not a JSON array"):
        history.items([(b"[]", b'{"output":null}')])


def test_a_walk_goes_from_the_newest_to_the_oldest() -> None:
    assert list(history.walk("c", {"c": "b", "b": "a", "x": "a"})) == ["c", "b", "a"]
