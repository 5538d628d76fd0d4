"""The way to the provider: one HTTP call, its answer cut into events, and every way in which that can fail."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import time
from typing import Any
from urllib.request import getproxies

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic_core import from_json, to_json

import warren
from warren import sse
from warren.errors import (
    DeadlineExceeded,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from warren.responses import Item
from warren_worker.auth import Authority
from warren_worker.dialect import Call
from warren_worker.framing import Cutter, cutter
from warren_worker.provider import Endpoint
from warren_worker.refusal import inside

_REFUSAL_SIZE = 64 * 1024
_AT_ONCE = 256 * 1024
"""Bytes of a request that are handed over in one piece."""
_ANSWER_SIZE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a provider, in seconds. A job's deadline bounds all of it."""

    connect: float = 10.0
    first_event: float = 300.0
    """From the request to the first event."""
    idle: float = 300.0
    """From one event to the next: bytes that complete no event do not count."""


@dataclass(slots=True)
class Answer:
    """What a provider answers: a 2xx, and then events."""

    status: int
    request_id: str | None
    _batches: AsyncIterator[list[sse.Event]]

    def __aiter__(self) -> AsyncIterator[list[sse.Event]]:
        return self._batches


class Upstream:
    """One pool of connections for all calls of a process."""

    def __init__(self, client: httpx.AsyncClient, patience: Patience) -> None:
        self._client = client
        self._patience = patience
        self._authority = Authority(client)

    @asynccontextmanager
    async def ask(self, endpoint: Endpoint, call: Call, deadline: float) -> AsyncIterator[Answer]:
        """Make this call. The answer's events come in batches, as the network brings them.

        Raises:
            WarrenError: the provider cannot be reached, refuses, is silent for too long or talks nonsense; also
                while the events are read.
        """
        total = deadline - time() if endpoint.timeout is None else min(deadline - time(), endpoint.timeout)
        first = min(total, endpoint.first_event_timeout or self._patience.first_event)
        framing = endpoint.dialect.framing
        request = await self._request(endpoint, call.path, call.body, framing, call.headers)
        loop = asyncio.get_running_loop()
        end = loop.time() + total
        with _told(deadline):
            async with asyncio.timeout_at(loop.time() + first) as timer:
                response = await self._client.send(request, stream=True)
                try:
                    if not 200 <= response.status_code < 300:
                        body = await _bounded(response, _REFUSAL_SIZE)
                        raise endpoint.dialect.refusal(response.status_code, response.headers, body)
                    if not response.headers.get("content-type", "").startswith(framing):
                        raise _without_stream(await _bounded(response, _REFUSAL_SIZE))
                    async with aclosing(self._events(response, cutter(framing), timer, end)) as batches:
                        yield Answer(response.status_code, response.headers.get("x-request-id"), batches)
                finally:
                    await response.aclose()

    async def fetch(
        self, endpoint: Endpoint, path: str, body: Mapping[str, Any], deadline: float
    ) -> tuple[Item, int, str | None]:
        """Ask for one JSON object; gives it with the status and the provider's id of the request.

        Raises:
            WarrenError: as for `ask`.
        """
        total = deadline - time() if endpoint.timeout is None else min(deadline - time(), endpoint.timeout)
        request = await self._request(endpoint, path, body, "application/json", {})
        with _told(deadline):
            async with asyncio.timeout(min(total, self._patience.idle)):
                response = await self._client.send(request, stream=True)
                try:
                    answer = await _bounded(response, _ANSWER_SIZE)
                finally:
                    await response.aclose()
        if not 200 <= response.status_code < 300:
            raise endpoint.dialect.refusal(response.status_code, response.headers, answer[:_REFUSAL_SIZE])
        try:
            value = from_json(answer)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise UpstreamError("The provider's answer is no JSON object.")
        return value, response.status_code, response.headers.get("x-request-id")

    async def media(self, url: str) -> tuple[str, bytes]:
        """Media type and bytes of what is at this URL, which came with a request."""
        raise NotImplementedError

    async def _request(
        self, endpoint: Endpoint, path: str, body: Mapping[str, Any], accept: str, more: Mapping[str, str]
    ) -> httpx.Request:
        data = to_json({**body, **endpoint.body})
        url = endpoint.base_url + path
        if endpoint.query:
            url += ("&" if "?" in path else "?") + endpoint.query
        headers = {"content-type": "application/json", "accept": accept, **more, **endpoint.headers}
        headers |= {name: f"{more[name]},{endpoint.headers[name]}" for name in more.keys() & endpoint.headers.keys()}
        if endpoint.credential is not None:
            headers |= await self._authority.headers(endpoint.credential, url, data, headers)
        if len(data) <= _AT_ONCE:
            return self._client.build_request("POST", url, content=data, headers=headers)
        headers["content-length"] = str(len(data))
        return self._client.build_request("POST", url, content=_pieces(data), headers=headers)

    async def _events(
        self, response: httpx.Response, reader: Cutter, timer: asyncio.Timeout, end: float
    ) -> AsyncGenerator[list[sse.Event], None]:
        size = 0
        now = asyncio.get_running_loop().time
        async for piece in response.aiter_raw():
            size += len(piece)
            try:
                events = list(reader.feed(piece))
            except sse.LineTooLong:
                raise UpstreamError("The provider sent a line without an end.") from None
            if size > _ANSWER_SIZE:
                raise UpstreamError("The provider's answer is too long.")
            if events:
                timer.reschedule(min(now() + self._patience.idle, end))
                yield events


@contextmanager
def _told(deadline: float) -> Iterator[None]:
    """Every way in which HTTP can fail, by our names."""
    try:
        yield
    except TimeoutError:
        if time() >= deadline:
            raise DeadlineExceeded("The request took longer than it may.") from None
        raise UpstreamTimeout("The provider took too long to answer.") from None
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        # A kept connection that the server has closed meanwhile: the next try needs no pause.
        closed = isinstance(error.__cause__, aiohttp.ServerDisconnectedError)
        raise UpstreamUnreachable("The provider cannot be reached.", retry_after=0 if closed else None) from None
    except httpx.TimeoutException:
        raise UpstreamTimeout("The provider took too long to answer.") from None
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError):
        raise UpstreamError("The connection to the provider broke.") from None


@asynccontextmanager
async def connect(patience: Patience, connections: int) -> AsyncIterator[Upstream]:
    """An `Upstream` that can make so many calls at once.

    Below httpx it is aiohttp that speaks HTTP: httpx's own pool looks at every connection for every request, which at
    64 of them costs 3.5 ms of CPU a request, against 0.3 ms.
    """

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=30, ssl=httpx.create_ssl_context())
        # For every request, trust_env also looks for a .netrc, in a thread: only where there is a proxy to be used.
        proxied = bool(getproxies())
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=proxied)

    async with httpx.AsyncClient(
        transport=AiohttpTransport(client=session),
        timeout=httpx.Timeout(None, connect=patience.connect),
        headers={"user-agent": f"warren/{warren.__version__}", "accept-encoding": "identity"},
        follow_redirects=False,
    ) as client:
        yield Upstream(client, patience)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    """A large body, so that sending it does not hold up the loop."""
    for at in range(0, len(data), _AT_ONCE):
        yield data[at : at + _AT_ONCE]


async def _bounded(response: httpx.Response, size: int) -> bytes:
    """The beginning of a body: nobody needs more of an error."""
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) >= size:
            break
    return body[:size]


def _without_stream(body: bytes) -> Exception:
    """A 2xx that is no stream: an error in disguise, or a server that cannot stream."""
    if b'"error"' in body:
        try:
            return inside(httpx.Response(200, content=body).json().get("error"))
        except (ValueError, AttributeError):
            pass
    return UpstreamError("The provider answered without a stream.")
