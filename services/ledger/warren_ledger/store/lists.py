"""The port behind which stored responses are found by what they have in common."""

from base64 import b32hexencode
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from warren.contracts import ListResponses

PAGE = 8 * 1024 * 1024
"""A page ends before it has more bytes, unless it has only one."""
_SKEW = 3600.0
"""Seconds by which an id may be older or younger than its response says it is."""


class Listed(NamedTuple):
    """A response in a list."""

    response_id: str
    body: bytes | None
    """The object as it stands; None if it has to be looked up, because it is large."""


class Lists(Protocol):
    """Responses in the order of their ids, which is that of time. Who may see a response finds it here, too."""

    async def responses(self, asked: ListResponses) -> tuple[list[Listed], bool]:
        """Some of an account's responses, no more than PAGE bytes, and whether there are more behind them.

        Those that are kept, and those that run in the background; every filter must hold, all of its metadata, too.
        `created_after` includes that moment, `created_before` does not.
        Responses behind `after` in this order, whether there is one with this id or not.
        """

    async def holders(self, account: str, item_ids: Sequence[str]) -> dict[str, str]:
        """Of each of these output items the newest response that has it."""

    async def beside(self, account: str, item_ids: Sequence[str]) -> dict[str, str | None]:
        """Of each of these output items that a response has: what is kept beside it."""


def span(asked: ListResponses) -> tuple[str | None, str | None]:
    """Ids between which all responses must be that were created in this time: the rest need not be looked at."""
    after, before = asked.created_after, asked.created_before
    return (
        None if after is None else _at(after - _SKEW),
        None if before is None else _at(before + _SKEW),
    )


def _at(time: float) -> str:
    """The beginning of the ids that are made at this time."""
    milliseconds = min(max(int(time * 1000), 0), (1 << 48) - 1)
    return "resp_" + b32hexencode(milliseconds.to_bytes(6)).decode().lower()[:8]
