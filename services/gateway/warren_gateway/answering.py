"""How an answer is written: as JSON or as server-sent events, of a flight or of a log."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import structlog
from fastapi import Request
from fastapi.responses import Response

from warren.contracts import Head
from warren.errors import LedgerUnavailable, WarrenError
from warren_gateway.dispatch import Dispatch
from warren_gateway.flight import Flight
from warren_gateway.tail import Piece
from warren_gateway.traced import answered

log = structlog.get_logger("warren.gateway")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
T = TypeVar("T")

GONE = 499
"""The status of an answer that nobody waits for."""
_EVENTS = {
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
    "content-type": "text/event-stream; charset=utf-8",
}


def headers(head: Head | None, model: str) -> dict[str, str]:
    """What is known of who answers."""
    known = {"x-warren-model": _sayable(model)}
    if head is not None:
        known |= head.headers
        known["x-warren-model"] = _sayable(head.group or model)
        known["x-warren-attempt"] = str(head.tries)
        known["x-warren-retries"] = str(head.retries)
        known["x-warren-fallbacks"] = str(head.fallbacks)
        if head.deployment is not None:
            known["x-warren-deployment"] = _sayable(head.deployment)
        if head.dropped:
            known["x-warren-dropped"] = ", ".join(head.dropped)
        if head.api_base is not None:
            known["x-litellm-model-api-base"] = _sayable(head.api_base)
    return known


def _sayable(name: str) -> str:
    return name.encode("ascii", "replace").decode()


async def whole(request: Request, dispatch: Dispatch, flight: Flight, model: str) -> Response:
    """The JSON answer; a client that leaves before it comes takes its request with it."""
    gone = asyncio.create_task(_abandoned(request.receive, flight))
    try:
        await flight.begun()
        body = await flight.whole()
    finally:
        gone.cancel()
        dispatch.leave(flight)
    head = flight.head  # that of the last part: an earlier one may have said 200 of a call that failed after all
    if head is None and not body:
        return Response(status_code=GONE)
    status = head.status if head is not None and head.status else 200
    return Response(body, status, headers(head, model), media_type="application/json")


async def stream(request: Request, dispatch: Dispatch, flight: Flight, model: str) -> Response:
    """The event stream, once it is sure that there will be one; a refusal before that is a plain error."""
    gone = asyncio.create_task(_abandoned(request.receive, flight))
    try:
        head = await flight.begun()
    except BaseException:
        gone.cancel()
        dispatch.leave(flight)
        raise
    if (head is None and not flight.ended) or (head is not None and head.status not in (None, 200)):
        gone.cancel()
        try:
            body = await flight.whole()
        finally:
            dispatch.leave(flight)
        status = head.status if head is not None and head.status else GONE
        return Response(
            body,
            status,
            headers(head, model),
            media_type="application/json",
        )
    return _Flying(dispatch, flight, gone, headers(head, model))


async def followed(
    request: Request, pieces: AsyncGenerator[Piece], model: str, more: dict[str, str], *, streams: bool
) -> Response:
    """The answer of a request that runs detached; its client may leave, it runs on.

    A stream begins once it is sure that there will be one. `more`: headers besides those that the answer brings.
    """
    piece = await unless_gone(request.receive, _first(pieces) if streams else _last(pieces))
    if piece is None:
        return Response(status_code=GONE)
    status = piece.head.status if piece.head is not None and piece.head.status else 200
    said = headers(piece.head, model) | more
    if piece.last:
        answered(piece.head)
    if streams and status == 200:
        return Following(pieces, said, piece)
    await pieces.aclose()
    return Response(piece.data, status, said, media_type="application/json")


class Following(Response):
    """Writes what a log holds, and then what comes, as fast as its client reads."""

    def __init__(self, pieces: AsyncGenerator[Piece], more: dict[str, str], first: Piece | None = None) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_EVENTS | more)
        self._pieces = pieces
        self._first = first

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        await unless_gone(receive, self._write(send))

    async def _write(self, send: Any) -> None:
        """If the log cannot be read to its end, the connection is cut: nobody takes that for the end."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._pieces):
            try:
                if self._first is not None and await _sent(send, self._first):
                    return
                async for piece in self._pieces:
                    if await _sent(send, piece):
                        return
            except WarrenError as error:
                log.warning("a stream cannot be followed", error=error.code)


async def _sent(send: Any, piece: Piece) -> bool:
    """Whether this was the last one."""
    if piece.last:
        answered(piece.head)
    await send({"type": "http.response.body", "body": piece.data, "more_body": not piece.last})
    return piece.last


async def _first(pieces: AsyncGenerator[Piece]) -> Piece:
    async for piece in pieces:
        return piece
    raise _closed()


async def _last(pieces: AsyncGenerator[Piece]) -> Piece:
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.last:
                return piece
    raise _closed()


def _closed() -> LedgerUnavailable:
    return LedgerUnavailable("This gateway is shutting down; ask another one with the same key.", retry_after=1)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _abandoned(receive: Receive, flight: Flight) -> None:
    await _left(receive)
    flight.abandon()


async def unless_gone(receive: Receive, doing: Coroutine[Any, Any, T]) -> T | None:
    """What comes of this; None once the client is gone, nobody goes on with it then."""
    work, gone = asyncio.create_task(doing), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for task in (work, gone):
            task.cancel()
        for task in (work, gone):
            with suppress(asyncio.CancelledError, WarrenError):
                await task


class _Flying(Response):
    """Writes what comes as it comes: whole events, several at a time if they came together."""

    def __init__(self, dispatch: Dispatch, flight: Flight, gone: "asyncio.Task[None]", more: dict[str, str]) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_EVENTS | more)
        self._dispatch = dispatch
        self._flight = flight
        self._gone = gone

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while (data := await self._flight.read()) is not None:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            if not self._flight.abandoned:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._gone.cancel()
            self._dispatch.leave(self._flight)
