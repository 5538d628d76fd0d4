"""What a dialect is: a wire format, written once, without any I/O.

A dialect turns a conversation into the `Call` to make, and the events that come back into neutral `Delta`s. The
assembler makes the Responses event stream of them; only it knows event types, order and numbers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

from warren import sse
from warren.contracts import Usage
from warren.costs.tools import WEB_SEARCH
from warren.errors import WarrenError
from warren.objects import Item
from warren_worker.framing import Framing
from warren_worker.parameters import Treatment


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    logprobs: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refusal:
    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """Reasoning as the model wrote it."""

    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary of reasoning; `part` is the provider's number of it."""

    text: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class Annotation:
    """Where the text that came has something from, as the Responses API writes it."""

    annotation: Item


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call begins, of what the model was shown as a function.

    `call` is the provider's handle for it, unique within the answer.
    """

    call: int | str
    call_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """More of a call's JSON arguments. Parallel calls may take turns."""

    call: int | str
    part: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the call has used; a later one replaces an earlier one."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Tier:
    """How the provider really serves this: a `service_tier` of the API."""

    name: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What the provider must be shown again, as it was, when the conversation goes on: a signature, an encrypted block.

    It is kept beside an item, out of the client's sight, and comes back in `Conversation.kept`. With `thought` that is
    the reasoning item that is open, or else a new one without text; a client that keeps its items itself gets it sealed
    in there. Without, it is whatever item came last, and such a client's conversation goes on without it.

    `data` is JSON, an object whose key `by` says in which vendor's terms it is: several dialects may speak of the same.
    """

    data: Item
    thought: bool = True


@dataclass(frozen=True, slots=True)
class Hosted:
    """A call of a tool that the provider ran itself, over and done: its item, as the API writes it, without id."""

    item: Item


@dataclass(frozen=True, slots=True)
class Stop:
    """The provider said that this is all, and why. Without it an answer counts as cut off.

    `paused`: it wants to be asked again with all that it has said by now, to go on.
    """

    reason: Literal["done", "max_output_tokens", "content_filter", "paused"] = "done"


@dataclass(frozen=True, slots=True)
class UpstreamId:
    """What the provider calls this answer."""

    id: str


@dataclass(frozen=True, slots=True)
class Native:
    """An event that is one of the Responses API already."""

    event: dict[str, Any]


_MOST_TOKENS = 10**9


def plausible(value: Any) -> bool:
    """Whether this can be a number of tokens."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS


def used(
    read: Any, cached: Any, cache_written: Any, written: Any, reasoned: Any, *, stated: Any = None, **apart: Any
) -> Iterator[Tokens]:
    """What a provider reports of one call; nothing if it is nonsense, so that an estimate takes its place.

    `stated` is what it says that this costs; `apart` are other fields of `Usage`, nonsense among which is left out.
    """
    if plausible(read) and plausible(written):
        details = [int(value) if plausible(value) else 0 for value in (cached, cache_written, reasoned)]
        yield Tokens(
            Usage(
                input_tokens=int(read),
                cached_tokens=min(details[0], int(read)),
                cache_write_tokens=details[1],
                output_tokens=int(written),
                reasoning_tokens=min(details[2], int(written)),
                stated=_dollars(stated),
                **{name: value for name, given in apart.items() if (value := _sane(name, given))},
            )
        )


def stated(usage: Mapping[str, Any]) -> Any:
    """What servers that are like OpenAI's say in a usage that it costs: a number of dollars, or the total of several.

    xAI counts in parts of 1e-10 dollars.
    """
    if plausible(ticks := usage.get("cost_in_usd_ticks")):
        return Decimal(repr(ticks)).scaleb(-10)
    cost = usage.get("cost")
    return cost.get("total_cost") if isinstance(cost, dict) else cost


def searches(usage: Mapping[str, Any]) -> dict[str, int]:
    """How often they say in it that they searched, as tools of `Usage`."""
    ran = usage.get("server_side_tool_usage_details")
    times: Any = ran.get("web_search_calls") if isinstance(ran, dict) else None
    return {WEB_SEARCH: int(times)} if plausible(times) else {}


def _dollars(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    return Decimal(repr(value)) if plausible(value) else None


def _sane(name: str, given: Any) -> Any:
    if name.endswith("_tokens"):
        return int(given) if plausible(given) else 0
    return given


Delta = (
    Text
    | Refusal
    | Thought
    | Summary
    | Annotation
    | ToolCall
    | Arguments
    | Kept
    | Hosted
    | Tokens
    | Tier
    | Stop
    | UpstreamId
    | Native
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a provider is asked: the request, and all items of the conversation, oldest first."""

    request: Mapping[str, Any]
    items: list[Item]
    upstream_previous: str | None = None
    """The provider's own id of what came before; `items` then holds the new ones only."""
    kept: Mapping[str, list[Item]] = field(default_factory=dict)
    """By the id of the item it belongs to: the `data` of every `Kept` that came with it, in order."""


@dataclass(frozen=True, slots=True)
class Call:
    """A POST to make, relative to the deployment's base URL."""

    path: str
    """May hold a query."""
    body: dict[str, Any]
    schema: dict[str, Any] | None = None
    """What the answer's text must be valid against, where the provider cannot be asked to keep to it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """In small letters. One that the deployment has as well is joined to it by a comma."""


class Reader(Protocol):
    """Reads one answer. Fed to the end, it has given a `Stop`, or the answer was cut off."""

    def feed(self, event: sse.Event) -> Iterable[Delta]:
        """What this event says. Whatever cut the answer into events (`Dialect.framing`), each has a name and its data.

        Raises:
            WarrenError: the provider reports a failure inside its stream.
        """


class Dialect(Protocol):
    """A frozen dataclass in `dialects`, whose fields say how a server deviates from the vendor's own."""

    @property
    def parameters(self) -> Mapping[str, Treatment]:
        """What it does with each of `parameters.NAMES`; what is missing it refuses. `call` sees only what it takes."""

    @property
    def framing(self) -> Framing:
        """How an answer is cut into events."""

    @property
    def inlines(self) -> frozenset[str]:
        """Types of content parts that go out as bytes only: their URLs are fetched first, and made data URLs."""

    @property
    def compacts(self) -> bool:
        """Whether the provider acts on `context_management` itself."""

    def call(self, conversation: Conversation, model: str) -> Call:
        """The call that asks `model` for this.

        Raises:
            InvalidRequest: the wire format cannot say what the request holds; `param` names it.
        """

    def reader(self, conversation: Conversation, /) -> Reader:
        """A reader of the answer to this."""

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        """What a non-2xx answer means."""


@runtime_checkable
class Counting(Protocol):
    """A dialect whose vendor says how many tokens a request would be."""

    def count(self, conversation: Conversation, model: str) -> Call:
        """The call that asks for it."""

    def counted(self, answer: Item) -> int:
        """The number in the answer to that, a JSON object.

        Raises:
            LookupError, TypeError, ValueError: it is not there.
        """


@runtime_checkable
class Reaching(Protocol):
    """A dialect whose vendor itself gets what is at some URLs, though their type is one that it `inlines`."""

    def reaches(self, url: str) -> bool: ...
