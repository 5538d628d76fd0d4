"""HTTP to a gateway, by httpx: the only place of the SDK that opens connections."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import httpx
from pydantic_core import PydanticSerializationError, to_json

from warren.client.calls import Call
from warren.exceptions import APIConnectionError, BadRequestError, Timeout

PATIENCE = 630.0
"""Seconds without a byte after which an answer is given up; a gateway ends a request after 600, by default."""
_GRACE = 10.0
"""Seconds more than its caller's `timeout`: the gateway knows of that, and says so itself."""
_CONNECT = 10.0
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30)


class Place(NamedTuple):
    """A gateway."""

    url: str
    key: str | None
    inside: bool = False
    """It is a part of this process."""


class Answer(NamedTuple):
    """One that is there to its end."""

    place: Place
    response: httpx.Response
    body: bytes


class _Wire:
    """What both kinds have in common."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout or PATIENCE

    def _request(self, place: Place, call: Call) -> dict[str, Any]:
        headers = {"accept-encoding": "identity", "user-agent": "warren-python"}
        if place.key is not None:
            headers["authorization"] = f"Bearer {place.key}"
        content = None
        if call.body is not None:
            headers["content-type"] = "application/json"
            try:
                content = to_json(call.body)
            except (PydanticSerializationError, ValueError) as error:
                raise BadRequestError(f"The request is no JSON: {error}") from None
        wait = self._timeout if call.timeout is None else call.timeout + _GRACE
        return {
            "method": call.method,
            "url": place.url.rstrip("/") + call.path,
            "params": call.query or None,
            "headers": headers,
            "content": content,
            "timeout": httpx.Timeout(wait, connect=min(wait, _CONNECT)),
        }


def _options(place: Place) -> dict[str, Any]:
    """No proxy stands between a process and itself."""
    return {"limits": _LIMITS, "trust_env": not place.inside, "verify": not place.inside}


def failed(error: httpx.HTTPError | httpx.InvalidURL, place: Place) -> APIConnectionError:
    if isinstance(error, httpx.TimeoutException):
        return Timeout(f"{place.url} did not answer in time ({type(error).__name__}).")
    return APIConnectionError(f"{place.url} cannot be reached: {str(error) or type(error).__name__}")


class Wire(_Wire):
    """For threads that may block; any number of them share it."""

    def __init__(self, timeout: float | None = None) -> None:
        super().__init__(timeout)
        self._process = os.getpid()
        self._clients: dict[bool, httpx.Client] = {}

    def send(self, place: Place, call: Call) -> Answer:
        return self.rest(self.open(place, call))

    def rest(self, opened: "Opened") -> Answer:
        """What there is to read of it."""
        try:
            body = opened.response.read()
        except httpx.HTTPError as error:
            raise failed(error, opened.place) from error
        finally:
            opened.close()
        return Answer(opened.place, opened.response, body)

    def open(self, place: Place, call: Call) -> "Opened":
        """The beginning of an answer; whoever opens it closes it."""
        asked = self._request(place, call)
        timeout = asked.pop("timeout")
        client = self._client(place)
        try:
            return Opened(place, client.send(client.build_request(**asked, timeout=timeout), stream=True))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failed(error, place) from error

    def close(self) -> None:
        while self._clients:
            self._clients.popitem()[1].close()

    def _client(self, place: Place) -> httpx.Client:
        if self._process != os.getpid():  # connections stay with the process that this one was forked from
            self._process, self._clients = os.getpid(), {}
        if (client := self._clients.get(place.inside)) is None:
            client = self._clients.setdefault(place.inside, httpx.Client(**_options(place)))
        return client


class Opened(NamedTuple):
    place: Place
    response: httpx.Response

    def pieces(self) -> Iterator[bytes]:
        try:
            yield from self.response.iter_raw()
        except httpx.HTTPError as error:
            raise failed(error, self.place) from error

    def close(self) -> None:
        self.response.close()


class Pool:
    """Connections of one loop."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self.watch = _until_shutdown(self)

    def client(self, place: Place) -> httpx.AsyncClient:
        if (client := self._clients.get(place.inside)) is None:
            client = self._clients[place.inside] = httpx.AsyncClient(**_options(place))
        return client

    async def close(self) -> None:
        while self._clients:
            await self._clients.popitem()[1].aclose()


class AsyncWire(_Wire):
    """For event loops: each that uses it has connections of its own, closed when the loop shuts down."""

    def __init__(self, timeout: float | None = None) -> None:
        super().__init__(timeout)
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()

    async def send(self, place: Place, call: Call) -> Answer:
        return await self.rest(await self.open(place, call))

    async def rest(self, opened: "AsyncOpened") -> Answer:
        """What there is to read of it."""
        try:
            body = await opened.response.aread()
        except httpx.HTTPError as error:
            raise failed(error, opened.place) from error
        finally:
            await opened.close()
        return Answer(opened.place, opened.response, body)

    async def open(self, place: Place, call: Call) -> "AsyncOpened":
        """The beginning of an answer; whoever opens it closes it."""
        asked = self._request(place, call)
        timeout = asked.pop("timeout")
        client = await self._client(place)
        try:
            return AsyncOpened(place, await client.send(client.build_request(**asked, timeout=timeout), stream=True))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failed(error, place) from error

    async def close(self) -> None:
        """Close the connections of the running loop."""
        if (pool := self._pools.pop(asyncio.get_running_loop(), None)) is not None:
            await pool.watch.aclose()

    async def _client(self, place: Place) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if (pool := self._pools.get(loop)) is None:
            pool = self._pools[loop] = Pool()
            await anext(pool.watch)
        return pool.client(place)


async def _until_shutdown(clients: "Pool") -> AsyncGenerator[None]:
    """Waits for the end of the loop that it was begun in, which closes its asynchronous generators, and closes clients.

    `asyncio.run`, and whatever else takes care of its loop, does that; without it connections would be left open.
    """
    try:
        yield
    finally:
        await clients.close()


class AsyncOpened(NamedTuple):
    place: Place
    response: httpx.Response

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self.response.aiter_raw():
                yield piece
        except httpx.HTTPError as error:
            raise failed(error, self.place) from error

    async def close(self) -> None:
        await self.response.aclose()
