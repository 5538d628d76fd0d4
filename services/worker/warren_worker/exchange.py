"""Calls to providers: each is made here, and what it took and used is written down, whatever became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from time import time
from typing import Any, Protocol

import jsonschema_rs
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, SpanKind
from pydantic_core import from_json

from warren import objects, telemetry
from warren.contracts import UpstreamCall, Usage, charge
from warren.errors import Cancelled, InvalidRequest, UpstreamError, WarrenError
from warren.events import Event
from warren.objects import Item
from warren.telemetry import content
from warren_worker import dropping
from warren_worker.assembler import Assembler
from warren_worker.conversation import tokens
from warren_worker.dialect import Call, Conversation, Counting, Reaching
from warren_worker.media import inlined
from warren_worker.note import Note, reported
from warren_worker.provider import Endpoint
from warren_worker.refusal import quoting
from warren_worker.traced import answered, asked, finish
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

_PAUSES = 10
"""How often one answer may be interrupted by the provider itself."""


Tell = Callable[[tuple[UpstreamCall, ...]], Awaitable[None]]
"""Is told of all calls of an attempt before another one is made, and of that one as the last."""


class Calls:
    """All calls of one attempt."""

    def __init__(
        self, upstream: Upstream, attempt: str, deadline: float, tell: Tell | None = None, account: str = ""
    ) -> None:
        self.made: list[UpstreamCall] = []
        self.dropped: tuple[str, ...] = ()
        """What the latest call left out of the request."""
        self.tells_cost = False
        """Clients are told in the usage what all calls cost."""
        self.latest: SpanContext = INVALID_SPAN_CONTEXT
        """The span of the call that was made last: that of the next one is linked to it …"""
        self.again = "retry"
        """… because it is this."""
        self._upstream = upstream
        self._attempt = attempt
        self._deadline = deadline
        self._account = account
        self._tell = tell

    async def ask(
        self, endpoint: Endpoint, conversation: Conversation, assembler: Assembler, audience: Audience = NOBODY
    ) -> list[Event]:
        """Have this answered, into the assembler; gives the answer's last events, which nobody was told yet.

        A provider that pauses is asked to go on, _PAUSES times at most; then what it has said is all.

        Raises:
            WarrenError: there is no answer, or it did not come to a good end.
        """
        self.tells_cost = endpoint.tells_cost
        conversation = await self._inlined(endpoint, conversation)
        call, told, self.dropped = dropping.call(endpoint, conversation)
        validator = _validator(call.schema) if call.schema is not None else None
        made = await self._once(endpoint, told, call, assembler, audience)
        for _ in range(_PAUSES):
            if not assembler.paused:
                break
            audience.say(assembler.resume())
            call, told, _ = dropping.call(endpoint, _with_answer(conversation, assembler))
            made = await self._once(endpoint, told, call, assembler, audience)
        made = made or assembler.finish(time())
        if validator is not None and not _valid(validator, assembler.response):
            audience.say(made[:-1])
            raise _retracted(assembler, made)
        return made

    async def _once(
        self, endpoint: Endpoint, conversation: Conversation, call: Call, assembler: Assembler, audience: Audience
    ) -> list[Event]:
        """One call; gives the answer's last events, none of an answer that is paused."""
        read = tokens(conversation.request, conversation.items)
        async with self._upstream.fleet.calling(endpoint.deployment, read) as watch:
            assembler.reads(read)
            note = self._note(endpoint, conversation.request, read, len(assembler.response["output"]))
            try:
                with self._traced(endpoint, conversation, assembler, note):
                    return await self._read(endpoint, conversation, call, assembler, audience, note)
            finally:
                watch.over(self.made[-1], note.error, note.gaps)

    @contextmanager
    def _traced(
        self, endpoint: Endpoint, conversation: Conversation, assembler: Assembler, note: Note
    ) -> Iterator[None]:
        """The time of one call; at its end it is written down what became of it."""
        attributes = asked(endpoint, conversation.request) if telemetry.on() else {}
        links = telemetry.link(self.latest, self.again)
        with telemetry.span(f"chat {endpoint.model}", SpanKind.CLIENT, links=links, **attributes) as span:
            self.latest = span.get_span_context()
            try:
                yield
            except WarrenError as failed:
                failed.message = quoting.without(failed.message, _said(conversation))
                note.error = failed
                raise
            except asyncio.CancelledError:
                note.error = Cancelled("Nobody wants this answer any more.")
                raise
            finally:
                response = assembler.response
                said = response["output"][note.said :]
                self._write(note, assembler.usage, assembler.usage_source, response, said)
                if span.is_recording():
                    telemetry.say(span, **answered(self.made[-1], response, assembler.upstream_id, note.error))
                    if note.first_event is not None:
                        telemetry.event("first_chunk", span, at=note.first_event)
                    instructions = conversation.request.get("instructions")
                    content.tell(span, self._account, instructions, conversation.items, said, finish(response))

    async def count(self, endpoint: Endpoint, dialect: Counting, conversation: Conversation) -> int | None:
        """How many tokens the provider says that this is; None if it does not say."""
        conversation = await self._inlined(endpoint, conversation)
        call = dialect.count(conversation, endpoint.model)
        try:
            answer = await self._upstream.fetch(endpoint, call.path, call.body, self._deadline, call.headers)
            return dialect.counted(answer)
        except (UpstreamError, LookupError, TypeError, ValueError):
            return None

    async def _inlined(self, endpoint: Endpoint, conversation: Conversation) -> Conversation:
        dialect = endpoint.dialect
        reached = dialect.reaches if dialect.inlines and isinstance(dialect, Reaching) else None
        return await inlined(conversation, dialect.inlines, self._upstream.media, reached)

    async def fetch(self, endpoint: Endpoint, path: str, body: Item) -> Item:
        """What a native provider answers to this question, as one JSON object."""
        if path == "/responses/input_tokens":  # counting is free
            return await self._upstream.fetch(endpoint, path, body, self._deadline)
        read = tokens(body, objects.items(body.get("input") or []))
        async with self._upstream.fleet.calling(endpoint.deployment, read) as watch:
            note = self._note(endpoint, body, read)
            answer: Item = {}
            try:
                with telemetry.span(f"POST {path}", SpanKind.CLIENT, deployment=endpoint.deployment):
                    answer = await self._upstream.fetch(endpoint, path, body, self._deadline, witness=note)
            except WarrenError as failed:
                failed.message = quoting.without(failed.message, quoting.content([*body.values()]))
                note.error = failed
                raise
            except asyncio.CancelledError:
                note.error = Cancelled("Nobody wants this answer any more.")
                raise
            finally:
                usage = reported(answer.get("usage"))
                self._write(note, usage or Usage(input_tokens=read), "reported" if usage else "estimated", answer, ())
                watch.over(self.made[-1], note.error)
        return answer

    def _note(self, endpoint: Endpoint, request: Mapping[str, Any], read: int, said: int = 0) -> Note:
        return Note(f"{self._attempt}.{len(self.made) + 1}", endpoint, request, read, said, self._begins)

    async def _begins(self, call: UpstreamCall) -> None:
        if self._tell is not None:
            await self._tell((*self.made, call))

    async def _read(
        self,
        endpoint: Endpoint,
        conversation: Conversation,
        call: Call,
        assembler: Assembler,
        audience: Audience,
        note: Note,
    ) -> list[Event]:
        reader = endpoint.dialect.reader(conversation)
        async with self._upstream.ask(endpoint, call, self._deadline, note) as answer:
            audience.begin()
            async for batch in answer:
                note.came()
                made: list[Event] = []
                try:
                    for event in batch:
                        for delta in reader.feed(event):
                            made += assembler.feed(delta)
                finally:
                    audience.say(made)
                await audience.caught_up()
        return [] if assembler.paused else assembler.finish(time())

    def _write(self, note: Note, usage: Usage | None, source: Any, answer: Item, said: Sequence[Item]) -> None:
        """Keep what a call took and used; `said` are the items that it added to the answer."""
        self.made.append(note.written(usage, source, answer, said))

    @property
    def cost(self) -> Decimal | None:
        """What all of them cost together."""
        return charge(self.made)

    def tell(self, response: Item) -> None:
        """Write that into the response, if clients are told; a number, as LiteLLM does."""
        if self.tells_cost and isinstance(usage := response.get("usage"), dict):
            cost = self.cost
            response["usage"] = {**usage, "cost": None if cost is None else float(cost)}


def _with_answer(conversation: Conversation, assembler: Assembler) -> Conversation:
    """The conversation with all that was said in answer to it by now, as the end of its input."""
    said = assembler.response["output"]
    request = {**conversation.request, "input": [*objects.items(conversation.request.get("input") or []), *said]}
    kept = {**conversation.kept, **assembler.kept}
    return Conversation(request, [*conversation.items, *said], conversation.upstream_previous, kept)


def _said(conversation: Conversation) -> Iterator[str]:
    """All that the model is told."""
    yield from quoting.content(conversation.request.get("instructions"))
    yield from quoting.content(conversation.items)


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
