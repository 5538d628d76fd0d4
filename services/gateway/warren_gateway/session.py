"""One WebSocket: its requests are answered one after the other, as streams of events."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from time import monotonic, time
from typing import Any

import structlog
from opentelemetry.trace import SpanKind
from pydantic_core import from_json
from starlette.requests import HTTPConnection

from warren import sse, telemetry
from warren.bus import LEDGER_ASK
from warren.contracts import Head, Rebuild, Rebuilt
from warren.errors import InvalidRequest, NotFound, Overloaded, PreviousNotFound, WarrenError
from warren.objects import Item
from warren.requests.limits import LARGEST
from warren_gateway import creating, frames, measured, repeated
from warren_gateway.admitting import admit, permit
from warren_gateway.flight import Flight
from warren_gateway.frames import Memory
from warren_gateway.gateway import Gateway
from warren_gateway.orders import Order
from warren_gateway.server import LEAVING

log = structlog.get_logger("warren.gateway")

ROUTE = "/responses"
WAITING = 16
"""Frames that may wait, WAITING_SIZE bytes of them at the most."""
WAITING_SIZE = LARGEST
_GOING_AWAY, _NORMAL, _TOO_SLOW = 1001, 1000, 1008
_GOOD = frozenset({"response.completed", "response.incomplete"})
_LAST = _GOOD | {"response.failed"}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Session:
    """What one socket is at. The model that its address names is meant by frames that name none."""

    def __init__(self, gateway: Gateway, socket: HTTPConnection, send: Send) -> None:
        self._gateway = gateway
        self._socket = socket
        self._account = gateway.keys.account(socket)
        self._model = socket.query_params.get("model")
        self._send = send
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._memory: Memory | None = None
        self._wake = asyncio.Event()
        self._leaving = False

    async def serve(self, receive: Receive, *, seconds: float) -> None:
        """Answer what comes until the client leaves, this gateway stops, or the time is over; what runs then ends
        first. A client that leaves takes what runs with it.
        """
        answering = asyncio.create_task(self._answer_all(monotonic() + seconds))
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                if message["type"] == LEAVING:
                    self._leaving = True
                    self._wake.set()
                else:
                    text = message.get("text")
                    await self._take(text.encode() if text is not None else message["bytes"])
        finally:
            answering.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await answering

    async def _take(self, data: bytes) -> None:
        if len(self._waiting) >= WAITING or self._size + len(data) > WAITING_SIZE:
            error = Overloaded(
                "Too many requests wait on this connection: read some answers first.",
                code="websocket_stream_limit_reached",
                status=429,
            )
            with suppress(OSError):
                await self._say(frames.refusal(error, None))
            return
        self._waiting.append(data)
        self._size += len(data)
        self._wake.set()

    async def _answer_all(self, until: float) -> None:
        """Ends by closing the socket."""
        while not self._leaving:
            if not self._waiting:
                try:
                    async with asyncio.timeout(until - monotonic()):
                        self._wake.clear()
                        await self._wake.wait()
                except TimeoutError:
                    break
            elif monotonic() >= until:
                break
            else:
                data = self._waiting.popleft()
                self._size -= len(data)
                if not await self._answer(data):
                    await self._close(_TOO_SLOW, "events were not read")
                    return
        if self._leaving:
            await self._close(_GOING_AWAY, "going away")
            return
        error = InvalidRequest(
            "This connection has reached its time limit: open another one.", code="websocket_connection_limit_reached"
        )
        await self._say(frames.refusal(error, None))
        await self._close(_NORMAL, "time limit")

    async def _answer(self, data: bytes) -> bool:
        """Answer one frame; False if its events were not read. Of what is wrong with it only its frame hears."""
        name = previous = None
        read = True
        try:
            with measured.frame(self._gateway.config) as asked:
                await self._gateway.keys.authenticate(self._socket, ROUTE)  # the key may be good no more
                message = await creating.reading(frames.opened, data)
                previous = frames.given(message, "previous_response_id")
                name = frames.lane(message)
                made = await creating.reading(partial(frames.order, message=message, model=self._model), data)
                read, good = await self._run(made, name, asked)
        except WarrenError as error:
            good = False
            await self._say(frames.refusal(error, name))
        except OSError:
            raise  # the client is gone
        except Exception:
            good = False
            log.exception("a frame failed")
            failure = WarrenError("The server had an error while processing your request.")
            await self._say(frames.refusal(failure, name))
        if not good and self._memory is not None and previous == self._memory.response_id:
            self._memory = None  # who fails to go on sends everything anew
        return read

    async def _run(self, made: Order, name: str | None, asked: measured.Asked) -> tuple[bool, bool]:
        """Run it; whether its events were read, and whether it went well."""
        asked.about(self._gateway.config, made.wanted.model)
        memory = self._memory
        if memory is None or made.wanted.previous_response_id != memory.response_id:
            memory = None
        permit(self._gateway, self._socket, made.wanted.model, made.knobs)
        if made.wanted.references and not (made.stored and made.generate):
            made = frames.resolved(made, await self._referenced(made, memory))
        if not made.generate:
            await self._prepare(made, memory, name)
            return True, True
        before = None
        if memory is not None and made.stored:
            made, memory = frames.continued(made, memory), None
        elif memory is not None:
            before = await self._history(memory)
        ready = await creating.prepare(self._gateway, self._account, made, before=before, stream=True)
        ready = await admit(self._gateway, self._socket, made.wanted, ready)
        with telemetry.span("response.create", SpanKind.SERVER, response_id=ready.job.response_id):
            flight = await creating.launch(self._gateway, ready)
        asked.provider = ready.provider
        asked.posted(flight)
        try:
            last = await self._show(flight, name)
        finally:
            self._gateway.dispatch.leave(flight)
        if last is None or last["type"] not in _GOOD:
            return not flight.overrun, False
        self._remember(made, memory, flight.response_id, last["response"]["output"])
        return True, True

    async def _show(self, flight: Flight, name: str | None) -> Item | None:
        """Bring the events of a stream to the client; gives the last one.

        Raises:
            WarrenError: why there are none.
        """
        head = await flight.begun()
        if head is None or head.status not in (None, 200):
            raise _refused(head, await flight.whole())
        reader = sse.Reader(limit=2 * LARGEST)
        last = None
        while (data := await flight.read()) is not None:
            for event in reader.feed(data):
                if event.data != b"[DONE]":
                    await self._say(frames.event(event.data, name))
                if event.name in _LAST:
                    last = event.data
        return None if last is None else from_json(last)

    async def _prepare(self, made: Order, memory: Memory | None, name: str | None) -> None:
        """Take a request in without generating anything: what follows it need not send it again."""
        wanted = made.wanted
        if wanted.conversation_id is not None:
            raise InvalidRequest(
                "Unsupported parameter: 'conversation' goes with a response that is generated.",
                param="conversation",
                code="unsupported_parameter",
            )
        await creating.reading(repeated.check, made.body)
        previous = wanted.previous_response_id if memory is None else None
        await creating.planned(self._gateway, self._account, wanted.model, previous)
        response_id = self._gateway.signer.new("resp", self._account)
        for event in frames.prepared(made, response_id, time()):
            await self._say(frames.event(sse.encode(event).split(b"data: ", 1)[1].rstrip(), name))
        self._keep(response_id, frames.said(made, [], memory), wanted.previous_response_id, memory)

    def _remember(self, made: Order, memory: Memory | None, response_id: str, output: list[Item]) -> None:
        """Keep the latest response, unless the ledger has it."""
        if made.stored:
            self._memory = None
        else:
            said = frames.said(made, output, memory)
            self._keep(response_id, said, made.wanted.previous_response_id, memory)

    def _keep(self, response_id: str, said: bytes, previous: str | None, memory: Memory | None) -> None:
        base = memory.base if memory is not None else previous
        self._memory = Memory(response_id, said, base) if len(said) <= LARGEST else None

    async def _history(self, memory: Memory) -> bytes:
        """All that was said up to a remembered response."""
        if memory.base is None:
            return memory.said
        question = Rebuild(response_id=memory.base, account=self._account)
        answer = await self._gateway.ask_ledger(LEDGER_ASK, question)
        assert isinstance(answer, Rebuilt)
        if not answer.found or answer.hole is not None:
            raise PreviousNotFound.of(answer.hole or memory.base)
        return frames.joined(answer.history, memory.said)

    async def _referenced(self, made: Order, memory: Memory | None) -> dict[str, Item]:
        """What the references of a request name: items that this socket remembers, or that the ledger has.

        Raises:
            NotFound: one of them names nothing.
        """
        items = [] if memory is None else from_json(memory.said)
        found = {item["id"]: item for item in items if "id" in item}
        wanted = tuple(name for name in made.wanted.references if name not in found)
        if wanted:
            answer = await self._gateway.ask_ledger(LEDGER_ASK, Rebuild(account=self._account, references=wanted))
            assert isinstance(answer, Rebuilt)
            if answer.missing is not None:
                raise NotFound(f"Item with id '{answer.missing}' not found.", param="input")
            found |= dict(zip(wanted, from_json(answer.referenced), strict=True))
        return found

    async def _say(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def _close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})


def _refused(head: Head | None, body: bytes) -> WarrenError:
    """The error that a plain answer would be."""
    status = head.status if head is not None and head.status else 499
    detail = from_json(body)["error"] if body else {}
    return WarrenError.from_detail(detail, status)
