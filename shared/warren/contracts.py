"""What travels on the bus. `encode` and `decode` are the only way on and off it.

A message is one JSON header line and, for some kinds, raw bytes behind it (`payload`): a request body, rendered
events, a stored response. They are never escaped into the header, so nobody parses or quotes a token twice.

A field is only ever added, with a default; readers ignore what they do not know.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import IntFlag
from time import time
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from warren.errors import WarrenError
from warren.objects import Item, items

Terminal = Literal["completed", "incomplete", "failed", "cancelled"]
_SAID = frozenset({"completed", "incomplete"})
"""How that ends which belongs in its conversation."""


KEPT = 2 * 1024 * 1024
"""Characters of what is kept beside the items of one response."""


def newest(kept: dict[str, str], most: int) -> dict[str, str]:
    """Of what is kept beside items, oldest first, as much of the latest as has no more characters than this."""
    left: list[tuple[str, str]] = []
    for id_, text in reversed(kept.items()):
        most -= len(text)
        if most < 0:
            break
        left.append((id_, text))
    return dict(reversed(left))


class Contract(BaseModel):
    """Frozen, and blind to fields that newer senders add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Contract):
    """Base of all kinds."""

    kind: str
    payload: bytes = Field(default=b"", exclude=True, repr=False)
    """Raw bytes behind the header; each kind says what they are."""


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


class Usage(Contract):
    """What one upstream call has used.

    `input_tokens` includes the cached, `output_tokens` the reasoning ones, and so with all that is counted apart.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_audio_tokens: int = 0
    cached_image_tokens: int = 0
    cache_write_1h_tokens: int = 0
    """Of those written to the cache, the ones to be kept for an hour; the next, for twelve."""
    cache_write_12h_tokens: int = 0
    input_audio_tokens: int = 0
    """With those that were cached."""
    input_image_tokens: int = 0
    input_video_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    tools: dict[str, int] = Field(default_factory=dict)
    """How often a tool that the provider hosts and charges for was used, by names of `warren.costs.tools`."""
    geo: str | None = None
    """Where the provider says that it was served, if it charges by that."""
    fast: bool = False
    """Served in a mode that is faster and costs more, which is no service tier."""
    stated: Decimal | None = None
    """What the provider says that this costs, in US dollars."""
    pictures: "Usage | None" = None
    """What the provider's tool that makes pictures has used besides, by a model with prices of its own."""


def _known(kind: type[NamedTuple]) -> BeforeValidator:
    """Blind to what newer senders add at the end of a tuple, too."""
    size = len(kind._fields)
    return BeforeValidator(lambda value: value[:size] if isinstance(value, list) and len(value) > size else value)


class CostLine(NamedTuple):
    """A line of a bill: so many of this at this rate, in US dollars."""

    what: str
    quantity: Decimal
    rate: Decimal


class Price(Contract):
    """What a call costs, and by whose prices."""

    cost: Decimal | None = None
    """What is charged for it, in US dollars; None is unknown, never free."""
    provider_cost: Decimal | None = None
    """What the provider takes, if that is not what is charged."""
    cost_lines: tuple[Annotated[CostLine, _known(CostLine)], ...] = ()
    """What it is the sum of."""
    price_source: str | None = None
    """Whose prices these are: `config`, `provider`, or the name of a table of prices."""
    price_date: str | None = None
    """Of when they are, as far as that is known, ISO 8601."""
    unpriced: tuple[str, ...] = ()
    """What was used that has no known price."""


class UpstreamCall(Price):
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
    service_tier: str | None = None
    """That the provider named, or else the one that was asked for."""
    search_size: str | None = None
    """The `search_context_size` that was asked for."""
    picture_model: str | None = None
    """Which model the provider's tool that makes pictures has used, if it says what that took."""
    region: str | None = None
    """Where it was served, of a deployment whose prices depend on that."""
    original: Price | None = None
    """What was written down first, of a call that was priced again."""
    lost: bool = False
    """Whoever made it is gone and has not said what became of it: this is what another one knows."""

    def priced(self, price: Price) -> Self:
        """The same call, as it was priced later."""
        original = self.original or Price(**{name: getattr(self, name) for name in Price.model_fields})
        return self.model_copy(update={**dict(price), "original": None if price == original else original})


def charge(calls: Sequence[UpstreamCall]) -> Decimal | None:
    """What these calls cost together, in US dollars; None if that is not known of one of them.

    A call that nothing came of, as it was refused or could not be made, has no usage and adds nothing.
    """
    costs = [call.cost for call in calls if call.usage is not None]
    return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))


class Payer(Contract):
    """Who a request is charged to, beside its account."""

    key: str = ""
    """The id of the virtual key; empty: the master key, or none was needed."""
    end_user: str = ""
    tags: tuple[str, ...] = ()
    budgets: tuple[str, ...] = ()
    """Where something is reserved for it, until its outcome is recorded."""
    held: tuple[Decimal, ...] = ()
    """How much, in each of these: what is charged there if nobody knows what it has cost."""
    limits: tuple[str, ...] = ()
    """Whose limits it counts against, until then."""

    @property
    def owes(self) -> bool:
        """Whether its outcome changes anything for who pays."""
        return bool(self.budgets or self.limits)


class Held(Contract):
    """Who gave the previous response, and what he calls it; empty if he has no name for it."""

    deployment: str
    upstream_id: str


class Blob(Contract):
    """A payload that is too large for the bus: the ledger's store has it, in pieces (see `warren.blobs`)."""

    name: str
    """What it is of its response: `request`, `outcome`."""
    size: int
    sha256: str
    pieces: int


class Target(Contract):
    """Where a request goes on: a group or a deployment, and the fields of the request that are other ones there."""

    model: str
    overrides: dict[str, Any] = Field(default_factory=dict)


class Knobs(Contract):
    """What a request says about its way; nothing of it is sent to a provider. Times are in seconds.

    Fallbacks are by the name of the group that failed, `*` for any; None leaves them to the configuration.
    """

    fallbacks: dict[str, tuple[Target, ...]] | None = None
    context_window_fallbacks: dict[str, tuple[Target, ...]] | None = None
    content_policy_fallbacks: dict[str, tuple[Target, ...]] | None = None
    disable_fallbacks: bool = False
    num_retries: int | None = None
    timeout: float | None = None
    stream_timeout: float | None = None
    tags: tuple[str, ...] = ()
    drop_params: bool | None = None
    mock_response: str | None = None
    mock_testing: Literal["fallbacks", "context_window", "content_policy", "rate_limit"] | None = None
    """The first group fails in this way without being asked."""
    session: str | None = None
    """What the caller says belongs together, beside `previous_response_id`."""
    user: str | None = None
    """On whose behalf, by `litellm_metadata`."""


class Walked(Contract):
    """How far a job is on its way through groups and deployments, when another worker goes on."""

    at: Target
    """The group (or deployment) that is being asked."""
    plan: tuple[str, ...]
    """Deployments of it, in the order to ask them."""
    asked: tuple[str, ...] = ()
    """Those that were, in this round through the plan."""
    again: dict[str, float] = Field(default_factory=dict)
    """When some may be asked again, in seconds since the epoch."""
    limited: tuple[str, ...] = ()
    """Those that may not be asked for the moment."""
    out: tuple[str, ...] = ()
    """Those that are not asked any more."""
    tries: int = 0
    """Calls made in this group."""
    last: Fault | None = None
    """What became of the last one."""
    retries: int = 0
    """Tries after the first of each group before this one."""
    seen: tuple[str, ...] = ()
    """Groups that were begun, this one among them."""
    ahead: tuple[Target, ...] = ()
    """Where to go on if this one fails, too."""
    told: Fault | None = None
    """What became of the group that was asked for."""


class Job(Message):
    """One model call, complete in itself: a worker needs nothing else to run it.

    Payload: the request body, then (from `split` on) items to go before its input, a JSON array; with `blob`, all of
    it is there.
    """

    kind: Literal["job"] = "job"
    response_id: str
    account: str
    plan: tuple[str, ...]
    """Deployment ids, in the order to try them."""
    reply_to: str
    """Whom to send the parts to: a gateway, the ledger (`ledger.write`, for its log), or, empty, nobody."""
    stream: bool
    created_at: float
    deadline: float
    """Seconds since the epoch. A job that is taken later is not run."""
    held: Held | None = None
    again: bool = False
    """This job may have been started before: claim it first."""
    handed: str | None = None
    """The attempt that could not go on, because another provider's workers can: this job goes on for it."""
    detached: bool = False
    """The ledger has a row for it: it runs whoever listens, and is claimed there, and there only, before it calls."""
    conversation: str | None = None
    split: int | None = None
    blob: Blob | None = None
    payer: Payer = Payer()
    knobs: Knobs = Field(default_factory=Knobs)
    barred: tuple[str, ...] = ()
    """Deployments of fallbacks that have no budget for it."""
    walked: Walked | None = None
    """Where to go on, of a job that was handed over; None: at the beginning of the plan."""
    called: str = ""
    """The span of the call that was made last, of a job that was handed over: a `traceparent`."""
    request_id: str = ""
    """What the client calls its request, if it calls it anything (`x-request-id`)."""

    @property
    def request(self) -> bytes:
        """The request's body."""
        return self.payload[: self.split]

    @property
    def before(self) -> bytes:
        """Items that a WebSocket remembers, for a response that nobody else has; empty if there are none."""
        return b"" if self.split is None else self.payload[self.split :]


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
    group: str | None = None
    """The name of the model that is asked: a fallback's, if it came to that."""
    retries: int = 0
    fallbacks: int = 0
    api_base: str | None = None
    """Where the deployment is."""
    error: str | None = None
    """Our code for what went wrong, in the last part."""
    output_tokens: int | None = None
    """What was used by the answer, in the last part."""


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


class Begun(Message):
    """A call to a provider is about to be made. Should its worker die over it, whoever is told this records it: the
    gateway that waits for the answer, or, of what runs detached, the ledger.
    """

    kind: Literal["begun"] = "begun"
    response_id: str
    account: str
    attempt: str
    worker: str
    model: str
    created_at: float
    deadline: float
    payer: Payer = Payer()
    calls: tuple[UpstreamCall, ...]
    """All of this attempt, the last one as it is recorded if nobody ever says what became of it: it has read what it
    was asked, about, and said one token, which its lines tell the price of.
    """


class Chunks(Message):
    """All that a worker has ready for one gateway. Payload: the bytes of the parts, one after the other."""

    kind: Literal["chunks"] = "chunks"
    parts: tuple[Annotated[Part, _known(Part)], ...]
    begun: tuple[Begun, ...] = ()

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
    """May this attempt run? Asked of the gateway, then of the ledger, before a job is started a second time.

    A detached job is claimed at the ledger alone, and always.
    """

    kind: Literal["claim"] = "claim"
    response_id: str
    account: str
    attempt: str
    worker: str = ""
    """Who would run it."""
    detached: bool = False
    handed: str | None = None
    """The attempt for which it goes on: nobody need doubt that one."""


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
    shown: bool = False
    """Output of it was streamed: it may be known, whether its parts come before this or after it."""
    background: bool = False
    conversation: str | None = None
    """Where the input and output items belong, once this is the record; its lock is the response's until then."""
    metadata: dict[str, str] = Field(default_factory=dict)
    item_ids: tuple[str, ...] = ()
    """Of the output items: what an `item_reference` may name."""
    blob: Blob | None = None
    """The payload is there."""
    kept: dict[str, str] = Field(default_factory=dict, repr=False)
    """What belongs beside items and is shown to nobody but providers: by the item's id a JSON array of what was kept,
    oldest first."""
    payer: Payer = Payer()
    request_id: str = ""
    """As in the job."""
    trace_id: str = ""
    """Of the trace that tells of it, if there is one."""

    @classmethod
    def of(
        cls,
        job: Job,
        request: Item,
        response: Item,
        *,
        attempt: str,
        error: WarrenError | None = None,
        kept: Mapping[str, Sequence[Item]] | None = None,
        **more: Any,
    ) -> Self:
        """How this job ended. With `store: false` that is no content, only that it did; but what is said in a
        conversation belongs there all the same.

        `request` is the request's body with every reference in its input replaced by what it names; `kept` belongs
        beside items of it and of the response, in their order.
        """
        store = request.get("store") is not False
        told = store or (job.conversation is not None and response["status"] in _SAID)
        body = to_json(response, inf_nan_mode="null") if told else b""
        said = to_json(items(request.get("input") or []), inf_nan_mode="null") if told else b""
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
            background=bool(request.get("background")),
            conversation=job.conversation,
            metadata=(request.get("metadata") or {}) if store else {},
            item_ids=tuple(item["id"] for item in response["output"] if item.get("id")) if store else (),
            payload=body + said,
            kept=newest({id_: to_json(beside).decode() for id_, beside in (kept or {}).items()}, KEPT) if told else {},
            payer=job.payer,
            request_id=job.request_id,
            **more,
        )

    @property
    def response(self) -> bytes:
        return self.payload[: self.split]

    @property
    def input(self) -> bytes:
        return self.payload[self.split :]

    @property
    def charge(self) -> Decimal | None:
        """What the response costs; see `charge`."""
        return charge(self.calls)


class Recorded(Message):
    """Answer to a called `Outcome`. `won`: this one is the record; else `status` is what another made it."""

    kind: Literal["recorded"] = "recorded"
    won: bool
    status: str
    known: frozenset[str] = frozenset()
    """Calls of the outcome of which something else is on record: who told of them first counts."""


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
    """The stored response, as it was shown; one that runs in the background, as it stands."""

    kind: Literal["fetch"] = "fetch"
    response_id: str
    account: str


class Fetched(Message):
    """Payload: the response object as JSON."""

    kind: Literal["fetched"] = "fetched"
    found: bool


class Rebuild(Message):
    """Everything said up to and with this response (its chain, never its siblings), or in this conversation; and the
    items that `references` name, from wherever in this account they are.
    """

    kind: Literal["rebuild"] = "rebuild"
    account: str
    response_id: str = ""
    conversation: str = ""
    references: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Items that the caller has, as they were shown, and that may have something kept beside them."""


class Rebuilt(Message):
    """Payload: the items as a JSON array, oldest first; then, from `split` on, what the references name, an array in
    their order.

    `hole`: the id of the response whose content is gone; `missing`: the first reference that names nothing.
    """

    kind: Literal["rebuilt"] = "rebuilt"
    found: bool
    hole: str | None = None
    missing: str | None = None
    split: int | None = None
    kept: dict[str, str] = Field(default_factory=dict, repr=False)
    """As in `Outcome`, for all of these items; of too much, what belongs to the latest."""

    @property
    def history(self) -> bytes:
        return self.payload[: self.split]

    @property
    def referenced(self) -> bytes:
        return b"[]" if self.split is None else self.payload[self.split :]


class Open(Message):
    """Write the row of a detached job, then send the job on. Payload: the encoded `Job`.

    With a `key` the row is written only if the account has not used it; what it did use it for is the answer.
    """

    kind: Literal["open"] = "open"
    response_id: str
    account: str
    provider: str
    background: bool
    """It was asked for in the background: visible from now on, queued."""
    key: str | None = None
    """A hash of the client's Idempotency-Key."""
    fingerprint: str | None = None
    """A hash of what was asked."""
    looks: bool = False
    """Only tell what the key stands for; nothing is written, and the job comes without its payload. `opened` is the
    answer if it stands for nothing."""


class Opened(Message):
    """`opened`; `known`: this key stands for the same request already; `other`: it stands for another one."""

    kind: Literal["opened"] = "opened"
    verdict: Literal["opened", "known", "other"]
    response_id: str
    """The response to follow."""


class Tail(Message):
    """What the log of a detached response holds behind this event."""

    kind: Literal["tail"] = "tail"
    response_id: str
    account: str
    after: int = -1


class Tailed(Message):
    """Parts that hold what was asked for, in order and with no other attempt's in between; about 1 MB at the most.

    The first may begin before it. Payload: the bytes of the parts. `kept`: whether there is a log (still); without
    it, one ends with the response as it is stored.
    """

    kind: Literal["tailed"] = "tailed"
    found: bool
    kept: bool = True
    background: bool = False
    stream: bool = False
    parts: tuple[Annotated[Part, _known(Part)], ...] = ()

    def split(self) -> Iterator[tuple[Part, bytes]]:
        return Chunks(parts=self.parts, payload=self.payload).split()


class Logged(Message):
    """There is more in the logs of these responses. Told by the ledger on the topic LOGGED."""

    kind: Literal["logged"] = "logged"
    response_ids: tuple[str, ...]


class CancelBackground(Message):
    """End a background response as cancelled, if it has not ended; the answer is a `Fetched`."""

    kind: Literal["cancel_background"] = "cancel_background"
    response_id: str
    account: str


class ListInputs(Message):
    """The input items of a response; the answer is a `Page`."""

    kind: Literal["list_inputs"] = "list_inputs"
    response_id: str
    account: str
    limit: int = 20
    ascending: bool = False
    after: str | None = None


class ListResponses(Message):
    """The stored responses of an account, by the time they were made; the answer is a `Page`."""

    kind: Literal["list_responses"] = "list_responses"
    account: str
    limit: int = 20
    ascending: bool = False
    after: str | None = None
    model: str | None = None
    status: str | None = None
    conversation: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    created_after: float | None = None
    created_before: float | None = None


class Page(Message):
    """Some of many. Payload: a JSON array. `found`: whether that which has them is there; an `after` that names
    nothing in it is an InvalidRequest.
    """

    kind: Literal["page"] = "page"
    found: bool
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class OpenConversation(Message):
    """Make a conversation. Payload: its first items, a JSON array. The answer is a `ConversationState`."""

    kind: Literal["open_conversation"] = "open_conversation"
    conversation_id: str
    account: str
    created_at: float
    metadata: dict[str, str] = Field(default_factory=dict)


class FetchConversation(Message):
    kind: Literal["fetch_conversation"] = "fetch_conversation"
    conversation_id: str
    account: str


class UpdateConversation(Message):
    """The answer is a `ConversationState`."""

    kind: Literal["update_conversation"] = "update_conversation"
    conversation_id: str
    account: str
    metadata: dict[str, str]


class DeleteConversation(Message):
    """The answer is a `Deleted`."""

    kind: Literal["delete_conversation"] = "delete_conversation"
    conversation_id: str
    account: str


class ConversationState(Message):
    kind: Literal["conversation_state"] = "conversation_state"
    found: bool
    created_at: float = 0.0
    metadata: dict[str, str] = Field(default_factory=dict)


class AddItems(Message):
    """Payload: items, a JSON array. The answer is a `Page` of them, each with its id.

    `request_id` is fresh for each request: the ids of items that have none are made of it, so that the same message
    adds them once.
    """

    kind: Literal["add_items"] = "add_items"
    conversation_id: str
    account: str
    request_id: str


class ListConversations(Message):
    """The conversations of an account, by their ids. The answer is a `Page` of them, without their items."""

    kind: Literal["list_conversations"] = "list_conversations"
    account: str
    limit: int = 100
    after: str | None = None


class ListItems(Message):
    """The items of a conversation; the answer is a `Page`."""

    kind: Literal["list_items"] = "list_items"
    conversation_id: str
    account: str
    limit: int = 20
    ascending: bool = False
    after: str | None = None


class FetchItem(Message):
    """The answer is a `Fetched`."""

    kind: Literal["fetch_item"] = "fetch_item"
    conversation_id: str
    account: str
    item_id: str


class DeleteItem(Message):
    """The answer is a `ConversationState`; of an item that is not there, not found."""

    kind: Literal["delete_item"] = "delete_item"
    conversation_id: str
    account: str
    item_id: str


class Enter(Message):
    """Lock a conversation for a response, until then at the latest; its outcome frees it. Answer: an `Entered`."""

    kind: Literal["enter"] = "enter"
    conversation_id: str
    account: str
    response_id: str
    until: float


class Entered(Message):
    kind: Literal["entered"] = "entered"
    verdict: Literal["entered", "locked", "unknown"]


class Leave(Message):
    """Free a conversation of a response that will have no outcome."""

    kind: Literal["leave"] = "leave"
    conversation_id: str
    account: str
    response_id: str


class Deposit(Message):
    """Keep a piece of a blob until then, or for as long as its response if an outcome names it. Payload: the piece."""

    kind: Literal["deposit"] = "deposit"
    response_id: str
    account: str
    name: str
    number: int
    until: float


class Withdraw(Message):
    """A piece of a blob; the answer is a `Fetched`."""

    kind: Literal["withdraw"] = "withdraw"
    response_id: str
    account: str
    name: str
    number: int


_Free = Annotated[
    dict[str, Any],
    BeforeValidator(lambda value: from_json(value) if isinstance(value, str) else value),
    PlainSerializer(lambda value: to_json(value).decode(), return_type=str),
]
"""An object of somebody else's making: text wherever it goes, for its keys may be anything."""
PartyKind = Literal["key", "end_user", "account"]


class Party(Contract):
    """Who asks, and what he may: a virtual key (without its secret), an end user, or an account, which holds for all
    its keys together. Names are LiteLLM's.
    """

    what: PartyKind
    id: str
    account: str = ""
    """Of a key: whose responses it makes and sees. End users are the same for all accounts."""
    alias: str | None = None
    hint: str = ""
    """How a key ends, for people who look for theirs."""
    models: tuple[str, ...] = ()
    """Names or patterns (`openai/*`) of what may be asked for; all, if there are none."""
    routes: tuple[str, ...] = ()
    """What of the API may be used (`warren.scopes`); all, if there are none."""
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None
    max_budget: Decimal | None = None
    """In US dollars: in all, or in each period of `budget_duration`."""
    budget_duration: str | None = None
    expires: float | None = None
    retiring: dict[str, float] = Field(default_factory=dict, repr=False)
    """Hashes that name it, beside the one of its secret, and until when."""
    blocked: bool = False
    tags: tuple[str, ...] = ()
    metadata: _Free = Field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0


class Identify(Message):
    """Whose key is this? It is named by its hashes, one under each secret that is in use."""

    kind: Literal["identify"] = "identify"
    digests: tuple[str, ...]


class Identified(Message):
    """The key, and its account if anything is known of it. `any`: whether there are keys at all."""

    kind: Literal["identified"] = "identified"
    key: Party | None = None
    account: Party | None = None
    any: bool = True


class FindParty(Message):
    """What is known of a party; the answer is a `PartyState`."""

    kind: Literal["find_party"] = "find_party"
    what: PartyKind
    names: tuple[str, ...]
    """Its id; or hashes of a key. The first that names one counts."""


class PartyState(Message):
    """`any`: whether there are any of this kind. The rest is of its budget, in the present period."""

    kind: Literal["party_state"] = "party_state"
    party: Party | None = None
    any: bool = True
    spent: Decimal | None = None
    reserved: Decimal | None = None
    resets_at: float | None = None
    total: Decimal | None = None
    """What was ever spent, as far as it has a price."""


class AddParty(Message):
    """The answer is a `PartyState`. A name that is taken is an InvalidRequest."""

    kind: Literal["add_party"] = "add_party"
    party: Party
    digest: str = ""
    """The hash of a key."""


class ChangeParty(Message):
    """Set these fields. The answer is a `PartyState`, of one that is not there without a party."""

    kind: Literal["change_party"] = "change_party"
    what: PartyKind
    names: tuple[str, ...]
    changes: _Free
    digest: str = ""
    """The hash that names a key from now on, if that is another one."""
    overlap: float | None = None
    """Until when the one before does, too. Without, no other one does any more."""
    make: bool = False
    """If there is none, make it."""


class RemoveParty(Message):
    """The answer is a `PartyState` of what was there."""

    kind: Literal["remove_party"] = "remove_party"
    what: PartyKind
    names: tuple[str, ...]


class ListParties(Message):
    """By their ids. The answer is a `Page` of parties as they travel."""

    kind: Literal["list_parties"] = "list_parties"
    what: PartyKind
    account: str | None = None
    limit: int = 100
    after: str | None = None


class ReportSpend(Message):
    """What was spent from a day to a day, in UTC, told apart by this and that. The answer is a `Page` of its rows: one
    day after the other, the dearest first.

    Raises an InvalidRequest if these cannot be told apart together.
    """

    kind: Literal["report_spend"] = "report_spend"
    by: tuple[str, ...]
    """`day`, `model`, `provider`, `deployment`, `key`, `account`, `user`, `tag`."""
    first: str
    last: str
    """With it. Days are ISO 8601."""
    where: dict[str, str] = Field(default_factory=dict)
    """Of these only; names as above."""
    limit: int = 1000


class ListCharges(Message):
    """What was spent on single responses, the latest first. The answer is a `Page`."""

    kind: Literal["list_charges"] = "list_charges"
    where: dict[str, str] = Field(default_factory=dict)
    """By `account`, `key`, `user`, `tag`, `model`, `deployment`, `provider`, `status`, `error`, `request_id`,
    `response_id`, or how an id begins (`prefix`)."""
    since: float | None = None
    until: float | None = None
    after: str | None = None
    """Go on behind this response."""
    limit: int = 100


class ListCalls(Message):
    """What responses of a time have called and used, the latest first. The answer is a `Calls`."""

    kind: Literal["list_calls"] = "list_calls"
    since: float
    until: float
    after: str | None = None
    """Go on behind this response."""
    limit: int = 500


class CallsOf(Contract):
    """The calls of a response, as they are priced by now."""

    response_id: str
    calls: tuple[UpstreamCall, ...]
    corrections: int = 0
    """How often they were priced again."""


class Calls(Message):
    kind: Literal["calls"] = "calls"
    responses: tuple[CallsOf, ...] = ()
    has_more: bool = False
    last_id: str | None = None


class Correction(Contract):
    """What calls of a response cost, other than was written down before."""

    response_id: str
    number: int
    """Counts the corrections of this response: 1, 2 … Only one of each number is taken."""
    at: float
    prices: dict[str, Price]
    """By call id, those of all its calls that were ever priced again."""

    @property
    def id(self) -> str:
        return f"{self.response_id}#{self.number}"


class Reprice(Message):
    """Write these down beside what is there. The answer is a `Done`."""

    kind: Literal["reprice"] = "reprice"
    corrections: tuple[Correction, ...]


class Inspect(Message):
    """All that is known of a response, but nothing that was said. The answer is a `Fetched`: its charge with all of its
    calls, and where it belongs.
    """

    kind: Literal["inspect"] = "inspect"
    response_id: str
    account: str | None = None
    """Only if it is this account's; None: whosever it is."""


class Revoked(Message):
    """What is remembered of these parties is to be asked for again. Told by the ledger on the topic PARTIES."""

    kind: Literal["revoked"] = "revoked"
    what: PartyKind
    ids: tuple[str, ...]


class Reservation(Contract):
    """The most that a request may take from a budget."""

    budget: str
    """`key:…`, `end_user:…`, `account:…`, `deployment:…`, `global`."""
    amount: Decimal
    limit: Decimal
    duration: str | None = None
    needed: bool = True
    """Else the request goes on without: this deployment is one of several."""


class Reserve(Message):
    """Reserve in all of these budgets, or in none; until then at the latest. The answer is a `Reserved`.

    Raises an InsufficientQuota if one that is needed has not enough left.
    """

    kind: Literal["reserve"] = "reserve"
    response_id: str
    until: float
    reservations: tuple[Reservation, ...]


class Reserved(Message):
    """`refused`: budgets that have not enough left, and that the request can do without."""

    kind: Literal["reserved"] = "reserved"
    refused: tuple[str, ...] = ()


class Unreserve(Message):
    """Of a response that will have no outcome."""

    kind: Literal["unreserve"] = "unreserve"
    response_id: str
    budgets: tuple[str, ...]
    limits: tuple[str, ...] = ()


class Done(Message):
    """The answer of a write that has nothing else to say."""

    kind: Literal["done"] = "done"


class Ask(Message):
    """A question to a provider that is no response: `input_tokens`, `compact`. Payload: the request's body.

    The answer is a `Fetched`, its payload the object to show.
    """

    kind: Literal["ask"] = "ask"
    what: Literal["input_tokens", "compact"]
    response_id: str
    """Under which its cost is kept."""
    account: str
    plan: tuple[str, ...]
    created_at: float
    deadline: float
    held: Held | None = None
    conversation: str | None = None
    blob: Blob | None = None
    payer: Payer = Payer()


class Gauge(Contract):
    """What one worker has to do with a deployment. Counts are of the last minute."""

    deployment: str
    in_flight: int = 0
    requests: int = 0
    succeeded: int = 0
    tokens: int = 0
    first_event: float | None = None
    """Mean seconds to the first event, of the latest calls; what a call that had none took counts as well."""
    per_token: float | None = None
    """Mean seconds for a token of output, of the latest calls."""
    samples: int = 0
    """Calls that the means are of."""


class Pulse(Message):
    """A process lives. Told on the topic ROUTING every second while there is something new, every few seconds else."""

    kind: Literal["pulse"] = "pulse"
    address: str
    service: str
    version: str
    slots: int
    """Jobs that it takes at a time."""
    in_flight: int
    gauges: tuple[Gauge, ...] = ()
    """Deployments that it has called in the last minute, or has samples of."""
    started_at: float = 0.0
    """Seconds since the epoch."""
    takes: tuple[str, ...] = ()
    """The providers whose jobs a worker takes; none, it is about to end."""
    lag: float | None = None
    """Of a ledger: seconds from the end of a response until that was written, of the latest ones."""


class Slice(Contract):
    """What ended in a few seconds (`warren.traffic`). Times are counted by magnitude, in numbered buckets."""

    at: int
    """When it begins, in seconds since the epoch."""
    requests: int = 0
    failed: int = 0
    background: int = 0
    """Of the requests: they have no time in the counts below."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    """In US dollars, as far as it is known."""
    seconds: dict[int, int] = Field(default_factory=dict)
    """From the request to its end."""
    first: dict[int, int] = Field(default_factory=dict)
    """From the request to the first event of the answer."""
    errors: dict[str, int] = Field(default_factory=dict)
    """Of those that failed, by code."""
    refused: dict[str, int] = Field(default_factory=dict)
    """What was refused before it became a response, by code."""


class Traffic(Message):
    """What a process has seen end, slice by slice; each time it is told, a slice replaces what was told of it before.
    Told on the topic TRAFFIC.
    """

    kind: Literal["traffic"] = "traffic"
    address: str
    slices: tuple[Slice, ...]


class Recount(Message):
    """Tell all slices again: somebody has not heard them. Told on the topic TRAFFIC."""

    kind: Literal["recount"] = "recount"


class Failed(Message):
    """A call of a deployment failed, through no fault of the request. Told on the topic ROUTING."""

    kind: Literal["failed"] = "failed"
    deployment: str
    address: str
    """Of who called it: he knows."""
    status: int | None = None
    """The provider's HTTP status; None when there was no answer."""
    code: str | None = None
    """Ours for what went wrong."""
    retry_after: float | None = None
    """Seconds that the provider asks for."""


class Cooldown(Message):
    """Leave this deployment alone until then. Told on the topic ROUTING; a long one is kept by the ledger, too."""

    kind: Literal["cooldown"] = "cooldown"
    deployment: str
    until: float
    """Seconds since the epoch."""
    code: str | None = None
    """Of the failure that was one too many."""


class Check(Contract):
    """Whether a deployment answered when it was asked for no other reason."""

    deployment: str
    up: bool
    at: float
    """Seconds since the epoch."""
    until: float
    """When this is too old to go by."""
    seconds: float = 0.0
    """How long it took."""
    code: str | None = None
    """Ours for what went wrong."""
    status: int | None = None
    """The provider's HTTP status; None when there was no answer."""


class Checked(Message):
    """What came of checks. Told on the topic ROUTING, and kept by the ledger."""

    kind: Literal["checked"] = "checked"
    checks: tuple[Check, ...]


class Turn(Message):
    """May this process do what is named, for all? Once in so many seconds somebody may. The answer is a `Permitted`."""

    kind: Literal["turn"] = "turn"
    name: str
    seconds: float


class Survey(Message):
    """What holds at the moment of what was told on ROUTING, for who has not heard it."""

    kind: Literal["survey"] = "survey"


class Surveyed(Message):
    kind: Literal["surveyed"] = "surveyed"
    cooldowns: tuple[Cooldown, ...] = ()
    checks: tuple[Check, ...] = ()


class Limits(Contract):
    """What may be asked of a deployment, by all together; None is no limit."""

    rpm: int | None = None
    """Requests in any 60 seconds."""
    tpm: int | None = None
    """Tokens in any 60 seconds."""
    parallel: int | None = None
    """Requests at a time."""

    def __bool__(self) -> bool:
        return (self.rpm, self.tpm, self.parallel) != (None, None, None)


class Permit(Message):
    """May this deployment be called, or this key (`key:…`) be used, now? The same `permit_id` is the same call, however
    often it is asked for.
    """

    kind: Literal["permit"] = "permit"
    permit_id: str
    deployment: str
    limits: Limits
    tokens: int = 0
    """What it is likely to use."""
    granted: bool = False
    """It was, and the call still runs: only its lease is made longer."""
    seconds: float | None = None
    """How long the lease is to last; None: as long as those usually do that are made longer."""


class Permitted(Message):
    """The lease of a call that was granted lasts for `seconds`, unless it is made longer or released."""

    kind: Literal["permitted"] = "permitted"
    granted: bool
    seconds: float = 0.0
    retry_after: float | None = None
    """Seconds until it is worth asking again; None of what was not granted: it is too large ever to be."""


class Release(Message):
    """The call is over. `tokens` is what it used; None, nobody knows, and what was likely stands."""

    kind: Literal["release"] = "release"
    permit_id: str
    deployment: str
    tokens: int | None = None


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
    """Is somebody there? With an attempt: and still at it? (`states`: {"run": "up"} or {"run": "unknown"})"""

    kind: Literal["ping"] = "ping"
    response_id: str | None = None
    attempt: str | None = None


class Pong(Message):
    """Yes. `states` tells of what stands behind: {"store": "up"}."""

    kind: Literal["pong"] = "pong"
    states: dict[str, str] = Field(default_factory=dict)


AnyMessage = Annotated[
    Job
    | Begun
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
    | Open
    | Opened
    | Tail
    | Tailed
    | Logged
    | CancelBackground
    | ListInputs
    | ListResponses
    | Page
    | OpenConversation
    | FetchConversation
    | UpdateConversation
    | DeleteConversation
    | ConversationState
    | AddItems
    | ListConversations
    | ListItems
    | FetchItem
    | DeleteItem
    | Enter
    | Entered
    | Leave
    | Deposit
    | Withdraw
    | Identify
    | Identified
    | FindParty
    | PartyState
    | AddParty
    | ChangeParty
    | RemoveParty
    | ListParties
    | ReportSpend
    | ListCharges
    | ListCalls
    | Calls
    | Reprice
    | Inspect
    | Revoked
    | Reserve
    | Reserved
    | Unreserve
    | Done
    | Ask
    | Pulse
    | Traffic
    | Recount
    | Failed
    | Cooldown
    | Checked
    | Turn
    | Survey
    | Surveyed
    | Permit
    | Permitted
    | Release
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
