"""How a run speaks: as events to who streams, as one JSON object to who does not, to nobody if nobody listens."""

from collections.abc import Mapping

from pydantic_core import to_json

from warren.contracts import Flag, Head, Job
from warren.costs.bill import digits
from warren.errors import WarrenError
from warren.events import Event
from warren.objects import Item
from warren.routing.walk import Walk
from warren.sse import DONE, encode
from warren_worker.exchange import Calls
from warren_worker.provider import Endpoint
from warren_worker.relay import PART, Stream


class Voice:
    """What is said in one attempt, with a head that tells who says it."""

    def __init__(self, job: Job, stream: Stream, worker: str, calls: Calls) -> None:
        self.deployment: str | None = None
        self._walk: Walk | None = None
        self._api_base: str | None = None
        self._job = job
        self._stream = stream
        self._worker = worker
        self._calls = calls

    def asks(self, endpoint: Endpoint, walk: Walk) -> None:
        """This one is being asked, on this way."""
        self.deployment = endpoint.deployment
        self._api_base = _public(endpoint.base_url) if walk.rules.litellm_headers else None
        self._walk = walk

    def open(self, status: int | None) -> None:
        """From now on it is known who is at it, and, if it is, with which status the answer begins."""
        self._stream.head = self._head(status)

    def appear(self, status: int | None) -> None:
        """Let the gateway know who is at it, if it does not; a log need not know."""
        if self._stream.head is None:
            if self._job.stream or not self._job.detached:
                self.open(status)
            if not self._job.detached:
                self._stream.write(b"")

    def say(self, events: list[Event], *, shown: bool, last: Flag = Flag.NONE) -> None:
        """Stream these events; `shown`: there was model output by now."""
        if not self._job.stream or not events:
            return
        flags = Flag.CONTENT if shown else Flag.NONE
        pieces = list(map(encode, events))
        if last:
            pieces[-1] += DONE
        data = b"".join(pieces)
        first = events[0]["sequence_number"]
        if len(data) <= PART:
            self._stream.write(data, first, first + len(pieces) - 1, flags | last)
            return
        for number, piece in enumerate(pieces, first):
            at_end = number == first + len(pieces) - 1
            self._stream.write(piece, number, number, flags | last if at_end else flags)

    def end(self, events: list[Event], response: Item, *, shown: bool) -> None:
        """The last that is said: these events, or the response itself."""
        if self._job.stream:
            self._stream.head = self._head(200, response=response)
            self.say(events, shown=shown, last=Flag.LAST)
        elif self._stream.gateway:
            cost = self._calls.cost
            told = {} if cost is None else {"x-warren-response-cost": digits(cost)}
            self._stream.head = self._head(200, told, response=response)
            self._stream.write(to_json(response, inf_nan_mode="null"), flags=Flag.LAST)

    def refuse(self, error: WarrenError) -> None:
        """The last that is said, where nothing was before: an HTTP error."""
        headers = {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after)))}
        self._stream.head = self._head(error.status, headers, error=error.code)
        self._stream.write(to_json(error.body()), flags=Flag.LAST)

    def _head(
        self,
        status: int | None,
        headers: Mapping[str, str] | None = None,
        *,
        error: str | None = None,
        response: Item | None = None,
    ) -> Head:
        """`error`, or `response`: how it ended."""
        usage = None if response is None else response.get("usage")
        if response is not None and response.get("error") is not None:
            error = response["error"].get("code")
        return Head(
            status=status,
            headers=dict(headers or {}),
            worker=self._worker,
            deployment=self.deployment,
            tries=max(1, len(self._calls.made)),
            dropped=self._calls.dropped,
            group=None if self._walk is None else self._walk.key,
            retries=0 if self._walk is None else self._walk.retries,
            fallbacks=0 if self._walk is None else self._walk.fallbacks,
            api_base=self._api_base,
            error=error,
            output_tokens=None if usage is None else usage.get("output_tokens"),
        )


def _public(url: str) -> str:
    """An address without what may be a secret in it."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
