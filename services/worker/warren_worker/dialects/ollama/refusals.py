"""What Ollama's errors mean: `{"error": "…"}`, as an answer or as a line of one.

The text may be JSON, of the server that runs the model.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from warren.errors import WarrenError
from warren.objects import Item
from warren_worker import refusal as common

_LONGEST = 2000
_TOO_LONG = (
    "exceeds the available context size",
    "exceeds the context length",
    "exceeded max context length",
    "exceed_context_size_error",
)


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
    said = _said(_object(body).get("error"))
    if (known := _known(status, said)) is not None:
        return known
    return common.refusal(status, headers, to_json({"error": {"message": said}}))


def inside(line: Item) -> WarrenError:
    """The error that a stream reports after it began with status 200."""
    status = line.get("status")
    code = status if isinstance(status, int) and 400 <= status < 600 else 500
    said = _said(line["error"])
    return _known(code, said) or common.inside({"message": said, "code": code})


def _known(status: int, said: str) -> WarrenError | None:
    if any(words in said for words in _TOO_LONG):
        return common.too_long(said)
    return common.failed(status) if status == 499 else None  # cancelled, and not by us


def _said(error: Any) -> str:
    """The sentence in an error, however deep it lies."""
    for _ in range(4):
        match error:
            case {"error": inner} | {"message": inner}:
                error = inner
            case str() if error.startswith("{") and (inner := _object(error.encode(errors="replace"))):
                error = inner
            case _:
                break
    return error[:_LONGEST] if isinstance(error, str) else ""


def _object(body: bytes) -> Item:
    try:
        value = from_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
