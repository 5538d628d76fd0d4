"""One request on its way: which attempt is shown, how far it is, and what its client has not read yet.

The fence. Parts are taken from one attempt only, in order. A stream is *latched* once it has shown model output: from
then on no other attempt may be shown. Until then another attempt may claim it and go on from the next number.
"""

import asyncio
from collections import deque
from enum import Enum, auto
from typing import Literal

from warren.contracts import Flag, Head, Part
from warren.errors import Cancelled, WarrenError

DOUBT = 1.5
"""Seconds that a doubted worker has to show that it lives."""
UNREAD = 1024 * 1024
"""Bytes that a client may leave unread …"""
REPEATED = 5
"""… besides so many times the most that came at once: what is large is said in a delta, at the end of its text, its
part, its item and the response, and these come together."""
KEPT = 4 * 1024 * 1024
"""Bytes of a stream that are kept, to say what its response was if nobody else can."""


class Taken(Enum):
    """What became of a part."""

    YES = auto()
    OLD = auto()
    GAP = auto()
    """Parts before it are missing: ask for them."""
    ASKED = auto()
    """Parts before it are missing, and have been asked for."""
    FOREIGN = auto()
    """Of an attempt that is not shown: tell it to stop."""


class Flight:
    """What a gateway knows of one request, from before its job is sent until its end is shown."""

    def __init__(self, response_id: str, account: str, *, stream: bool, deadline: float, now: float) -> None:
        self.response_id = response_id
        self.account = account
        self.stream = stream
        self.deadline = deadline
        self.attempt: str | None = None
        self.worker: str | None = None
        self.head: Head | None = None
        self.number = 0
        """Of the part that comes next."""
        self.sequence = 0
        """Of the event that comes next."""
        self.latched = False
        self.ended = False
        self.abandoned = False
        self.heard_at = now
        self.asked_at: float | None = None
        """When it was last asked to resume, if it has not answered since."""
        self.asked = 0
        """How often, since it answered."""
        self.lacking_since: float | None = None
        """When the part that comes next was first missed."""
        self.told: str | None = None
        """The worker that was told to stop."""
        self.closing = False
        """It is being ended from here."""
        self.sent: list[bytes] = []
        self.error: WarrenError | None = None
        self.first_at: float | None = None
        """When the first output of the model came."""
        self.overrun = False
        self._kept = 0
        self._largest = 0
        self._doubted_at: float | None = None
        self._unread: deque[bytes] = deque()
        self._unread_size = 0
        self._wake = asyncio.Event()

    def take(self, part: Part, data: bytes, now: float) -> Taken:
        if self.ended or self.closing:
            return Taken.OLD
        if self.attempt is None:
            self.attempt = part.attempt
        if part.attempt != self.attempt:
            return Taken.FOREIGN
        self.heard_at = now
        if part.head is not None:
            self.worker = part.head.worker
        if part.number > self.number:
            if self.asked_at is not None:
                return Taken.ASKED
            self.asked_at = now
            return Taken.GAP
        self.asked_at, self.asked = None, 0
        if part.flags & Flag.ECHO or part.number < self.number:
            return Taken.OLD
        self.number += 1
        self.lacking_since = None
        if self.first_at is None and part.flags & Flag.CONTENT:
            self.first_at = now
        self._show(part, data)
        return Taken.YES

    @property
    def code(self) -> str | None:
        """Our code for how it went wrong, if it did."""
        if self.error is not None:
            return self.error.code or "invalid_request"
        if not self.ended and self.abandoned:
            return Cancelled.code
        return None if self.head is None else self.head.error

    def claim(
        self, attempt: str, now: float, patience: float = DOUBT, *, handed: str | None = None
    ) -> Literal["run", "hold", "ended", "probe", "interrupt"]:
        """May this attempt run? `probe`: hold, and ask whoever may be running it for a sign of life; `interrupt`: hold,
        the one that is shown is dead and nobody can go on for it.

        `handed`: the attempt that handed the job on to this one. As long as nobody else's is known, and it has shown
        nothing, there is nothing to doubt.
        """
        if self.ended:
            return "ended"
        if attempt == self.attempt:
            return "run"
        if handed is not None and self.attempt in (None, handed) and not self.latched:
            self._go_on(attempt, now)
            return "run"
        if self._doubted_at is None or self.heard_at > self._doubted_at:
            self._doubted_at = now
            return "probe"
        if now - self._doubted_at < patience:
            return "hold"
        if self.latched:
            return "interrupt"
        self._go_on(attempt, now)
        return "run"

    def _go_on(self, attempt: str, now: float) -> None:
        """From now on this attempt is shown."""
        self.attempt = attempt
        self.worker = None
        self.number = 0
        self.lacking_since = None
        self.heard_at = now
        self.asked_at, self.asked = None, 0
        self._doubted_at = None

    def finish(self, data: bytes = b"") -> None:
        """End it from this side."""
        if not self.ended:
            self._give(data)
            self.ended = True
            self._wake.set()

    def fail(self, error: WarrenError) -> None:
        """End it with an error that no worker has told."""
        if not self.ended:
            self.error = error
            self.finish()

    def abandon(self) -> None:
        """The client is gone."""
        self.abandoned = True
        self._wake.set()

    async def begun(self) -> Head | None:
        """How the answer begins; None if it is over before that.

        Raises:
            WarrenError: why there will be none.
        """
        while self.head is None and not self.ended and not self.abandoned:
            await self._waken()
        if self.error is not None and self.head is None:
            raise self.error
        return self.head

    async def read(self) -> bytes | None:
        """All that has come since the last read, at least one byte; None at the end."""
        while not self._unread and not self.ended and not self.abandoned:
            await self._waken()
        if self.abandoned or not self._unread:
            return None
        data = b"".join(self._unread)
        self._unread.clear()
        self._unread_size = 0
        return data

    async def whole(self) -> bytes:
        """The complete answer of a request that does not stream."""
        pieces = []
        while (data := await self.read()) is not None:
            pieces.append(data)
        if self.error is not None:
            raise self.error
        return b"".join(pieces)

    async def _waken(self) -> None:
        self._wake.clear()
        await self._wake.wait()

    def _show(self, part: Part, data: bytes) -> None:
        if part.head is not None and part.head.status is not None:
            self.head = part.head
        if part.last >= part.first:
            self.sequence = part.last + 1
        self.latched = self.latched or bool(part.flags & Flag.CONTENT)
        if self.stream and self._kept < KEPT:
            self.sent.append(data)
            self._kept += len(data)
        self._give(data)
        if part.flags & Flag.LAST:
            self.ended = True
        self._wake.set()

    def _give(self, data: bytes) -> None:
        if not data or self.abandoned:
            return
        self._unread.append(data)
        self._unread_size += len(data)
        self._largest = max(self._largest, len(data))
        if self.stream and self._unread_size > UNREAD + REPEATED * self._largest:
            self.overrun = True
            self.abandon()
