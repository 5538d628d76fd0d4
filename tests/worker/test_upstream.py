"""Calls to providers that misbehave, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic, time

import pytest

from tests.rig.rabbitmq import free_ports
from warren import sse
from warren.errors import (
    DeadlineExceeded,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnreachable,
    WarrenError,
)
from warren_worker.dialect import Call
from warren_worker.dialects.chat import Chat
from warren_worker.provider import Endpoint
from warren_worker.upstream import Patience, connect

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
        try:
            await reader.readuntil(b"\r\n\r\n")
            await script(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    serving = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    finally:
        serving.close()


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
