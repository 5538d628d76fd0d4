"""How much of a deployment is used, against what may be. Pure: the time comes in.

Requests and tokens are counted in seconds, and a second counts until it is wholly more than 61 seconds ago: what is
granted is a little later at the provider, now more and now less, and there, too, no 60 seconds may see more than the
limit. It may be up to one second more before room is made.
"""

from dataclasses import dataclass, field
from math import floor
from typing import NamedTuple, Self

from pydantic_core import from_json, to_json

from warren.contracts import Permit, Permitted, Release

LEASE = 60.0
"""Seconds for which a call counts that is neither prolonged nor released: whoever made it is gone."""
_ON_ITS_WAY = 1
"""Seconds by which one call may take longer to the provider than another: the first one connects."""
WINDOW = 60 + _ON_ITS_WAY + 1
"""Seconds in which something may lie that still counts, this one among them."""
_SKEW = 5.0
"""Seconds that clocks of ledgers may differ by."""
_SOON = 1.0
"""Seconds until a call may be over."""


class Second(NamedTuple):
    """What was granted in it."""

    requests: int
    tokens: int


class Lease(NamedTuple):
    """A call that runs."""

    second: int
    """When it was granted."""
    tokens: int
    """What it counts for until it is known what it uses."""
    until: float


@dataclass(slots=True)
class Used:
    """How much of one deployment is."""

    seconds: dict[int, Second] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    latest: float = 0.0
    """No time before this one comes any more: clocks of several ledgers differ."""

    @classmethod
    def read(cls, body: bytes) -> Self:
        value = from_json(body)
        return cls(
            {int(at): Second(*second) for at, second in value["seconds"].items()},
            {id_: Lease(*lease) for id_, lease in value["leases"].items()},
            value["latest"],
        )

    def written(self) -> bytes:
        return to_json({"seconds": self.seconds, "leases": self.leases, "latest": self.latest})

    def until(self, now: float) -> float:
        """When nothing of this matters any more, if nothing comes."""
        return max((lease.until for lease in self.leases.values()), default=now) + WINDOW

    def permit(self, asked: Permit, now: float) -> Permitted:
        """Whether there is room for this call; if there is, it is taken."""
        now = self._pass(now)
        lasts = LEASE if asked.seconds is None else asked.seconds
        known = self.leases.get(asked.permit_id)
        if known is not None or asked.granted:
            second, tokens, _ = known or Lease(floor(now), 0, 0.0)
            self.leases[asked.permit_id] = Lease(second, tokens, now + lasts)
            return Permitted(granted=True, seconds=lasts)
        if (wait := self._wait(asked, now)) != 0:
            return Permitted(granted=False, retry_after=wait)
        self._count(floor(now), 1, asked.tokens)
        self.leases[asked.permit_id] = Lease(floor(now), asked.tokens, now + lasts)
        return Permitted(granted=True, seconds=lasts)

    def release(self, over: Release, now: float) -> None:
        """A call is over; if it is known what it used, that counts, and not what was likely."""
        self._pass(now)
        lease = self.leases.pop(over.permit_id, None)
        if lease is not None and over.tokens is not None and lease.second in self.seconds:
            self._count(lease.second, 0, over.tokens - lease.tokens)

    def _pass(self, now: float) -> float:
        if self.latest > now + _SKEW:  # a clock was wrong, and has been set
            self.seconds.clear()
            self.leases.clear()
            self.latest = now
        now = self.latest = max(now, self.latest)
        for at in [at for at in self.seconds if at <= floor(now) - WINDOW]:
            del self.seconds[at]
        for id_ in [id_ for id_, lease in self.leases.items() if lease.until <= now]:
            del self.leases[id_]
        return now

    def _count(self, at: int, requests: int, tokens: int) -> None:
        second = self.seconds.get(at, Second(0, 0))
        self.seconds[at] = Second(second.requests + requests, second.tokens + tokens)

    def _wait(self, asked: Permit, now: float) -> float | None:
        """Seconds until there is likely to be room; None: there never is."""
        limits = asked.limits
        waits = [
            self._until(0, limits.rpm, 1, now),
            self._until(1, limits.tpm, asked.tokens, now),
            _SOON if limits.parallel is not None and len(self.leases) >= limits.parallel else 0.0,
        ]
        return None if None in waits else max(wait for wait in waits if wait is not None)

    def _until(self, what: int, most: int | None, wanted: int, now: float) -> float | None:
        """Seconds until so much has gone out of the window that this fits; `what`: 0 requests, 1 tokens."""
        if most is None:
            return 0.0
        if wanted > most:
            return None
        used = sum(second[what] for second in self.seconds.values())
        if used + wanted <= most:
            return 0.0
        for at in sorted(self.seconds):
            used -= self.seconds[at][what]
            if used + wanted <= most:
                return at + WINDOW - now
        return None
