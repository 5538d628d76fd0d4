"""The most that a request may use, about. Pure.

What it will have used is known when it has ended; until then its budget must have room for this.
"""

import re
from typing import Any

from warren.objects import Item

CARRIED = 32_768
"""Tokens that a conversation brings along: the gateway has not seen it."""
UNLIMITED = 32_768
"""Tokens of an answer that no limit was set to."""
_USUAL = 1024
_BYTES = 2
"""Of a token: texts have four, code three, numbers and what is not Latin about two."""
_MEDIUM = 16_384
"""Tokens of a picture or a file that is sent along, at the most."""
_SMALL = 64 * 1024
_BASE64 = re.compile(r"[A-Za-z0-9+/=_\-\s]+")
_SAMPLE = 4096
"""Characters by which a text is told from what it is not."""
_ELSEWHERE = frozenset({"image_url", "file_url", "file_id"})
"""Where a picture or a file is named that is not sent along."""


def input_tokens(wanted: Any, size: int) -> int:
    """Of a request whose body has so many bytes."""
    light = size < _SMALL and isinstance(getattr(wanted, "input", None), str)
    tokens = size // _BYTES if light else _weight(wanted.model_dump(exclude_unset=True)) // _BYTES
    carries_on = getattr(wanted, "previous_response_id", None) or getattr(wanted, "conversation", None)
    return tokens + (CARRIED if carries_on else 0)


def output_tokens(wanted: Any) -> int:
    limit = getattr(wanted, "max_output_tokens", None)
    return UNLIMITED if limit is None else int(limit)


def likely_tokens(wanted: Any, size: int) -> int:
    """What it is likely to use, for limits of tokens: what it has used counts instead as soon as it is known."""
    return size // (2 * _BYTES) + min(output_tokens(wanted), _USUAL)


def _weight(value: Item | list[Any] | Any) -> int:
    """Bytes, where a picture counts for no more than it is worth."""
    match value:
        case str() if value.startswith("data:") or (len(value) > 4 * _MEDIUM * _BYTES and _is_base64(value)):
            return min(len(value), _MEDIUM * _BYTES)
        case str():
            return len(value.encode())
        case dict():
            return sum(len(name) + _named(name, inner) for name, inner in value.items())
        case list():
            return sum(_weight(inner) for inner in value)
        case _:
            return 8


def _named(name: str, value: Any) -> int:
    if name in _ELSEWHERE and isinstance(value, str) and not value.startswith("data:"):
        return _MEDIUM * _BYTES
    return _weight(value)


def _is_base64(text: str) -> bool:
    return " " not in text and _BASE64.fullmatch(text, 0, _SAMPLE) is not None
