"""What cannot be said is refused by its path."""

from collections.abc import Mapping
from typing import Any

from warren.errors import InvalidRequest


def unsupported(path: str, why: str = "is not supported with this model") -> InvalidRequest:
    return InvalidRequest(f"Unsupported parameter: '{path}': {why}.", param=path, code="unsupported_parameter")


def missing(path: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter")


def only(
    given: Mapping[str, Any], known: tuple[str, ...], path: str, defaults: Mapping[str, Any] | None = None
) -> None:
    """Refuse by name what would be left out; what says the default anyway may be."""
    for name, value in given.items():
        if value is None or name in known or (defaults is not None and name in defaults and value == defaults[name]):
            continue
        raise unsupported(f"{path}.{name}" if path else name)
