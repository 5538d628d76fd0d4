"""What is written down of a call to a provider: what it took, what it used, and what that costs."""

from collections.abc import Mapping, Sequence
from time import monotonic, time
from typing import Any, Literal

from warren.contracts import UpstreamCall, Usage
from warren.costs import Bill, Served, tools
from warren.errors import WarrenError
from warren.objects import Item
from warren.telemetry.instruments import TIME_PER_OUTPUT_CHUNK
from warren.telemetry.measuring import SWITCH, Gathered
from warren_worker.provider import Endpoint

_NOTHING = Bill(None)
"""What a call costs that nothing came of."""


class Note:
    """What is known of a call while it runs."""

    __slots__ = (
        "_latest", "_search_size", "clock", "endpoint", "error", "first_event", "gaps", "request_id", "said",
        "started_at", "status",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, request: Mapping[str, Any], said: int = 0) -> None:
        self.endpoint = endpoint
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
        self._search_size = _search_size(request)

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

    def written(
        self,
        call_id: str,
        usage: Usage | None,
        source: Literal["reported", "estimated"],
        answer: Item,
        said: Sequence[Item],
    ) -> UpstreamCall:
        """The record of the call, which is over; `said` are the items that it added to the answer."""
        if self.first_event is None and (self.error is not None or usage is None):
            usage = None  # nothing came of it
        elif usage is not None and (hosted := tools.counted(said)):
            usage = usage.model_copy(update={"tools": {**hosted, **usage.tools}})
        seconds, tier = monotonic() - self.clock, answer.get("service_tier")
        tier = tier if isinstance(tier, str) else None
        served = Served(self.started_at, seconds, tier, self._search_size)
        bill = _NOTHING if usage is None else self.endpoint.bill(usage, served)
        return UpstreamCall(
            call_id=call_id,
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
            cost=bill.amount,
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


def _search_size(request: Mapping[str, Any]) -> str | None:
    """How much a search was to bring in: some charge by that."""
    searching = (tool for tool in request.get("tools") or () if str(tool.get("type")).startswith("web_search"))
    sizes = (tool.get("search_context_size") for tool in searching)
    return next((size for size in sizes if isinstance(size, str)), None)
