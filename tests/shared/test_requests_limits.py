"""Hostile bodies: each one is taken or refused by name, and none costs more than its bytes."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from warren import requests
from warren.errors import InvalidRequest, RequestTooLarge
from warren.requests import CreateResponse, limits

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from([*CreateResponse.model_fields, "type", "role", "content", "id", "\0message", "[key]", "name"])
OBJECT = st.dictionaries(NAMES, JSON, max_size=6)
ENTRANCES = (
    requests.create,
    requests.frame,
    requests.count,
    requests.compact,
    requests.new_conversation,
    requests.update_conversation,
    requests.new_items,
)


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        requests.create(body)
    return caught.value


@pytest.mark.parametrize("entrance", ENTRANCES)
@given(body=st.binary(max_size=100))
def test_no_bytes_make_another_error(entrance: Any, body: bytes) -> None:
    with suppress(InvalidRequest):
        entrance(body)


@pytest.mark.parametrize("entrance", ENTRANCES)
@given(value=JSON)
def test_no_json_makes_another_error(entrance: Any, value: Any) -> None:
    with suppress(InvalidRequest):
        entrance(json.dumps(value).encode())


@given(
    fields=st.dictionaries(NAMES, JSON, max_size=6),
    items=st.lists(st.dictionaries(NAMES, JSON, max_size=6), max_size=3),
)
def test_no_object_makes_another_error(fields: dict[str, Any], items: list[Any]) -> None:
    for body in (
        {"model": "m", "input": "x", **fields},
        {"model": "m", "input": items},
        {"model": "m", "tools": items},
    ):
        with suppress(InvalidRequest):
            assert requests.create(json.dumps(body).encode()).model


@given(value=st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_what_is_accepted_means_what_the_worker_will_read(value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    with suppress(InvalidRequest):
        assert limits.read(body) == from_json(body)


def test_a_body_has_32_megabytes_at_the_most() -> None:
    requests.weigh(b" " * limits.LARGEST)
    with pytest.raises(RequestTooLarge) as caught:
        requests.create(b" " * (limits.LARGEST + 1))
    assert (caught.value.status, caught.value.code) == (413, "request_too_large")


def test_a_body_is_64_levels_deep_at_the_most() -> None:
    def nested(depth: int) -> bytes:
        return b'{"model":"m","input":"x","text":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert refused(nested(64)).code == "invalid_type"
    assert refused(nested(65)).code == "request_too_complex"
    assert refused(b'{"a":' * 1_000_000).code == "request_too_complex"


def test_brackets_in_strings_are_no_depth() -> None:
    text = "[" * 5000 + '\\"{' * 5000 + ',"' * 200_000
    assert requests.create(to_json({"model": "m", "input": text})).input == text


@pytest.mark.parametrize("wide", [b"[],", b'"",', b"1,", b'{"a":1},'])
def test_a_body_holds_100_000_values_at_the_most(wide: bytes) -> None:
    body = b'{"model":"m","input":[' + wide * limits.MOST_VALUES + b"1]}"
    assert refused(body).code == "request_too_complex"


def test_an_object_holds_8192_keys_at_the_most() -> None:
    def keyed(keys: int) -> bytes:
        schema = {str(at): 1 for at in range(keys)}
        return to_json({"model": "m", "input": "x", "tools": [{"type": "function", "name": "f", "parameters": schema}]})

    assert requests.create(keyed(limits.MOST_KEYS)).tools
    assert refused(keyed(limits.MOST_KEYS + 1)).code == "request_too_complex"


@given(st.lists(st.sampled_from([b"\\\\", b'\\"', b"\\n", b"[", b'", "', b"x", b"{", "é".encode()]), max_size=300))
def test_a_large_body_is_weighed_as_a_small_one(pieces: list[bytes]) -> None:
    body = b'["' + b"".join(pieces) + b'"]'
    whole = b"".join(limits._bare(body))
    small, limits._PIECE = limits._PIECE, 7
    try:
        assert b"".join(limits._bare(body)) == whole
    finally:
        limits._PIECE = small


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"model":"m","model":"n","input":"x"}', "model"),
        (b'{"model":"m","input":[{"role":"user","role":"user","content":"x"}]}', "role"),
        (b'{"model":"m","input":"x","metadata":{"a":"1","b":"2","\\u0061":"3"}}', "a"),
        (b'{"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":{"z":{},"z":{}}}]}', "z"),
    ],
)
def test_a_key_that_is_there_twice_is_named(body: bytes, name: str) -> None:
    error = refused(body)
    assert (error.status, error.code, error.param) == (400, "duplicate_key", name)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1" * 5000, b"01", b".5"])
def test_what_is_no_finite_number_is_refused(value: bytes) -> None:
    for where in (b'"temperature":%s', b'"tools":[{"type":"function","name":"f","parameters":{"a":%s}}]'):
        assert refused(b'{"model":"m","input":"x",' + where % value + b"}").code in ("invalid_json", "invalid_value")


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**30])
def test_an_integer_has_64_bits_at_the_most(value: int) -> None:
    def holding(number: int) -> bytes:
        return to_json({"model": "m", "input": "x", "tools": [{"type": "tool_search", "parameters": {"a": [number]}}]})

    assert refused(holding(value)).code == "invalid_value"
    assert requests.create(holding(2**64 - 1)).tools


@pytest.mark.parametrize(
    "text", [b'"\\ud800"', b'"\\udc00x"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\n"', b'"\\x"', b'"', b"'x'"]
)
def test_what_is_no_text_is_refused(text: bytes) -> None:
    assert refused(b'{"model":"m","input":' + text + b"}").code == "invalid_json"


@pytest.mark.parametrize("body", [b"", b"{", b'\xef\xbb\xbf{"model":"m","input":"x"}', b'{"model":"m"} x', b"{}{}"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert refused(body).code == "invalid_json"


@pytest.mark.parametrize("body", [b"null", b"[]", b'"hi"', b"1", b"true"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    assert refused(body).code == "invalid_type"
