"""Detached runs: what the store remembers of a job that runs whoever listens.

A run is a row among the responses, and a log: the parts of its stream as they came, of every attempt at it. Which of
them are shown the row says: its `spans` are the attempts that were let run, each with the first sequence number that
it may show, and its `fence` is who may write now. An attempt that was replaced may still be writing; what it writes
from the next span's first number on is never shown. While the fence has changed hands and its span is not there yet,
nothing of the last span is shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from warren.contracts import Flag, Part

QUEUED = "queued"
OPEN = "in_progress"
RUNNING = (QUEUED, OPEN)
"""Statuses of what has not ended. A row that is OPEN and not detached is only a claim: nobody sees it."""
LEDGER = ""
"""The attempt under which the ledger logs how a stream begins."""
END = "end"
"""The attempt under which it logs how one ends that nobody else can end."""
PAGE = 1024 * 1024
"""Bytes of a log that are read at a time, about."""

_UNENDED = 86_400.0
"""Seconds behind its deadline for which a row stays that nobody has ended."""

Entry = tuple[Part, bytes]
"""A part of a stream, and its bytes."""


class Span(NamedTuple):
    """An attempt that was let run, and the first sequence number that is shown of it."""

    attempt: str
    first: int


class Reach(NamedTuple):
    """What is shown of an attempt: parts that begin from `first` on and, if there is an `until`, before it."""

    attempt: str
    first: int
    until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The row of a detached run."""

    response_id: str
    account: str
    status: str
    background: bool
    stream: bool
    logged: bool
    """Its parts are kept."""
    created_at: float
    deadline: float
    log_until: float
    model: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    """The id of the key that stands for it."""
    attempt: str = ""
    """Only this one can end it, and whoever belongs to no attempt."""
    worker: str = ""
    fence: str = LEDGER
    """Whose parts are taken."""
    latched: bool = False
    """Model output of this attempt may have been shown: no other attempt can take its place."""
    doubted_at: float | None = None
    """Since when nobody answers for the attempt."""
    spans: tuple[Span, ...] = ()
    job: bytes = field(default=b"", repr=False)
    """The encoded job, until it has ended."""
    body: bytes | None = field(default=None, repr=False)
    """The response object before anything has happened, of one that may be retrieved meanwhile."""

    @property
    def running(self) -> bool:
        return self.status in RUNNING

    @property
    def expires(self) -> float:
        """When the row goes, should it never end."""
        return max(self.deadline + _UNENDED, self.log_until)

    @property
    def settled(self) -> bool:
        """Whether it is known from where on the attempt that may write is shown."""
        return not self.spans or self.spans[-1].attempt == self.fence

    @property
    def closed(self) -> bool:
        """Whether the ledger has ended its log."""
        return bool(self.spans) and self.spans[-1].attempt == END

    @property
    def first(self) -> int | None:
        """The number from which on the present attempt writes; None while that is not settled."""
        return self.spans[-1].first if self.spans and self.settled else None

    def reaches(self, after: int = -1, *, whole: bool = False) -> Iterator[Reach]:
        """What is shown of each attempt behind this number, in order. `whole`: of the last one all that was taken,
        settled or not.
        """
        for at, (attempt, first) in enumerate(self.spans):
            if at + 1 < len(self.spans):
                if (until := self.spans[at + 1].first) > after + 1:
                    yield Reach(attempt, first, until)
            elif self.settled or whole:
                yield Reach(attempt, first, None)

    def shows(self, part: Part) -> bool:
        return any(
            attempt == part.attempt and first <= part.first and (until is None or part.first < until)
            for attempt, first, until in self.reaches()
        )


class Line:
    """Takes parts in order, and tells which of them go on behind a number without a gap."""

    def __init__(self, after: int = -1) -> None:
        self.next = after + 1
        self.size = 0
        self.over = False
        """Nothing that comes can be taken any more."""

    def take(self, part: Part) -> bool:
        """Whether this part is to be shown. It may begin before the number."""
        self.over = self.over or part.first > self.next
        if self.over or max(part.first, part.last) < self.next:
            return False
        self.next = part.last + 1
        self.size += part.size
        self.over = bool(part.flags & Flag.LAST)
        return True


def pairs(metadata: Mapping[str, str]) -> list[str]:
    """Metadata as what it is looked up by: each key with its value."""
    return [f"{key}\0{value}" for key, value in metadata.items()]


class Runs(Protocol):
    """The rows and logs of detached runs. Every method may be called again after a failure, like the store's."""

    async def holder(self, key: str) -> tuple[str, str] | None:
        """The response that a key stands for, and its fingerprint."""

    async def reserve(self, key: str, fingerprint: str, response_id: str, until: float) -> tuple[str, str]:
        """Let a key stand for a response until then, unless it stands for one already.

        Returns the response it stands for, and that one's fingerprint.
        """

    async def release(self, key: str, response_id: str) -> None:
        """Let a key stand for this response no more."""

    async def open(self, run: Run, beginning: Entry | None) -> Run:
        """Write the row, and the first part of its log; if there is one already: that row, as it is."""

    async def abandon(self, run: Run) -> bool:
        """Remove the row of a run, its log and its key, if nobody has taken it; whether there is none now."""

    async def find(self, response_id: str, account: str) -> Run | None:
        """The row of a detached run, also when it has ended."""

    async def take(self, run: Run, attempt: str, worker: str, beginning: Entry | None) -> int | None:
        """Let this attempt run, and no other from now on, if the row is still as `run` says.

        `beginning` is logged before, under LEDGER, if nothing has run yet. Returns the number to go on from; None if
        the row has changed. The same attempt gets the same number again.
        """

    async def doubt(self, run: Run, at: float | None) -> None:
        """Note since when nobody answers for the attempt of `run`, or that somebody does."""

    async def append(self, entries: Sequence[Entry]) -> set[str]:
        """Log parts, once each; the ids of the responses whose logs took some.

        Only parts of the attempt that holds the fence are taken. The first with model output latches the row, before
        it can be seen.
        """

    async def shut(self, run: Run) -> Run | None:
        """Take no parts of any attempt from now on; the row as it is then."""

    async def close(self, run: Run, end: Entry) -> None:
        """Log how the stream of a run ends that is shut, unless that is logged already."""

    async def log(self, run: Run, *, bare: bool = False) -> list[Entry]:
        """All parts that were taken, without a gap, also of a run that is shut and not closed; `bare`: no bytes."""

    async def tail(self, response_id: str, account: str, after: int) -> tuple[Run, list[Entry]] | None:
        """The row, and the parts behind this number that it shows, without a gap: PAGE bytes of them, about."""

    async def due(self, before: float) -> list[Run]:
        """Some of the runs that have not ended and whose deadline was before this time."""
