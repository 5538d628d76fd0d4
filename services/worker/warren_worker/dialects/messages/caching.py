"""Prompt caching. Anthropic keeps what a request marks; OpenAI keeps by itself what many requests begin with.

So a request that says anything about caching, be it only whose prompts are alike, has the end of its conversation
marked, unless it marks parts itself or wants nothing else (`mode: explicit`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from warren.objects import Item
from warren_worker.asked.unsaid import only
from warren_worker.dialects.messages.settling import THOUGHTS

_OPTIONS = ("mode", "ttl")
MOST = 4
"""Marks in one request."""


@dataclass(frozen=True, slots=True)
class Caching:
    """`end`: the end of the conversation is to be marked. `long`: what is marked is to stay for longer.

    There are two times to live, five minutes and an hour: 30 minutes are rather the first, half a day is the second.
    """

    end: bool
    long: bool

    def marked(self, block: Item, breakpoint_: Any) -> Item:
        """The block, with a mark behind it if there is a breakpoint."""
        if not isinstance(breakpoint_, dict):
            return block
        return {**block, "cache_control": _control(breakpoint_.get("ttl") == "12h" or self.long)}

    def end_marked(self, messages: list[Item]) -> None:
        """Mark the end of the messages, if that is wanted and there is no mark elsewhere."""
        blocks = [block for message in messages for block in message["content"]]
        free = [block for block in blocks if block["type"] not in THOUGHTS]
        if self.end and free and not any("cache_control" in block for block in blocks):
            free[-1]["cache_control"] = _control(self.long)


def keep_last_marks(blocks: Iterable[Item]) -> None:
    """No more of them are marked than the API takes, and none for less time than one behind it: every mark is for all
    that stands before it, too.
    """
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[:-MOST]:
        del block["cache_control"]
    for block, before in pairwise(reversed(marked[-MOST:])):
        before["cache_control"] |= block["cache_control"]


def caching(request: Mapping[str, Any]) -> Caching:
    options = request.get("prompt_cache_options") or {}
    only(options, _OPTIONS, "prompt_cache_options", {"prewarm": False})
    retention = request.get("prompt_cache_retention")
    wanted = bool(options or retention or request.get("prompt_cache_key"))
    return Caching(
        end=wanted and options.get("mode") != "explicit",
        long=options.get("ttl") == "12h" or retention == "24h",
    )


def _control(long: bool) -> Item:
    return {"type": "ephemeral", "ttl": "1h"} if long else {"type": "ephemeral"}
