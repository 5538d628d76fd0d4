"""Calls to providers that misbehave, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic, time

import httpx
import pytest

from tests.rig.rabbitmq import free_ports
from tests.rig.sockets import serving
from warren import sse
from warren.errors import (
    DeadlineExceeded,
    UpstreamAuth,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnreachable,
    WarrenError,
)
from warren_worker.auth import Authority
from warren_worker.auth.kept import Kept
from warren_worker.credentials import ClientCredentials
from warren_worker.dialect import Call
from warren_worker.dialects.chat import Chat
from warren_worker.provider import Endpoint
from warren_worker.upstream import Patience, Upstream, connect

pytestmark = pytest.mark.anyio
Script = Callable[[asyncio.StreamWriter], Awaitable[None]]
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
CALL = Call("/chat/completions", {"model": "m"})


def endpoint(url: str, **more: float) -> Endpoint:
    return Endpoint("d", "openai", "m", url, Chat(), remembers=False, headers={"authorization": "Bearer k"}, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[str]:
    """A server that reads one request on each connection and then does as told."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await script(writer)

    async with serving(answer) as port:
        yield f"http://127.0.0.1:{port}"


async def ask(url: str, patience: Patience, *, seconds: float = 30, **more: float) -> list[sse.Event]:
    async with connect(patience, 4) as upstream, upstream.ask(endpoint(url, **more), CALL, time() + seconds) as answer:
        return [event for batch in [batch async for batch in answer] for event in batch]


async def fails(url: str, patience: Patience, **more: float) -> WarrenError:
    began = monotonic()
    with pytest.raises(WarrenError) as failed:
        await ask(url, patience, **more)
    assert monotonic() - began < 3
    return failed.value


QUICK = Patience(connect=0.5, first_event=0.4, idle=0.4)


async def test_nobody_there_is_unreachable() -> None:
    (port,) = free_ports(1)
    assert type(await fails(f"http://127.0.0.1:{port}", QUICK)) is UpstreamUnreachable


async def test_silence_is_a_timeout() -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async with server(silent) as url:
        assert type(await fails(url, QUICK)) is UpstreamTimeout


async def test_headers_without_events_are_a_timeout() -> None:
    async def headers(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await asyncio.sleep(5)

    async with server(headers) as url:
        assert type(await fails(url, QUICK)) is UpstreamTimeout


@pytest.mark.parametrize("before", [b"", b"data: {}\n\n"])
async def test_comments_do_not_count_as_events(before: bytes) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + before)
        for _ in range(100):
            writer.write(b": still here\n")
            await asyncio.sleep(0.05)

    async with server(drip) as url:
        assert type(await fails(url, QUICK)) is UpstreamTimeout


async def test_slow_events_are_waited_for_until_the_deadline() -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for _ in range(100):
            writer.write(b"data: {}\n\n")
            await asyncio.sleep(0.1)

    async with server(slow) as url:
        assert type(await fails(url, QUICK, seconds=1.2)) is DeadlineExceeded
        assert type(await fails(url, QUICK, timeout=1.0)) is UpstreamTimeout


async def test_a_line_without_an_end_is_refused() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for _ in range(100):
            writer.write(b"x" * 100_000)
            await writer.drain()

    async with server(endless) as url:
        assert type(await fails(url, Patience())) is UpstreamError


async def test_an_error_that_pretends_to_be_an_answer_is_an_error() -> None:
    body = b'{"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}'

    async def disguised(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))

    async with server(disguised) as url:
        assert type(await fails(url, QUICK)) is UpstreamRateLimited


async def test_a_page_of_html_is_not_passed_on() -> None:
    async def html(writer: asyncio.StreamWriter) -> None:
        page = b"<html>internal-host-7 failed</html>"
        writer.write(b"HTTP/1.1 503 Unavailable\r\ncontent-type: text/html\r\nretry-after: 7\r\nconnection: close\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(page), page))

    async with server(html) as url:
        error = await fails(url, QUICK)
    assert (type(error), error.retry_after) == (UpstreamError, 7)
    assert "internal-host" not in error.message


@pytest.mark.parametrize(
    "garbage", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n"]
)
async def test_what_is_not_http_is_an_upstream_error(garbage: bytes) -> None:
    async def nonsense(writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)

    async with server(nonsense) as url:
        assert isinstance(await fails(url, QUICK), UpstreamError)


async def test_a_redirect_is_not_followed() -> None:
    reached = False

    async def elsewhere(writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached = True
        writer.write(STREAM)

    async with server(elsewhere) as target:

        async def redirect(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: %b\r\n" % target.encode())
            writer.write(b"content-length: 0\r\nconnection: close\r\n\r\n")

        async with server(redirect) as url:
            assert isinstance(await fails(url, QUICK), UpstreamError)
    assert not reached


async def test_a_kept_connection_that_was_closed_is_tried_again_at_once() -> None:
    error = UpstreamUnreachable("x")

    async def hang_up(_: asyncio.StreamWriter) -> None:
        return

    async with server(hang_up) as url:
        error = await fails(url, QUICK)  # type: ignore[assignment]
    assert isinstance(error, UpstreamUnreachable)
    assert error.retry_after == 0


async def test_events_come_as_they_are_however_they_are_cut() -> None:
    wire = "".join(f"data: {number} \u2028\r\n\r\n" for number in range(50)).encode()

    async def sliced(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for at in range(len(wire)):
            writer.write(wire[at : at + 1])
            await writer.drain()

    async with server(sliced) as url:
        events = await ask(url, Patience())
    assert [event.data.decode() for event in events] == [f"{number} \u2028" for number in range(50)]


def answer(content: bytes, status: str = "200 OK", kind: str = "text/event-stream", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n{more}"
    return head.encode() + b"\r\n" + content


@asynccontextmanager
async def listening(*answers: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that gives these answers, the last one for ever, and keeps the heads of what it was asked."""
    heads: list[str] = []

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answers[min(len(heads), len(answers)) - 1])

    async with serving(say) as port:
        yield f"http://127.0.0.1:{port}", heads


def headers(head: str) -> dict[str, str]:
    return dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)


GOOD = answer(b"data: {}\n\n")


@pytest.mark.parametrize(
    "path",
    [
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x-v1%3A0/converse",
        "/v1/models/x:streamGenerateContent?alt=sse",
        "/a%20b/%C3%A9?q=a%2Fb%3Ac&r=1+1",
    ],
)
async def test_a_path_goes_out_to_the_letter_as_it_may_be_signed(path: str) -> None:
    async with (
        listening(GOOD) as (url, heads),
        connect(QUICK, 1) as upstream,
        upstream.ask(endpoint(url), Call(path, {}), time() + 20) as said,
    ):
        assert [event async for batch in said for event in batch]
    assert heads[0].startswith(f"POST {path} HTTP/1.1\r\n")


async def test_what_call_and_deployment_say_both_is_joined() -> None:
    there = replace(
        endpoint(""), headers={"x-beta": "b", "x-api-key": "k"}, query="api-version=1", body={"n": {"b": 2}}
    )
    async with listening(GOOD) as (url, heads), connect(QUICK, 1) as upstream:
        call = Call("/talk?alt=sse", {"n": {"a": 1}}, headers={"x-beta": "a", "x-more": "m"})
        async with upstream.ask(replace(there, base_url=url), call, time() + 20) as said:
            assert [event async for batch in said for event in batch]
    assert heads[0].startswith("POST /talk?alt=sse&api-version=1 HTTP/1.1")
    sent = headers(heads[0])
    assert (sent["x-beta"], sent["x-api-key"], sent["x-more"]) == ("a,b", "k", "m")
    assert (sent["accept"], sent["content-length"]) == ("text/event-stream", str(len('{"n":{"a":1,"b":2}}')))


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("x-request-id: a\r\nrequest-id: b\r\n", "a"),
        ("request-id: req_1\r\n", "req_1"),
        ("X-Amzn-RequestId: 7-8\r\n", "7-8"),
        ("apim-request-id: c\r\n", "c"),
        ("cf-ray: d\r\n", None),
        ("x-request-id: " + "x" * 500 + "\r\n", None),
        ("x-request-id: \xff\r\n", None),
    ],
)
async def test_a_request_has_the_name_that_its_provider_gave_it(given: str, known: str | None) -> None:
    good = answer(b"data: {}\n\n", more=given)
    whole = answer(b'{"a": 1}', kind="application/json", more=given)
    busy = answer(b"{}", "429 Slow", kind="application/json", more=given)
    saw = Saw()
    async with listening(good, whole, busy) as (url, heads), connect(QUICK, 1) as upstream:
        async with upstream.ask(endpoint(url), CALL, time() + 20, saw):
            pass
        assert await upstream.fetch(endpoint(url), "/x", {}, time() + 20, witness=saw) == {"a": 1}
        with pytest.raises(UpstreamRateLimited):
            await upstream.fetch(endpoint(url), "/x", {}, time() + 20, witness=saw)
    assert saw.heard_of == ["sending", (200, known), "sending", (200, known), "sending", (429, known)]
    assert all(headers(head)["x-client-request-id"] == "att_1.1" for head in heads)


class Saw:
    """A witness of a call."""

    call_id = "att_1.1"

    def __init__(self) -> None:
        self.heard_of: list[object] = []

    async def sending(self) -> None:
        self.heard_of.append("sending")

    def heard(self, status: int, request_id: str | None) -> None:
        self.heard_of.append((status, request_id))


async def test_a_call_is_told_of_when_there_is_a_connection_before_anything_is_sent() -> None:
    told: list[object] = []

    class Doubtful(Saw):
        async def sending(self) -> None:
            told.append(len(heads))
            raise asyncio.CancelledError  # the worker dies over telling it

    async with listening(answer(b"data: {}\n\n")) as (url, heads), connect(QUICK, 1) as upstream:
        with pytest.raises(asyncio.CancelledError):
            async with upstream.ask(endpoint(url), CALL, time() + 20, Doubtful()):
                pass
        assert told == [0]
        assert heads == []


async def test_a_call_that_cannot_be_made_is_told_to_nobody() -> None:
    saw = Saw()
    (port,) = free_ports(1)
    async with connect(QUICK, 1) as upstream:
        with pytest.raises(UpstreamUnreachable):
            async with upstream.ask(endpoint(f"http://127.0.0.1:{port}"), CALL, time() + 20, saw):
                pass
    assert saw.heard_of == []


async def test_cookies_are_not_kept() -> None:
    good = answer(b"data: {}\n\n", more="set-cookie: session=1; path=/\r\n")
    async with listening(good) as (url, heads), connect(QUICK, 1) as upstream:
        for _ in range(2):
            async with upstream.ask(endpoint(url), CALL, time() + 20):
                pass
    assert len(heads) == 2
    assert "cookie" not in "".join(heads).lower()


TOKEN = [answer(b'{"access_token": "t%d", "expires_in": 3600}' % number, kind="application/json") for number in (1, 2)]
NO = answer(b"{}", "401 Unauthorized", "application/json")


@asynccontextmanager
async def with_tokens(*answers: bytes) -> AsyncIterator[tuple[Upstream, Endpoint, list[str], list[float]]]:
    """A provider that wants tokens and answers so; what it was asked, and the clock by which tokens grow old."""
    clock = [time()]
    async with (
        listening(*TOKEN) as (tokens, _),
        listening(*answers) as (url, heads),
        connect(QUICK, 1) as upstream,
        httpx.AsyncClient() as client,
    ):
        upstream._authority = Authority(client, Kept(lambda: clock[0]))
        there = replace(endpoint(url), headers={}, credential=ClientCredentials(tokens, "me", "s"))
        yield upstream, there, heads, clock


async def test_a_token_that_has_become_bad_is_renewed_once() -> None:
    async with with_tokens(GOOD, NO, GOOD) as (upstream, there, heads, clock):
        for _ in range(2):
            async with upstream.ask(there, CALL, time() + 20) as said:
                assert [event async for batch in said for event in batch]
            clock[0] += 60
    assert [headers(head)["authorization"] for head in heads] == ["bearer t1", "bearer t1", "bearer t2"]


async def test_a_token_that_was_never_good_is_not_renewed_again_and_again() -> None:
    async with with_tokens(NO) as (upstream, there, heads, _):
        with pytest.raises(UpstreamAuth):
            async with upstream.ask(there, CALL, time() + 20):
                pass
    assert len(heads) == 1
