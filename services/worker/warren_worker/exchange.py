"""Calls to providers: each is made here, and what it took and used is written down, whatever became of it."""

import asyncio
from time import monotonic, time
from typing import Any, Protocol

import jsonschema_rs
from opentelemetry.trace import SpanKind
from pydantic_core import from_json

from warren import telemetry
from warren.contracts import UpstreamCall, Usage
from warren.errors import Cancelled, InvalidRequest, WarrenError
from warren.events import Event
from warren.responses import Item
from warren_worker import dropping
from warren_worker.assembler import Assembler
from warren_worker.dialect import Call, Conversation
from warren_worker.media import inlined
from warren_worker.provider import Endpoint
from warren_worker.upstream import Upstream


class Audience(Protocol):
    """Who is told what a provider says while it says it."""

    def begin(self) -> None:
        """The provider has taken the request."""

    def say(self, events: list[Event]) -> None: ...

    async def caught_up(self) -> None:
        """Wait for as long as the provider should not go on."""


class Nobody:
    """The audience of an answer of which only the end matters."""

    def begin(self) -> None: ...

    def say(self, events: list[Event]) -> None: ...

    async def caught_up(self) -> None: ...


NOBODY = Nobody()


class Calls:
    """All calls of one attempt."""

    def __init__(self, upstream: Upstream, attempt: str, deadline: float) -> None:
        self.made: list[UpstreamCall] = []
        self.dropped: tuple[str, ...] = ()
        """What the latest call left out of the request."""
        self._upstream = upstream
        self._attempt = attempt
        self._deadline = deadline

    async def ask(
        self, endpoint: Endpoint, conversation: Conversation, assembler: Assembler, audience: Audience = NOBODY
    ) -> list[Event]:
        """Have this answered, into the assembler; gives the answer's last events, which nobody was told yet.

        Raises:
            WarrenError: there is no answer, or it did not come to a good end.
        """
        conversation = await inlined(conversation, endpoint.dialect.inlines, self._upstream.media)
        call, conversation, self.dropped = dropping.call(endpoint, conversation)
        validator = _validator(call.schema) if call.schema is not None else None
        note = _Note(endpoint)
        try:
            with telemetry.span(f"chat {endpoint.model}", SpanKind.CLIENT, provider=endpoint.provider):
                made = await self._read(endpoint, conversation, call, assembler, audience, note)
        except WarrenError as failed:
            note.error = failed
            raise
        except asyncio.CancelledError:
            note.error = Cancelled("Nobody wants this answer any more.")
            raise
        finally:
            self._write(note, assembler.usage, assembler.usage_source)
        if validator is not None and not _valid(validator, assembler.response):
            audience.say(made[:-1])
            raise _retracted(assembler, made)
        return made

    async def fetch(self, endpoint: Endpoint, path: str, body: Item) -> Item:
        """What a native provider answers to this question, as one JSON object."""
        note = _Note(endpoint)
        answer: Item = {}
        try:
            answer, note.status, note.request_id = await self._upstream.fetch(endpoint, path, body, self._deadline)
        except WarrenError as failed:
            note.error = failed
            raise
        finally:
            if path != "/responses/input_tokens":  # counting is free
                self._write(note, _usage(answer.get("usage")), "reported")
        return answer

    async def _read(
        self,
        endpoint: Endpoint,
        conversation: Conversation,
        call: Call,
        assembler: Assembler,
        audience: Audience,
        note: "_Note",
    ) -> list[Event]:
        reader = endpoint.dialect.reader(conversation)
        async with self._upstream.ask(endpoint, call, self._deadline) as answer:
            note.status, note.request_id = answer.status, answer.request_id
            audience.begin()
            async for batch in answer:
                if note.first_event is None:
                    note.first_event = monotonic()
                made: list[Event] = []
                try:
                    for event in batch:
                        for delta in reader.feed(event):
                            made += assembler.feed(delta)
                finally:
                    audience.say(made)
                await audience.caught_up()
        return assembler.finish(time())

    def _write(self, note: "_Note", usage: Usage | None, source: Any) -> None:
        answered = note.first_event is not None or (note.error is None and usage is not None)
        self.made.append(
            UpstreamCall(
                call_id=f"{self._attempt}.{len(self.made) + 1}",
                deployment=note.endpoint.deployment,
                provider=note.endpoint.provider,
                model=note.endpoint.model,
                started_at=note.started_at,
                seconds=monotonic() - note.clock,
                first_event_seconds=None if note.first_event is None else note.first_event - note.clock,
                status=note.status,
                error=note.error.code if note.error is not None else None,
                upstream_request_id=note.request_id,
                usage=usage if answered else None,
                usage_source=source if answered else None,
            )
        )


class _Note:
    """What is known of a call while it runs."""

    __slots__ = ("clock", "endpoint", "error", "first_event", "request_id", "started_at", "status")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.started_at = time()
        self.clock = monotonic()
        self.first_event: float | None = None
        self.status: int | None = None
        self.request_id: str | None = None
        self.error: WarrenError | None = None


def text(response: Item) -> str:
    """All that a response says as text."""
    return "".join(
        part.get("text", "")
        for item in response["output"]
        if item.get("type") == "message"
        for part in item["content"]
        if part.get("type") == "output_text"
    )


def _validator(schema: Item) -> Any:
    try:
        return jsonschema_rs.validator_for(schema)
    except ValueError:
        raise InvalidRequest(
            "Invalid schema for 'text.format.schema'.", param="text.format.schema", code="invalid_json_schema"
        ) from None


def _valid(validator: Any, response: Item) -> bool:
    """Whether the text fits; there is nothing to fit in an answer that was cut, refuses or calls a tool."""
    said = text(response)
    if response["status"] != "completed" or not said:
        return True
    try:
        fits: bool = validator.is_valid(from_json(said))
    except ValueError:
        return False
    return fits


def _retracted(assembler: Assembler, made: list[Event]) -> WarrenError:
    """The answer is complete and no good: its last event, the end, is not said, another one takes its number."""
    assembler.sequence = made[-1]["sequence_number"]
    assembler.response.update(completed_at=None)
    return WarrenError(
        "The model's answer does not fit the schema that was asked for.", status=502, code="invalid_structured_output"
    )


def _usage(usage: Any) -> Usage | None:
    match usage:
        case {"input_tokens": int(read), "output_tokens": int(written)}:
            cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
            reasoned = (usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
            return Usage(input_tokens=read, cached_tokens=cached, output_tokens=written, reasoning_tokens=reasoned)
    return None
