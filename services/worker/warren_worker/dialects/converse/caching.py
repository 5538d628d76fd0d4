"""Prompt caching: a `cachePoint` behind what is to be kept. When the end of a conversation is marked is as with
Anthropic's own API.
"""

from typing import Any

from warren.objects import Item
from warren_worker.asked.unsaid import unsupported
from warren_worker.dialects.converse.vendors import Vendor
from warren_worker.dialects.messages.caching import Caching


class Points:
    """Where the marks of one request are."""

    def __init__(self, caching: Caching, vendor: Vendor) -> None:
        self._caching = caching
        self._vendor = vendor
        self._set = False

    def behind(self, breakpoint_: Any, path: str) -> list[Item]:
        """The mark behind a part that has this breakpoint."""
        if not isinstance(breakpoint_, dict):
            return []
        if not self._vendor.caches:
            raise unsupported(f"{path}.prompt_cache_breakpoint")
        self._set = True
        return [self._point(long=breakpoint_.get("ttl") == "12h" or self._caching.long)]

    def end(self, messages: list[Item]) -> None:
        """Mark the end of the conversation, if that is wanted and nothing else is marked."""
        content = messages[-1]["content"]
        if self._caching.end and self._vendor.caches and not self._set and "reasoningContent" not in content[-1]:
            content.append(self._point(long=self._caching.long))

    def _point(self, *, long: bool) -> Item:
        ttl = {"ttl": "1h"} if long and self._vendor.caches == "1h" else {}
        return {"cachePoint": {"type": "default", **ttl}}
