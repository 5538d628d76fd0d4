"""The port behind which conversations are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

PAGE = 8 * 1024 * 1024
"""A page ends before it has more bytes, unless it has only one item."""
REMEMBERED = 16
"""Holders that a conversation knows to have left it: their messages may come again."""
BURIED = timedelta(days=1)
"""How long a deleted conversation cannot be made again, by a message that comes twice."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is known of a conversation besides its items."""

    conversation_id: str
    account: str
    created_at: float
    metadata: Mapping[str, str]


class Entry(NamedTuple):
    """An item in its place."""

    item_id: str
    body: bytes
    """The item as JSON."""
    kept: str | None = None
    """What is kept beside it, and shown to nobody, as JSON."""


class Stretch(NamedTuple):
    """Entries that follow each other, and whether there are more behind them."""

    entries: list[Entry]
    more: bool


class UnknownCursor(Exception):
    """There is no item with the id that was to be passed."""


class Conversations(Protocol):
    """Items in the order in which they were said. Conversations do not expire; they are deleted.

    Whoever adds to a conversation holds it first, and only one does at a time. What is added becomes visible at once
    and together, at the moment when the holder leaves; of one who never did, nothing is ever seen. To another account
    a conversation is not there.

    Whatever returns has been written to disk. Every method may be called again with the same arguments, also at the
    same time by another process.

    Raises:
        LedgerUnavailable: by every method, when the store cannot be reached or does not answer in time.
    """

    async def open(self, conversation: Conversation, entries: Sequence[Entry]) -> Conversation | None:
        """Make a conversation that begins with these; if it is there already, that one. None if it was deleted."""

    async def find(self, conversation_id: str, account: str) -> Conversation | None:
        """The conversation, if it is there."""

    async def of(self, account: str, *, limit: int, after: str | None = None) -> list[Conversation]:
        """The conversations of an account, by their ids."""

    async def update(self, conversation_id: str, account: str, metadata: Mapping[str, str]) -> Conversation | None:
        """Replace its metadata."""

    async def delete(self, conversation_id: str, account: str) -> bool:
        """Forget it with all its items; whether it was there."""

    async def enter(self, conversation_id: str, account: str, holder: str, until: float) -> bool | None:
        """Hold it, until then at the most; False if another does, None if it is not there.

        One who holds it goes on holding it; one who has left it already is told yes, and does not hold it.
        """

    async def leave(self, conversation_id: str, account: str, holder: str) -> None:
        """Hold it no longer, and never again, without having said anything."""

    async def append(self, conversation_id: str, account: str, holder: str, entries: Sequence[Entry]) -> bool | None:
        """Add these behind all others, and leave. An item that is there already stays where it is.

        True if they are in it, by this call or an earlier one; False if the holder had lost it, None if it is gone.
        """

    async def entries(
        self, conversation_id: str, account: str, *, limit: int, ascending: bool, after: str | None = None
    ) -> Stretch | None:
        """At most so many items, and no more than PAGE bytes; None if there is no such conversation.

        Raises:
            UnknownCursor: `after` is the id of no item in it.
        """

    async def entry(self, conversation_id: str, account: str, item_id: str) -> bytes | None:
        """One item."""

    async def remove(self, conversation_id: str, account: str, item_id: str) -> Conversation | None:
        """Forget one item; None if it is not there."""

    async def history(self, conversation_id: str, account: str) -> list[Entry] | None:
        """Every item, oldest first.

        Raises:
            ContextLengthExceeded: they are more than MAX_HISTORY bytes.
        """

    async def named(self, account: str, item_ids: Sequence[str]) -> dict[str, Entry]:
        """Those of these items that are in some conversation of the account."""
