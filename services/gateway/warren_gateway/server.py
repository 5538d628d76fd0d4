"""HTTP and WebSocket, by uvicorn, inside a loop that belongs to somebody else."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import ceil
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from warren.settings import Complaint

LARGEST_FRAME = 32 * 1024 * 1024
"""Bytes that a WebSocket message may have. A longer one closes its socket with 1009, unread."""
LEAVING = "warren.leaving"
"""The message that tells the application of a WebSocket that this server is about to stop."""
_BACKSTOP = 5.0
_LINGERING = 0.5
"""Seconds of silence after which what is refused counts as read."""
_LONGEST_REFUSAL = 10.0


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # whoever runs the loop handles its signals


class _Http(HttpToolsProtocol):
    """Does not hang up on a client that may just be sending its next request: a connection that this server was asked
    to give up goes on until its client has let go of it, on account of an answer that says `connection: close`, or has
    been silent for as long as its server was a lame duck.
    """

    _given_up = False

    def give_up(self, silence: int) -> None:
        """Close once it has been silent for so many seconds. Those begin now, unless an answer is under way."""
        if self._given_up:
            return
        self._given_up = True
        self.timeout_keep_alive = silence
        answering = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if answering is None or answering.response_complete:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(silence, self.timeout_keep_alive_handler)

    def shutdown(self) -> None:
        self.give_up(self.config.timeout_keep_alive)

    def hang_up(self) -> None:
        """Close now, or behind the answer that is under way."""
        super().shutdown()


class _WebSocket(WebSocketsSansIOProtocol):
    """Leaves it to the application how a socket ends when the server stops: what runs on it may end first.

    A frame that is refused is read to its end all the same, and dropped: who is still sending when his connection is
    cut does not get to read why.
    """

    _refused_at: float | None = None

    def data_received(self, data: bytes) -> None:
        if self._refused_at is None:
            super().data_received(data)
        elif self.loop.time() < self._refused_at + _LONGEST_REFUSAL:
            self._linger()
        else:
            self.transport.close()

    def handle_parser_exception(self) -> None:
        why = self.conn.close_sent
        assert why is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": why.code, "reason": why.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._refused_at = self.loop.time()
        self._linger()

    def _linger(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(_LINGERING, self.transport.close)

    def shutdown(self) -> None:
        if not self.close_sent:  # who is about to be let in hears of it then
            leaving: Any = {"type": LEAVING}
            self.queue.put_nowait(leaving)
        else:
            super().shutdown()


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound.

    Raises:
        Complaint: the address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio looks for that before TCP_NODELAY
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise Complaint(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return bound


@asynccontextmanager
async def serving(
    app: FastAPI, bound: socket.socket, *, drain: float, lame_duck: float = 0.0, keep_alive: int = 5
) -> AsyncIterator[None]:
    """Serve while open. Leaving is over after `drain` seconds at the most: for `lame_duck` of them everything is served
    as before, then no new connections are taken, and what runs is waited for. A connection that was silent for
    `keep_alive` seconds, or for `lame_duck` of these, is closed.
    """
    lame_duck = min(lame_duck, drain)
    config = uvicorn.Config(
        app,
        http=_Http,
        ws=_WebSocket,
        ws_max_size=LARGEST_FRAME,
        ws_per_message_deflate=False,  # an event is small and must not wait; and what inflates is a bomb
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=max(1, round(drain - lame_duck + _BACKSTOP)),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started and not task.done():  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        late = asyncio.get_running_loop().call_later(drain, _hang_up, server)
        config.timeout_keep_alive = ceil(lame_duck)
        for connection in _http(server):
            connection.give_up(config.timeout_keep_alive)
        await asyncio.sleep(lame_duck)
        server.should_exit = True
        await task
        late.cancel()


def _http(server: uvicorn.Server) -> list[_Http]:
    return [connection for connection in server.server_state.connections if isinstance(connection, _Http)]


def _hang_up(server: uvicorn.Server) -> None:
    for connection in _http(server):
        connection.hang_up()
