"""Arrays are taken apart without a digit changed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.contracts import ListConversations, Message, Page
from warren.errors import LedgerUnavailable
from warren_gateway.exporting import elements, exported

pytestmark = pytest.mark.anyio
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(JSON), st.sampled_from([None, 2]), st.booleans())
def test_elements_are_as_they_were_written(values: list[Any], indent: int | None, ascii_: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_)
    assert [json.loads(one) for one in elements(text.encode("utf-8", "surrogatepass"))] == values


def test_numbers_stay_what_they_are() -> None:
    assert list(elements(b"[1.0000000000000000000001, 1e400 ,12345678901234567890]")) == [
        b"1.0000000000000000000001", b"1e400", b"12345678901234567890",
    ]  # fmt: skip
    assert list(elements(b"")) == list(elements(b"[]")) == []


async def test_a_failure_on_the_way_shows() -> None:
    async def ask(message: Message) -> Message:
        if isinstance(message, ListConversations):
            return Page(found=True, payload=b'[{"id":"conv_1"}]')
        raise LedgerUnavailable("It is away.")

    lines = [json.loads(line) async for line in exported(ask, "acme")]
    assert [line["object"] for line in lines] == ["export.conversation", "export.error"]
    assert lines[-1]["error"]["code"] == "ledger_unavailable"


async def test_a_failure_before_anything_is_one() -> None:
    async def ask(_: Message) -> Message:
        raise LedgerUnavailable("It is away.")

    with pytest.raises(LedgerUnavailable):
        await anext(exported(ask, "acme"))
