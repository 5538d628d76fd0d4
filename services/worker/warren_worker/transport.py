"""HTTP by aiohttp below httpx's client.

httpx's own pool looks at every connection for every request, which at 64 of them costs 3.5 ms of CPU a request, against
0.3 ms. A URL goes out as it is, to the letter: it may be signed.
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from types import SimpleNamespace
from typing import Any
from urllib.request import getproxies

import aiohttp
import httpx
from yarl import URL

SENDING = "warren.sending"
"""The extension of a request that is awaited when there is a connection, before anything is sent on it."""
_TRIES = 3
"""Kept connections that may turn out to be dead before there is an error."""
_AT_ONCE = 1.0
"""Seconds within which a dead connection shows. What breaks later may have been at work, and is not sent again."""


class Transport(httpx.AsyncBaseTransport):
    """For one event loop, with so many connections at most. It follows no redirect and decompresses nothing."""

    def __init__(self, connections: int, context: ssl.SSLContext | None = None) -> None:
        self._connections = connections
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._session is None:
            self._session = self._open()
        for _ in range(_TRIES):
            tried = _Try(request.extensions.get(SENDING))
            try:
                answer = await self._ask(self._session, request, tried)
            except (aiohttp.ClientError, OSError) as error:
                if tried.found_dead(error):
                    continue
                raise _named(error) from error
            except ValueError as error:  # a header or an address that cannot be
                raise httpx.LocalProtocolError(type(error).__name__) from error
            return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer), request=request)
        raise httpx.RemoteProtocolError("one connection after the other was dead")

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, session: aiohttp.ClientSession, request: httpx.Request, tried: "_Try"
    ) -> aiohttp.ClientResponse:
        return await session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers,
            data=_data(request),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(sock_connect=request.extensions.get("timeout", {}).get("connect")),
            trace_request_ctx=tried,
        )

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._connections, keepalive_timeout=30, ssl=self._context or httpx.create_ssl_context()
        )
        watch = aiohttp.TraceConfig()
        watch.on_connection_reuseconn.append(_reused)
        watch.on_connection_create_end.append(_connected)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trace_configs=[watch],
            # For every request, trust_env also looks for a .netrc, in a thread: only where there is a proxy to be used.
            trust_env=bool(getproxies()),
        )


class Pieces:
    """A large body, so that sending it does not hold up the loop. It can be sent again."""

    SIZE = 256 * 1024
    """Bytes that are handed over at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._data), self.SIZE):
            yield self._data[at : at + self.SIZE]


class _Try:
    """One way through the pool."""

    __slots__ = ("_sending", "began", "reused")

    def __init__(self, sending: Callable[[], Awaitable[None]] | None) -> None:
        self.began = monotonic()
        self.reused = False
        self._sending = sending

    async def connected(self) -> None:
        if self._sending is not None:
            await self._sending()

    def found_dead(self, error: Exception) -> bool:
        """Whether a kept connection had been closed by the server before it was asked this."""
        return self.reused and _is_gone(error) and monotonic() - self.began < _AT_ONCE


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError("the answer broke off") from error

    async def aclose(self) -> None:
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


async def _reused(_: aiohttp.ClientSession, told: SimpleNamespace, __: object) -> None:
    told.trace_request_ctx.reused = True
    await told.trace_request_ctx.connected()


async def _connected(_: aiohttp.ClientSession, told: SimpleNamespace, __: object) -> None:
    await told.trace_request_ctx.connected()


def _data(request: httpx.Request) -> Any:
    try:
        return request.content or None
    except httpx.RequestNotRead:
        return request.stream


def _is_gone(error: Exception) -> bool:
    """Whether the server hung up without a word."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)


def _named(error: Exception) -> httpx.TransportError:
    """By httpx's names. The words stay with the cause: there may be addresses in them."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout("no connection in time")
        case aiohttp.ServerTimeoutError():
            return httpx.ReadTimeout("no answer in time")
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return httpx.ConnectError("no connection")
        case _ if _is_gone(error):
            return httpx.RemoteProtocolError("hung up")
        case _:
            return httpx.ReadError("no answer that is HTTP")
