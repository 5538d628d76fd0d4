"""Room for large bodies: what the requests under way may take of a gateway's memory together."""

from collections.abc import MutableMapping
from typing import Any

from warren.errors import Overloaded

SMALL = 1024 * 1024
"""Bytes of a body that is not worth counting."""
_HELD = "warren.held"


class Room:
    """So many bytes. A request holds some of them for as long as its body is needed, under its ASGI scope."""

    def __init__(self, size: int) -> None:
        self._free = size

    def hold(self, scope: MutableMapping[str, Any], size: int) -> None:
        """Make room for a body of this request, which has grown to this size.

        Raises:
            Overloaded: there is none at the moment.
        """
        held = scope.get(_HELD, 0)
        if size <= max(held, SMALL):
            return
        if size - held > self._free:
            raise Overloaded("Too many large requests are under way.", retry_after=2)
        self._free -= size - held
        scope[_HELD] = size

    def release(self, scope: MutableMapping[str, Any]) -> None:
        """This request is over."""
        self._free += scope.pop(_HELD, 0)
