"""The store: what the ledger remembers, whatever keeps it.

The port is a protocol; its prose is its contract, and one test suite holds every adapter to it
(`mongo` for MongoDB, `sqlite` for one process).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Protocol, Self

from pydantic_core import from_json, to_json

from warren.contracts import Blob, Claim, Outcome, Recorded, UpstreamCall
from warren_ledger.store.blobs import Blobs
from warren_ledger.store.charges import Charges
from warren_ledger.store.conversations import Conversations
from warren_ledger.store.entries import Entries
from warren_ledger.store.lists import Lists
from warren_ledger.store.notes import Notes
from warren_ledger.store.runs import OPEN as OPEN
from warren_ledger.store.runs import RUNNING, Runs
from warren_ledger.store.runs import pairs as pairs

KEEP = timedelta(days=30)
"""How long content is remembered unless the settings say otherwise."""
KEEP_OPEN = timedelta(days=1)
"""How long a claim stands: far longer than any job may run."""
MAX_TURNS = 10_000
"""Responses in one chain."""
MAX_HISTORY = 32 * 1024 * 1024
"""Bytes of content in one chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is remembered of a response. Without content (`kept` is false) it only says that there was one."""

    response_id: str
    account: str
    status: str
    attempt: str
    ended_at: float
    kept: bool
    model: str | None = None
    deployment: str | None = None
    upstream_id: str | None = None
    previous_response_id: str | None = None
    created_at: float | None = None
    error: str | None = None
    background: bool | None = None
    conversation: str | None = None
    body: bytes | None = field(default=None, repr=False)
    """The response object as it was shown. It is never parsed: every number and key in it stays as it is."""
    input: bytes | None = field(default=None, repr=False)
    """Its own new input items, a JSON array."""
    blob: Blob | None = None
    """Body and input are there, while they are not here."""
    split: int | None = None
    """Where in the blob the input begins."""
    beside: str | None = field(default=None, repr=False)
    """What is kept beside its items (`Outcome.kept`), as JSON."""

    @property
    def running(self) -> bool:
        return self.status in RUNNING

    @property
    def size(self) -> int:
        """Bytes of content, wherever it is."""
        inside = len(self.body or b"") + len(self.input or b"") + len(self.beside or "")
        return inside + (0 if self.blob is None else self.blob.size)

    def shown(self) -> bytes | None:
        """The response object, as it stands: what runs shows what it was made with."""
        if self.body is None or not self.running:
            return self.body
        return to_json({**from_json(self.body), "status": self.status}, inf_nan_mode="null")

    def filled(self, content: bytes | None) -> Self:
        """With the content that its blob holds; without any if that is gone, or not what it was."""
        if self.blob is None or self.split is None or content is None:
            return replace(self, body=None, input=None)
        if sha256(content).hexdigest() != self.blob.sha256:
            return replace(self, body=None, input=None)
        return replace(self, body=content[: self.split], input=content[self.split :])

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """What to remember of an outcome. Of one that is not to be stored: that it was."""
        stub = cls(
            response_id=outcome.response_id,
            account=outcome.account,
            status=outcome.status,
            attempt=outcome.attempt,
            ended_at=outcome.ended_at,
            kept=False,
        )
        if not outcome.store:
            return stub
        return replace(
            stub,
            kept=True,
            model=outcome.model,
            deployment=outcome.deployment,
            upstream_id=outcome.upstream_id,
            previous_response_id=outcome.previous_response_id,
            created_at=outcome.created_at,
            error=outcome.error,
            background=outcome.background or None,
            conversation=outcome.conversation,
            body=outcome.response if outcome.blob is None else None,
            input=outcome.input if outcome.blob is None else None,
            blob=outcome.blob,
            split=outcome.split if outcome.blob is not None else None,
            beside=to_json(outcome.kept).decode() if outcome.kept else None,
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """A response and those before it, oldest first, with content."""

    turns: list[Record]
    hole: str | None = None
    """The id of the response before these whose content is gone; what was before it is not told."""

    @classmethod
    def of(cls, ids: Iterable[str], records: Mapping[str, Record]) -> Self:
        """Line up `records` along `ids` (newest first) as far as there is content, and nothing twice."""
        turns: dict[str, Record] = {}
        hole = None
        for id_ in ids:
            record = records.get(id_)
            if record is None or not record.kept or id_ in turns:
                hole = id_
                break
            turns[id_] = record
        return cls(list(reversed(turns.values())), hole)


def known(outcome: Outcome, answer: Recorded, there: Mapping[str, bool]) -> Recorded:
    """The answer to an outcome, with its calls that another one has told of before: `there` says of what is on record
    whether it is as a worker says itself, or as others know of a lost one.
    """
    others = frozenset(call.call_id for call in outcome.calls if there.get(call.call_id, call.lost) != call.lost)
    return answer.model_copy(update={"known": others}) if others else answer


class Store(Protocol):
    """The memory of all accounts. To every question and every write, another account's response is not there.

    Beside its record, a response is stored with the `pairs` of its metadata and the ids of its output items, for
    whoever looks for it by these: in MongoDB as the arrays `metadata` and `item_ids` of its document, in SQLite in the
    tables `response_metadata` (pair, response_id) and `response_items` (item_id, response_id). A row that holds no
    response yet has one of the statuses RUNNING; only with `background` may anybody see it.

    Whatever returns has been written to disk. Every method may be called again with the same arguments after a
    failure, which leaves open whether it had its effect.

    Raises:
        LedgerUnavailable: by every method, when the store cannot be reached or does not answer in time.
    """

    @property
    def system(self) -> str:
        """What database it is, as traces say it."""

    @property
    def shaky(self) -> bool:
        """Whether it was away moments ago: what has to be written to it, here or elsewhere, may not be yet."""

    @property
    def runs(self) -> Runs: ...

    @property
    def blobs(self) -> Blobs: ...

    @property
    def conversations(self) -> Conversations: ...

    @property
    def lists(self) -> Lists: ...

    @property
    def entries(self) -> Entries: ...

    @property
    def charges(self) -> Charges: ...

    @property
    def notes(self) -> Notes: ...

    async def put(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        """Remember how responses ended, and tell of each outcome whether it is the record.

        The first outcome of a response wins, here and for ever; the same one again has won again. Once a response
        is claimed, only outcomes of the attempt that claimed it last can win, and those that belong to no attempt
        (`attempt` is empty). A superseded one never wins. The calls of every outcome are remembered once each,
        whether it wins or not, and so is the charge. A call of a worker that is gone may be told of by somebody else
        (`lost`), and by itself after all: the first counts, the answer to the other names it in `known`. A blob that
        the record names is kept as long as the record.

        A detached run that has failed before any output was shown, and was not visible either, frees its key.
        """

    async def claim(self, claim: Claim) -> Record | None:
        """From now on only this attempt may write the response; if it has ended already: its record, with content."""

    async def find(
        self, response_id: str, account: str, *, content: bool = False, running: bool = False
    ) -> Record | None:
        """The record of a response that has ended, or (`running`) runs in the background.

        `body`, `input` and `beside` come only with `content`, from a blob if they are there.
        """

    async def chain(self, response_id: str, account: str) -> Chain | None:
        """A response with all that was said before it; None if there is no such response.

        Raises:
            ContextLengthExceeded: these are more than MAX_TURNS, or more than MAX_HISTORY bytes.
        """

    async def delete(self, response_id: str, account: str) -> bool | None:
        """Forget the content of a response, its log and its blobs, for good; its place in the chain stays, its key is
        free.

        True if there was content, False if there was none left, None if there is no such response.
        """

    async def calls(self, response_id: str, account: str) -> list[UpstreamCall]:
        """What was asked of providers for a response, by `call_id`: these outlive its content."""

    async def ping(self) -> None:
        """Return if the store answers."""
