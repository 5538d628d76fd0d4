"""What an Idempotency-Key stands for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from warren.errors import InvalidRequest
from warren_gateway.idempotency import fingerprint, key

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def request(given: bytes | None) -> Request:
    headers = [] if given is None else [(b"idempotency-key", given)]
    return Request({"type": "http", "method": "POST", "headers": headers})


def backwards(value: Any) -> Any:
    """The same, its keys in another order."""
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(value)}
    return [backwards(one) for one in value] if isinstance(value, list) else value


@given(JSON)
def test_the_same_request_has_the_same_fingerprint_however_it_is_written(value: Any) -> None:
    plain = json.dumps(value).encode()
    other = json.dumps(backwards(value), indent=3, ensure_ascii=False).encode()
    assert fingerprint(plain) == fingerprint(other)


@given(JSON, JSON)
def test_other_requests_have_other_fingerprints(one: Any, other: Any) -> None:
    first, second = (json.dumps(value, sort_keys=True).encode() for value in (one, other))
    assert (fingerprint(first) == fingerprint(second)) == (first == second)


def test_a_key_is_kept_as_a_hash_only() -> None:
    assert key(request(None)) is None
    hashed = key(request(b"my-key"))
    assert hashed is not None
    assert "my-key" not in hashed
    assert hashed == key(request(b"my-key")) != key(request(b"my-kez"))
    assert key(request(b"x" * 255))


@pytest.mark.parametrize("bad", [b"", b"x" * 256, b"a b", b"a\tb", "schlüssel".encode(), b"\x7f"])
def test_what_is_no_key_is_refused(bad: bytes) -> None:
    with pytest.raises(InvalidRequest):
        key(request(bad))
