"""What a fake provider writes down of every call: what it was asked, how far it came, and what it would bill.

Calls are known by the id that the caller gives them (`x-client-request-id`), so that a bill can be laid beside the
caller's own records.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

Json = dict[str, Any]


class Used(NamedTuple):
    """Tokens: `read` includes the cached, `written` the reasoning ones."""

    read: int
    cached: int
    written: int
    reasoned: int


@dataclass
class Call:
    """One entry of the journal."""

    number: int
    path: str
    model: str
    body: Json
    headers: dict[str, str]
    count: "Count"
    started: float = field(default_factory=monotonic)
    words: int = 0
    characters: int = 0
    """Of text that was written to the socket."""
    status: int = 200
    fate: str = ""
    """What was to happen to it, of a model that is moody."""
    reported: Used | None = None
    """The usage that it told, as it wrote it."""
    ended: float | None = None
    finished: bool = False
    """It sent all that it had to say; otherwise the caller hung up."""

    @property
    def call_id(self) -> str:
        return self.headers.get("x-client-request-id", "")

    @property
    def said(self) -> list[Json]:
        """The messages or items that it was asked with."""
        return list(self.body.get("messages") or self.body["input"])

    @property
    def used(self) -> Used:
        """What it has used until now."""
        return self.count(self)


Count = Callable[[Call], Used]


def plain(call: Call) -> Used:
    """Seven tokens read, each word a token."""
    return Used(7, 0, call.words, 0)


def metered(call: Call) -> Used:
    """Four characters to a token. Of every third call some of the input was cached, in every fifth there were thoughts
    that nobody was shown.
    """
    read = 7 + -(-sum(len(json.dumps(item["content"])) for item in call.said) // 4)
    cached = read // 3 if call.number % 3 == 0 else 0
    reasoned = 5 + call.number % 7 if call.number % 5 == 0 and call.words else 0
    return Used(read, cached, -(-call.characters // 4) + reasoned, reasoned)
