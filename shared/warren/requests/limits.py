"""Reading JSON that anybody may send: how large, deep and wide it may be, and that it means one thing only.

What a parser would make of a hostile body is bounded before one sees it. The body is looked at in pieces, and each
piece by functions that are written in C, so that neither the processor nor the interpreter's lock is held for long.
"""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from math import isinf
from typing import Any

from pydantic_core import from_json

from warren.errors import InvalidRequest, RequestTooLarge

LARGEST = 32 * 1024 * 1024
DEEPEST = 64
MOST_VALUES = 100_000
MOST_KEYS = 8192
"""Of one object: a complaint about each of its keys is made before the first is told."""
_PIECE = 256 * 1024
_INTEGERS = range(-(2**63), 2**64)
_STRUCTURE = bytes(byte for byte in range(256) if byte not in b"{[]}")
_STEP = bytes.maketrans(b"{[}]", b"\x02\x02\x00\x00")


def weigh(body: bytes) -> None:
    """Refuse what is too large or too complex to be parsed.

    Raises:
        RequestTooLarge: more than 32 MB.
        InvalidRequest: too deep, or too many values.
    """
    _weigh(body)


def read(body: bytes) -> dict[str, Any]:
    """The JSON object that these bytes hold.

    Raises:
        RequestTooLarge: more than 32 MB.
        InvalidRequest: no JSON, not an object, too complex, or it would mean different things to different readers:
            keys twice, integers of more than 64 bits.
    """
    pairs = _weigh(body)
    try:
        value = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise InvalidRequest(
            f"We could not parse the JSON body of your request: {error}.", code="invalid_json"
        ) from None
    if not isinstance(value, dict):
        raise InvalidRequest("The body of the request must be a JSON object.", code="invalid_type")
    if _pairs(value) != pairs:
        raise _doubled(body)
    return value


def _weigh(body: bytes) -> int:
    """How many pairs of key and value its objects hold."""
    if len(body) > LARGEST:
        raise RequestTooLarge("The body of a request may have 32 MB at the most.")
    pairs = values = depth = 0
    for bare in _bare(body):
        pairs += bare.count(b":")
        brackets = bare.translate(None, _STRUCTURE)
        values += bare.count(b",") + brackets.count(b"{") + brackets.count(b"[")
        if values > MOST_VALUES:
            raise _complex(f"more than {MOST_VALUES} values")
        if brackets:
            steps = list(accumulate((step - 1 for step in brackets.translate(_STEP)), initial=depth))
            depth = steps[-1]
            if max(steps) > DEEPEST:
                raise _complex(f"more than {DEEPEST} levels")
    return pairs


def _bare(body: bytes) -> Iterator[bytes]:
    """The body without its strings, in pieces."""
    if len(body) <= _PIECE:
        yield b"".join(_outside(body)[::2])
        return
    at = inside = 0
    while at < len(body):
        piece = body[at : at + _PIECE]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            piece = body[at : at + _PIECE + 1]  # not between a backslash and what it escapes
        parts = _outside(piece)
        yield b"".join(parts[inside::2])
        at += len(piece)
        inside = (inside + len(parts) - 1) % 2


def _outside(piece: bytes) -> list[bytes]:
    """Cut at the quotes that begin or end a string."""
    if b"\\" in piece:
        piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
    return piece.split(b'"')


def _pairs(value: Any) -> int:
    """How many pairs there are at all depths; the walk looks at the numbers, too."""
    pairs = 0
    open_ = [value]
    while open_:
        value = open_.pop()
        if isinstance(value, dict):
            pairs += len(value)
            if len(value) > MOST_KEYS:
                raise _complex(f"an object with more than {MOST_KEYS} keys")
            open_ += value.values()
        elif isinstance(value, list):
            open_ += value
        elif isinstance(value, int) and value not in _INTEGERS:
            raise InvalidRequest("An integer may have 64 bits at the most.", code="invalid_value")
        elif isinstance(value, float) and isinf(value):  # 1e999
            raise InvalidRequest("A number must be finite.", code="invalid_value")
    return pairs


def _doubled(body: bytes) -> InvalidRequest:
    """Says which key there is twice."""
    twice: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> None:
        if len(found) != len(dict(found)):
            twice.extend(name for name, times in Counter(name for name, _ in found).items() if times > 1)

    json.loads(body, object_pairs_hook=pairs)
    name = min(twice, default="")[:128]
    return InvalidRequest(f"Duplicate key: '{name}'.", param=name, code="duplicate_key")


def _complex(what: str) -> InvalidRequest:
    return InvalidRequest(f"The body of the request is too complex: {what}.", code="request_too_complex")
