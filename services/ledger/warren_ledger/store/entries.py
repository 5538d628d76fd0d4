"""Entries: small documents that change, one at a time and by compare-and-set.

What they mean is not the store's affair: keys, end users, accounts and the books of budgets are kept here, each a
`shelf` of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Shelf = Literal["virtual_keys", "end_users", "accounts", "budgets", "calls", "counting", "outbox"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A document as it is, or as it is to be."""

    shelf: Shelf
    id: str
    state: dict[str, Any]
    """What JSON has, and Decimals. In MongoDB these are Decimal128, in SQLite text: that they are money whoever reads
    them knows."""
    version: int = 0
    """How often it was changed."""
    names: tuple[str, ...] = ()
    """What else it is found by. A name stands for one entry of its shelf."""
    account: str = ""
    due: float | None = field(default=None)
    """When somebody should look at it again."""


class Entries(Protocol):
    """Every method may be called again with the same arguments after a failure, like the store's."""

    async def find(self, shelf: Shelf, id_: str) -> Entry | None: ...

    async def named(self, shelf: Shelf, names: Sequence[str]) -> Entry | None:
        """The entry that one of these stands for."""

    async def some(self, shelf: Shelf, ids: Sequence[str]) -> list[Entry]:
        """Those of these that are there, in no order."""

    async def put(self, entry: Entry) -> bool:
        """Write a new entry (version 0), or one over the version before it. False: that is not what is there, or a
        name stands for another one.
        """

    async def remove(self, shelf: Shelf, id_: str) -> bool:
        """Whether it was there."""

    async def page(
        self, shelf: Shelf, *, account: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[Entry]:
        """Entries by their ids, those of one account if that is given."""

    async def any(self, shelf: Shelf) -> bool:
        """Whether there is one."""

    async def due(self, shelf: Shelf, before: float) -> list[Entry]:
        """Some of those that somebody should have looked at before this time."""
