"""A tap on the way to a gateway: bytes pass as they are, and every event stream that passes whole is checked.

So no test has to remember to look, whichever client it drives.
"""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from urllib.parse import urlsplit

import h11
from anyio.from_thread import start_blocking_portal

from tests.rig.legal import TERMINAL, check_stream, parse_sse


class Tap:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = parts.hostname or "", parts.port or 80
        self.url = ""
        self.checked = 0
        """Streams that were looked at."""
        self.complaints: list[str] = []
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closed(writer):
            with suppress(OSError):
                answers, requests = await asyncio.open_connection(*self._target)
                async with closed(requests):
                    watch = _Watch(self._check)
                    await asyncio.gather(_pump(reader, requests, watch.asked), _pump(answers, writer, watch.answered))

    def _check(self, body: bytes) -> None:
        if not body.endswith(b"data: [DONE]\n\n"):
            return  # its client left, or its gateway died
        self.checked += 1
        try:
            events = parse_sse(body)
            if events and events[0]["sequence_number"] == 0:
                check_stream(events)
            elif events:  # the rest of one
                first = events[0]["sequence_number"]
                assert [event["sequence_number"] for event in events] == list(range(first, first + len(events)))
                assert events[-1]["type"] in (*TERMINAL, "error")
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the tests must hear of it
            self.complaints.append(f"{traceback.format_exc()}\n{body[:2000]!r}")


class _Watch:
    """Follows the HTTP of one connection, as far as it is HTTP."""

    def __init__(self, check: Callable[[bytes], None]) -> None:
        self._check = check
        self._client, self._server = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)
        self._body: list[bytes] | None = None
        self._lost = False

    def asked(self, data: bytes) -> None:
        self._follow(data, self._client, self._server)

    def answered(self, data: bytes) -> None:
        self._follow(data, self._server, self._client)

    def _follow(self, data: bytes, source: h11.Connection, other: h11.Connection) -> None:
        if self._lost:
            return
        try:
            source.receive_data(data)
            while isinstance(event := source.next_event(), h11.Event) and not isinstance(event, h11.ConnectionClosed):
                self._look(event)
                other.send(event)
                if all(side is h11.DONE for side in self._client.states.values()):
                    self._client.start_next_cycle()
                    self._server.start_next_cycle()
        except h11.ProtocolError:
            self._lost = True  # a WebSocket, or a request that was not meant to be one

    def _look(self, event: object) -> None:
        match event:
            case h11.InformationalResponse(status_code=101):
                self._lost = True
            case h11.Response():
                kind = dict(event.headers).get(b"content-type", b"")
                self._body = [] if kind.startswith(b"text/event-stream") else None
            case h11.Data() if self._body is not None:
                self._body.append(bytes(event.data))
            case h11.EndOfMessage() if self._body is not None:
                self._check(b"".join(self._body))
                self._body = None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, see: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            see(data)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


@asynccontextmanager
async def closed(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Closed in the end."""
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@contextmanager
def tapped(url: str) -> Iterator[str]:
    """The URL by which to reach what is at this one. At the end, all streams that passed were legal."""
    tap = Tap(url)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(tap.open()):
        yield tap.url
    assert not tap.complaints, "\n\n".join(tap.complaints)
