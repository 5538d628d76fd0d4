"""HTTP and WebSocket, by uvicorn, inside a loop that belongs to somebody else."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
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
        if self.handshake_complete and not self.close_sent:
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
async def serving(app: FastAPI, bound: socket.socket, *, drain: float) -> AsyncIterator[None]:
    """Serve while open. Leaving takes no new connections and waits for what runs, `drain` seconds at the most."""
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws=_WebSocket,
            ws_max_size=LARGEST_FRAME,
            ws_per_message_deflate=False,  # an event is small and must not wait; and what inflates is a bomb
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(drain + _BACKSTOP)),
        )
    )
    task = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started and not task.done():  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task
