"""HTTP, by uvicorn, inside a loop that belongs to somebody else."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from warren.settings import Complaint

_BACKSTOP = 5.0


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # whoever runs the loop handles its signals


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound.

    Raises:
        Complaint: the address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
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
            ws="none",
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
