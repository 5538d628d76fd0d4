"""What is written down of a call to a provider: what it took, what it used, and what that costs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic, time
from typing import Any, Literal

from warren.contracts import UpstreamCall, Usage
from warren.costs import Bill, Served, tools
from warren.errors import Cancelled, DeadlineExceeded, UpstreamTimeout, WarrenError
from warren.objects import Item
from warren.telemetry.instruments import TIME_PER_OUTPUT_CHUNK
from warren.telemetry.measuring import SWITCH, Gathered
from warren_worker.provider import Endpoint

_NOTHING = Bill(None)
"""What a call costs that nothing came of."""
_GIVEN_UP = (Cancelled, DeadlineExceeded, UpstreamTimeout)
"""How a call ends that the provider was still at, and that we did not wait for."""

_REFUSED = 300

Tell = Callable[[UpstreamCall], Awaitable[None]]
"""Is told of a call that is about to be made, as it is recorded should nobody say what became of it."""


async def nobody(_: UpstreamCall) -> None: ...


class Note:
    """What is known of a call while it runs."""

    __slots__ = (
        "_asked", "_latest", "_search_size", "_tell", "call_id", "clock", "endpoint", "error", "first_event", "gaps",
        "read", "request_id", "said", "sent", "started_at", "status",
    )  # fmt: skip

    def __init__(
        self,
        call_id: str,
        endpoint: Endpoint,
        request: Mapping[str, Any],
        read: int,
        said: int = 0,
        tell: Tell = nobody,
    ) -> None:
        self.call_id = call_id
        self.endpoint = endpoint
        self.read = read
        """Tokens that the provider is asked to read, about."""
        self.said = said
        """Items of the answer that were there before."""
        self.started_at = time()
        self.clock = monotonic()
        self.first_event: float | None = None
        self.gaps = Gathered(TIME_PER_OUTPUT_CHUNK) if SWITCH.on else None
        """Pauses between what the network brought, if somebody wants to know."""
        self._latest = 0.0
        self.status: int | None = None
        self.request_id: str | None = None
        self.error: WarrenError | None = None
        self.sent = False
        self._tell = tell
        self._search_size = _search_size(request)
        self._asked = request

    async def sending(self) -> None:
        """The next that is done is to send it; of a call that is sent twice, too."""
        if not self.sent:
            await self._tell(self._begun())
            self.sent = True

    def came(self) -> None:
        """Events of the answer have come."""
        if self.first_event is None:
            self.first_event = self._latest = monotonic()
        elif self.gaps is not None:
            now = monotonic()
            self.gaps.add(now - self._latest)
            self._latest = now

    def heard(self, status: int, request_id: str | None) -> None:
        self.status, self.request_id = status, request_id

    @property
    def given_up(self) -> bool:
        """Whether the provider has the request, and may charge for it, though nobody waits for its answer."""
        refused = self.status is not None and self.status >= _REFUSED
        return self.sent and isinstance(self.error, _GIVEN_UP) and not refused

    def written(
        self, usage: Usage | None, source: Literal["reported", "estimated"], answer: Item, said: Sequence[Item]
    ) -> UpstreamCall:
        """The record of the call, which is over; `said` are the items that it added to the answer."""
        if self.first_event is None and not self.given_up and (self.error is not None or usage is None):
            usage = None  # nothing came of it
        elif usage is not None and (hosted := tools.counted(said)):
            usage = usage.model_copy(update={"tools": {**hosted, **usage.tools}})
        return self._record(usage, source, answer, monotonic() - self.clock)

    def _begun(self) -> UpstreamCall:
        """One token of output, so that its price is told as well."""
        return self._record(Usage(input_tokens=self.read, output_tokens=1), "estimated", self._asked, 0.0)

    def _record(
        self, usage: Usage | None, source: Literal["reported", "estimated"], answer: Mapping[str, Any], seconds: float
    ) -> UpstreamCall:
        tier = answer.get("service_tier")
        tier = tier if isinstance(tier, str) else None
        pictures = None if usage is None or usage.pictures is None else _picture_model(answer, self._asked)
        served = Served(self.started_at, seconds, tier, self._search_size, pictures)
        bill = _NOTHING if usage is None else self.endpoint.bill(usage, served)
        return UpstreamCall(
            call_id=self.call_id,
            deployment=self.endpoint.deployment,
            provider=self.endpoint.provider,
            model=self.endpoint.model,
            started_at=self.started_at,
            seconds=seconds,
            first_event_seconds=None if self.first_event is None else self.first_event - self.clock,
            status=self.status,
            error=self.error.code if self.error is not None else None,
            upstream_request_id=self.request_id,
            usage=usage,
            usage_source=None if usage is None else source,
            service_tier=tier,
            search_size=self._search_size,
            picture_model=pictures,
            region=bill.region,
            cost=bill.amount,
            provider_cost=bill.provider_amount,
            cost_lines=bill.lines,
            price_source=bill.source,
            price_date=bill.date,
            unpriced=bill.unpriced,
        )


def reported(usage: Any) -> Usage | None:
    """What a native provider says in a whole answer that it has used."""
    match usage:
        case {"input_tokens": int(read), "output_tokens": int(written)}:
            cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
            reasoned = (usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
            return Usage(input_tokens=read, cached_tokens=cached, output_tokens=written, reasoning_tokens=reasoned)
    return None


def _picture_model(*said: Mapping[str, Any]) -> str | None:
    """Whose pictures these are: an answer names the model, where a request leaves that to the provider."""
    tools = (tool for one in said for tool in one.get("tools") or () if tool.get("type") == "image_generation")
    return next((model for tool in tools if isinstance(model := tool.get("model"), str)), None)


def _search_size(request: Mapping[str, Any]) -> str | None:
    """How much a search was to bring in: some charge by that."""
    searching = (tool for tool in request.get("tools") or () if str(tool.get("type")).startswith("web_search"))
    sizes = (tool.get("search_context_size") for tool in searching)
    return next((size for size in sizes if isinstance(size, str)), None)
