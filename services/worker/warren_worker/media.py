"""Media that a provider takes as bytes only: what a conversation names by URL is fetched, and made data URLs."""

from collections.abc import Awaitable, Callable

from warren_worker.dialect import Conversation

Fetch = Callable[[str], Awaitable[tuple[str, bytes]]]
"""Gives the media type and the bytes of what is at a URL."""


async def inlined(conversation: Conversation, kinds: frozenset[str], fetch: Fetch) -> Conversation:
    """The conversation with parts of these types in it as bytes.

    Raises:
        InvalidRequest: something cannot be fetched; `param` is where it stands.
    """
    if not kinds:
        return conversation
    raise NotImplementedError(fetch)
