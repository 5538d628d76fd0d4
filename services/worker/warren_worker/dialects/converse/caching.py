"""Prompt caching: a `cachePoint` behind what is to be kept. When the end of a conversation is marked is as with
Anthropic's own API.
"""

from itertools import pairwise
from typing import Any

from warren.objects import Item
from warren_worker.asked.blocks import unmarked
from warren_worker.dialects.converse.vendors import Vendor
from warren_worker.dialects.messages.caching import MOST, Caching


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
            unmarked(path)
            return []
        self._set = True
        return [self._point(long=breakpoint_.get("ttl") == "12h" or self._caching.long)]

    def end(self, messages: list[Item]) -> None:
        """Mark the end of the conversation, if that is wanted and nothing else is marked."""
        content = messages[-1]["content"]
        if self._caching.end and self._vendor.caches and not self._set and "reasoningContent" not in content[-1]:
            content.append(self._point(long=self._caching.long))

    def keep_last(self, contents: list[list[Item]]) -> None:
        """No more marks are left in these than a request may have, and none for less time than one behind it."""
        places = [(content, at) for content in contents for at, block in enumerate(content) if "cachePoint" in block]
        points = [content[at]["cachePoint"] for content, at in places[-MOST:]]
        for point, before in pairwise(reversed(points)):
            before.update(point)
        for content, at in reversed(places[:-MOST]):
            del content[at]

    def _point(self, *, long: bool) -> Item:
        ttl = {"ttl": "1h"} if long and self._vendor.caches == "1h" else {}
        return {"cachePoint": {"type": "default", **ttl}}
