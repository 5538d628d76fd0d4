"""What travels on the bus. `encode` and `decode` are the only way on and off it.

A message is one JSON header line and, for some kinds, raw bytes behind it (`payload`): a request body, rendered
events, a stored response. They are never escaped into the header, so nobody parses or quotes a token twice.

A field is only ever added, with a default; readers ignore what they do not know.
"""

from collections.abc import Iterator
from decimal import Decimal
from enum import IntFlag
from time import time
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from warren.errors import WarrenError
from warren.responses import Item, items

Terminal = Literal["completed", "incomplete", "failed", "cancelled"]


class Contract(BaseModel):
    """Frozen, and blind to fields that newer senders add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Contract):
    """Base of all kinds."""

    kind: str
    payload: bytes = Field(default=b"", exclude=True, repr=False)
    """Raw bytes behind the header; each kind says what they are."""


class Usage(Contract):
    """Tokens of one upstream call. `input_tokens` includes the cached, `output_tokens` the reasoning ones."""

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


class UpstreamCall(Contract):
    """One call to a provider: what it took and what it used, whether or not it was of any use."""

    call_id: str
    """`<attempt>.<n>`: the key of the cost record."""
    deployment: str
    provider: str
    model: str
    started_at: float
    seconds: float
    first_event_seconds: float | None = None
    status: int | None = None
    """HTTP status; None when there was no answer."""
    error: str | None = None
    """Our code for what went wrong."""
    upstream_request_id: str | None = None
    usage: Usage | None = None
    usage_source: Literal["reported", "estimated"] | None = None
    cost: Decimal | None = None
    """In US dollars; None is unknown, never free."""


class Held(Contract):
    """Where the previous response lives upstream, if its provider remembers it."""

    deployment: str
    upstream_id: str


class Job(Message):
    """One model call, complete in itself: a worker needs nothing else to run it. Payload: the request body."""

    kind: Literal["job"] = "job"
    response_id: str
    account: str
    plan: tuple[str, ...]
    """Deployment ids, in the order to try them."""
    reply_to: str
    stream: bool
    created_at: float
    deadline: float
    """Seconds since the epoch. A job that is taken later is not run."""
    held: Held | None = None
    again: bool = False
    """This job may have been started before: claim it first."""


class Head(Contract):
    """How an answer begins, in the first part of an attempt (and in the last one of a JSON answer)."""

    status: int | None = None
    """HTTP status; None while it is not known yet."""
    headers: dict[str, str] = Field(default_factory=dict)
    worker: str
    deployment: str | None = None
    tries: int = 1
    """Upstream calls made so far."""
    dropped: tuple[str, ...] = ()


class Flag(IntFlag):
    """What a gateway must know of a part without reading its bytes."""

    NONE = 0
    CONTENT = 1
    """Holds model output: from here on no other attempt may be shown."""
    LAST = 2
    """Nothing follows."""
    ECHO = 4
    """Says only how far the worker is: `number` is that of the part it will send next."""


class Part(NamedTuple):
    """Whole events of one stream, or the JSON answer of a request that does not stream."""

    response_id: str
    attempt: str
    number: int
    """Counts the parts of an attempt: 0, 1, 2 …"""
    first: int
    """Sequence number of the first event inside; with `last` below it there are none."""
    last: int
    size: int
    flags: int = 0
    head: Head | None = None


def _known(kind: type[NamedTuple]) -> BeforeValidator:
    """Blind to what newer senders add at the end of a tuple, too."""
    size = len(kind._fields)
    return BeforeValidator(lambda value: value[:size] if isinstance(value, list) and len(value) > size else value)


class Chunks(Message):
    """All that a worker has ready for one gateway. Payload: the bytes of the parts, one after the other."""

    kind: Literal["chunks"] = "chunks"
    parts: tuple[Annotated[Part, _known(Part)], ...]

    def split(self) -> Iterator[tuple[Part, bytes]]:
        at = 0
        for part in self.parts:
            yield part, self.payload[at : at + part.size]
            at += part.size


class Want(NamedTuple):
    """A stream from a part on; without an attempt, whichever attempt the worker has."""

    response_id: str
    attempt: str | None
    number: int


class Resume(Message):
    """Send these parts again. A worker that has nothing new answers with an echo; one that knows nothing, not."""

    kind: Literal["resume"] = "resume"
    reply_to: str
    wants: tuple[Annotated[Want, _known(Want)], ...]


class Claim(Message):
    """May this attempt run? Asked of the gateway, then of the ledger, before a job is started a second time."""

    kind: Literal["claim"] = "claim"
    response_id: str
    account: str
    attempt: str


class Claimed(Message):
    """`run` from `sequence` on; `hold` and ask again; `ended`: nothing to do; `unknown`: nobody waits for it.

    Payload of the ledger's `ended`: the stored response.
    """

    kind: Literal["claimed"] = "claimed"
    verdict: Literal["run", "hold", "ended", "unknown"]
    sequence: int = 0


class Outcome(Message):
    """How a response ended. Payload: the final response object, then (from `split` on) the input items, as JSON."""

    kind: Literal["outcome"] = "outcome"
    response_id: str
    account: str
    attempt: str
    status: Terminal
    store: bool
    model: str
    created_at: float
    ended_at: float
    split: int
    previous_response_id: str | None = None
    deployment: str | None = None
    upstream_id: str | None = None
    error: str | None = None
    calls: tuple[UpstreamCall, ...] = ()
    superseded: bool = False
    """Another attempt has taken over: this is no end of the response, only its calls count."""

    @classmethod
    def of(
        cls, job: Job, request: Item, response: Item, *, attempt: str, error: WarrenError | None = None, **more: Any
    ) -> Self:
        """How this job ended. With `store: false` that is no content at all, only that it did."""
        store = request.get("store") is not False
        body = to_json(response, inf_nan_mode="null") if store else b""
        said = to_json(items(request["input"]), inf_nan_mode="null") if store else b""
        return cls(
            response_id=job.response_id,
            account=job.account,
            attempt=attempt,
            status=response["status"],
            store=store,
            model=request["model"],
            created_at=job.created_at,
            ended_at=time(),
            split=len(body),
            previous_response_id=request.get("previous_response_id"),
            error=None if error is None else error.code or "invalid_request",
            payload=body + said,
            **more,
        )

    @property
    def response(self) -> bytes:
        return self.payload[: self.split]

    @property
    def input(self) -> bytes:
        return self.payload[self.split :]


class Recorded(Message):
    """Answer to a called `Outcome`. `won`: this one is the record; else `status` is what another made it."""

    kind: Literal["recorded"] = "recorded"
    won: bool
    status: str


class Locate(Message):
    """Does this response exist for this account, and where?"""

    kind: Literal["locate"] = "locate"
    response_id: str
    account: str


class Located(Message):
    kind: Literal["located"] = "located"
    found: bool
    status: str | None = None
    held: Held | None = None


class Fetch(Message):
    """The stored response, as it was shown."""

    kind: Literal["fetch"] = "fetch"
    response_id: str
    account: str


class Fetched(Message):
    """Payload: the response object as JSON."""

    kind: Literal["fetched"] = "fetched"
    found: bool


class Rebuild(Message):
    """Everything said up to and with this response: its chain, never its siblings."""

    kind: Literal["rebuild"] = "rebuild"
    response_id: str
    account: str


class Rebuilt(Message):
    """Payload: the items as a JSON array, oldest first. `hole`: the id whose content is gone."""

    kind: Literal["rebuilt"] = "rebuilt"
    found: bool
    hole: str | None = None


class Delete(Message):
    kind: Literal["delete"] = "delete"
    response_id: str
    account: str


class Deleted(Message):
    kind: Literal["deleted"] = "deleted"
    found: bool


class Cancel(Message):
    """Stop the upstream call; an `attempt` limits it to that one."""

    kind: Literal["cancel"] = "cancel"
    response_id: str
    attempt: str | None = None


class Ping(Message):
    """Is somebody there?"""

    kind: Literal["ping"] = "ping"


class Pong(Message):
    """Yes. `states` tells of what stands behind: {"store": "up"}."""

    kind: Literal["pong"] = "pong"
    states: dict[str, str] = Field(default_factory=dict)


class Fault(Message):
    """The answer to a call that failed."""

    kind: Literal["fault"] = "fault"
    status: int
    detail: dict[str, Any]
    retry_after: float | None = None

    @classmethod
    def of(cls, error: WarrenError) -> "Fault":
        return cls(status=error.status, detail=error.detail(), retry_after=error.retry_after)

    def error(self) -> WarrenError:
        return WarrenError.from_detail(self.detail, self.status, self.retry_after)


AnyMessage = Annotated[
    Job
    | Chunks
    | Resume
    | Claim
    | Claimed
    | Outcome
    | Recorded
    | Locate
    | Located
    | Fetch
    | Fetched
    | Rebuild
    | Rebuilt
    | Delete
    | Deleted
    | Cancel
    | Ping
    | Pong
    | Fault,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)


class Undecodable(ValueError):
    """These bytes are no message of ours. What they hold is not repeated."""


def encode(message: Message) -> bytes:
    header = message.__pydantic_serializer__.to_json(message)
    return header + b"\n" + message.payload if message.payload else header


def decode(body: bytes) -> Message:
    """The message that `encode` made these bytes of.

    Raises:
        Undecodable: for anything else.
    """
    header, _, payload = body.partition(b"\n")
    try:
        fields = from_json(header)
        if payload:
            fields["payload"] = payload
        return _ADAPTER.validate_python(fields)
    except (ValueError, TypeError, ValidationError):
        raise Undecodable("not a message") from None
