"""The way to the provider: one HTTP call, its answer cut into events, and every way in which that can fail."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import time
from typing import Any, Protocol

import httpx
from pydantic_core import from_json, to_json

import warren
from warren import sse
from warren.errors import (
    DeadlineExceeded,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
    WarrenError,
)
from warren.objects import Item
from warren.outbound import PUBLIC, Outbound, Reach, no_cookies, outbound
from warren_worker.auth import Authority
from warren_worker.dialect import Call
from warren_worker.fleet import Calling, Nobody
from warren_worker.framing import Cutter, cutter
from warren_worker.media import Fetch
from warren_worker.provider import Endpoint
from warren_worker.refusal import detail, inside, quoting
from warren_worker.transport import SENDING, Pieces, Transport

_REFUSAL_SIZE = 64 * 1024
_ANSWER_SIZE = 64 * 1024 * 1024
_LONGEST_ID = 200
_CALL_ID = "x-client-request-id"
"""Under this OpenAI and others write down what a client calls its request: what is on record here and what they bill
can be laid side by side, also where no answer came."""
_REQUEST_IDS = (
    "x-request-id",
    "request-id",  # Anthropic
    "x-amzn-requestid",
    "apim-request-id",  # Azure
    "x-ms-request-id",
    "mistral-correlation-id",
    "nvcf-reqid",  # NVIDIA
    "x-debug-trace-id",  # Cohere
)
_KNOWN = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)
"""Headers that hold nothing secret."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a provider, in seconds. A job's deadline bounds all of it."""

    connect: float = 10.0
    first_event: float = 300.0
    """From the request to the first event."""
    idle: float = 300.0
    """From one event to the next: bytes that complete no event do not count."""


class Witness(Protocol):
    """Who writes down what becomes of a call."""

    @property
    def call_id(self) -> str:
        """What we call it; the provider is told."""

    async def sending(self) -> None:
        """There is a connection, and the request goes out. It may have to go out again."""

    def heard(self, status: int, request_id: str | None) -> None:
        """The status of the answer, and what the provider calls the request; of a refusal, too."""


class Upstream:
    """One pool of connections for all calls of a process."""

    def __init__(
        self, client: httpx.AsyncClient, patience: Patience, outbound: Outbound, fleet: Calling | None = None
    ) -> None:
        self.fleet = fleet or Nobody()
        """Who has to know of every call."""
        self._client = client
        self._patience = patience
        self._authority = Authority(client)
        self.media: Fetch = outbound.fetch

    @asynccontextmanager
    async def ask(
        self, endpoint: Endpoint, call: Call, deadline: float, witness: Witness | None = None
    ) -> AsyncIterator[AsyncIterator[list[sse.Event]]]:
        """Make this call. The answer's events come in batches, as the network brings them.

        Raises:
            WarrenError: the provider cannot be reached, refuses, is silent for too long or talks nonsense; also
                while the events are read.
        """
        total = deadline - time() if endpoint.timeout is None else min(deadline - time(), endpoint.timeout)
        first = min(total, endpoint.first_event_timeout or self._patience.first_event)
        framing = endpoint.dialect.framing
        loop = asyncio.get_running_loop()
        end = loop.time() + total
        with _told(deadline):
            async with (
                asyncio.timeout_at(loop.time() + first) as timer,
                self._answer(endpoint, call.path, call.body, framing, call.headers, witness) as response,
            ):
                if _media_type(response) not in framing.types:
                    raise _without_stream(await _bounded(response, _REFUSAL_SIZE))
                async with aclosing(self._events(response, cutter(framing), timer, end)) as batches:
                    yield batches

    async def fetch(
        self,
        endpoint: Endpoint,
        path: str,
        body: Mapping[str, Any],
        deadline: float,
        headers: Mapping[str, str] | None = None,
        witness: Witness | None = None,
    ) -> Item:
        """Ask for one JSON object.

        Raises:
            WarrenError: as for `ask`.
        """
        total = deadline - time() if endpoint.timeout is None else min(deadline - time(), endpoint.timeout)
        with _told(deadline):
            async with (
                asyncio.timeout(min(total, self._patience.idle)),
                self._answer(endpoint, path, body, "application/json", headers or {}, witness) as response,
            ):
                answer = await _bounded(response, _ANSWER_SIZE)
        try:
            value = from_json(answer)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise UpstreamError("The provider's answer is no JSON object.")
        return value

    @asynccontextmanager
    async def _answer(
        self,
        endpoint: Endpoint,
        path: str,
        body: Mapping[str, Any],
        accept: str,
        more: Mapping[str, str],
        witness: Witness | None,
    ) -> AsyncIterator[httpx.Response]:
        """A 2xx, of which no byte is read. A token that has become bad is renewed, once."""
        data = to_json(_over(body, endpoint.body))
        request = await self._request(endpoint, path, data, accept, more, witness)
        response = await self._client.send(request, stream=True)
        if response.status_code in (401, 403) and endpoint.credential and self._authority.forget(endpoint.credential):
            await response.aclose()
            request = await self._request(endpoint, path, data, accept, more, witness)
            response = await self._client.send(request, stream=True)
        try:
            if witness is not None:
                witness.heard(response.status_code, _request_id(response))
            if not 200 <= response.status_code < 300:
                said = await _bounded(response, _REFUSAL_SIZE)
                raise endpoint.dialect.refusal(response.status_code, response.headers, said)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise UpstreamError("The provider's answer is compressed, which nobody asked for.")
            yield response
        except WarrenError as error:
            error.message = quoting.without(error.message, _secrets(request.headers))
            raise
        finally:
            await response.aclose()

    async def _request(
        self,
        endpoint: Endpoint,
        path: str,
        data: bytes,
        accept: str,
        more: Mapping[str, str],
        witness: Witness | None,
    ) -> httpx.Request:
        url = endpoint.base_url + path
        if endpoint.query:
            url += ("&" if "?" in path else "?") + endpoint.query
        headers = {"content-type": "application/json", "accept": accept, **more, **endpoint.headers}
        headers |= {name: f"{more[name]},{endpoint.headers[name]}" for name in more.keys() & endpoint.headers.keys()}
        if witness is not None:
            headers.setdefault(_CALL_ID, witness.call_id)
        if endpoint.credential is not None:
            headers |= await self._authority.headers(endpoint.credential, url, data, headers)
        told = {} if witness is None else {SENDING: witness.sending}
        if len(data) <= Pieces.SIZE:
            return self._client.build_request("POST", url, content=data, headers=headers, extensions=told)
        headers["content-length"] = str(len(data))
        return self._client.build_request("POST", url, content=Pieces(data), headers=headers, extensions=told)

    async def _events(
        self, response: httpx.Response, reader: Cutter, timer: asyncio.Timeout, end: float
    ) -> AsyncGenerator[list[sse.Event], None]:
        size = 0
        now = asyncio.get_running_loop().time
        async for piece in response.aiter_raw():
            size += len(piece)
            if size > _ANSWER_SIZE:
                raise UpstreamError("The provider's answer is too long.")
            try:
                events = list(reader.feed(piece))
            except sse.LineTooLong:
                raise UpstreamError("The provider sent an event without an end.") from None
            except ValueError:
                raise UpstreamError("The provider sent what is no event.") from None
            if events:
                timer.reschedule(min(now() + self._patience.idle, end))
                yield events
        if events := list(reader.end()):
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
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise UpstreamUnreachable("The provider cannot be reached.") from None
    except httpx.RemoteProtocolError:
        # It hung up without a word: the next try needs no pause.
        raise UpstreamUnreachable("The provider hung up.", retry_after=0) from None
    except httpx.TimeoutException:
        raise UpstreamTimeout("The provider took too long to answer.") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise UpstreamError("The connection to the provider broke.") from None


@asynccontextmanager
async def connect(
    patience: Patience, connections: int, reach: Reach = PUBLIC, fleet: Calling | None = None
) -> AsyncIterator[Upstream]:
    """An `Upstream` that can make so many calls at once."""
    client = httpx.AsyncClient(
        transport=Transport(connections),
        cookies=no_cookies(),
        timeout=httpx.Timeout(None, connect=patience.connect),
        headers={"user-agent": f"warren/{warren.__version__}", "accept-encoding": "identity"},
        follow_redirects=False,
    )
    async with client, outbound(reach) as fetcher:
        yield Upstream(client, patience, fetcher, fleet)


def _over(body: Mapping[str, Any], more: Mapping[str, Any]) -> Item:
    """More over the body, one level deep: `options` and their like are added to, not replaced."""
    merged = dict(body)
    for name, value in more.items():
        inner = body.get(name)
        merged[name] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


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
    said = detail(body)
    if b'"error"' in body and said:
        return inside(said)
    return UpstreamError("The provider answered without a stream.")


def _secrets(headers: Mapping[str, str]) -> Iterator[str]:
    """What a request is signed with, and all else that is sent to nobody but this provider."""
    for name, value in headers.items():
        if name not in _KNOWN:
            yield value.rpartition(" ")[2]


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _request_id(response: httpx.Response) -> str | None:
    """What the provider calls this request, if that can be written down."""
    found = next((response.headers[name] for name in _REQUEST_IDS if name in response.headers), None)
    return found if found and len(found) <= _LONGEST_ID and found.isascii() and found.isprintable() else None
