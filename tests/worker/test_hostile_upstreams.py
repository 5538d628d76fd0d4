"""Providers that lie, stall, flood and break off: whatever they do, there is one clean end, and it is soon there.

A server that does exactly so much wrong, a small dialect for each framing, and the way of a call from the socket to the
assembler between them.
"""

import asyncio
import resource
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any
from zlib import compressobj, crc32

import pytest
from pydantic_core import from_json, to_json

from tests.rig.legal import check_stream
from tests.rig.rabbitmq import free_ports
from tests.rig.sockets import serving
from tests.rig.tls import certificate
from tests.worker.staging import stage
from tests.worker.telling import REQUEST, assembler, wire
from warren import sse
from warren.errors import (
    DeadlineExceeded,
    UpstreamAuth,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
    WarrenError,
)
from warren_worker.dialect import Call, Conversation, Delta, Stop, Text, used
from warren_worker.exchange import Calls
from warren_worker.framing import LIMIT, Framing
from warren_worker.parameters import Treatment
from warren_worker.provider import Endpoint
from warren_worker.refusal import inside, refusal
from warren_worker.upstream import Patience, connect

pytestmark = pytest.mark.anyio
FRAMINGS = list(Framing)
QUICK = Patience(connect=0.5, first_event=0.5, idle=0.5)
"""Where silence is what is tried; elsewhere a busy machine must not make one."""
CALM = Patience(connect=10, first_event=10, idle=10)
Say = Callable[[asyncio.StreamWriter], Awaitable[None]]
Json = dict[str, Any]


@dataclass(frozen=True)
class Plain:
    """`{"text"}`, `{"used"}`, `{"error"}` and `{"stop"}`, in whatever framing."""

    framing: Framing
    parameters: Mapping[str, Treatment] = field(default_factory=dict)
    inlines: frozenset[str] = frozenset()
    compacts: bool = False

    def call(self, conversation: Conversation, model: str) -> Call:
        return Call("/talk", {"model": model})

    def reader(self, _: Conversation) -> "PlainReader":
        return PlainReader()

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
        return refusal(status, headers, body)


class PlainReader:
    def feed(self, event: sse.Event) -> Iterable[Delta]:
        try:
            said = from_json(event.data)
        except ValueError:
            raise UpstreamError("The provider sent an event that is no part of an answer.") from None
        match said:
            case {"error": error}:
                raise inside(error)
            case {"text": str(text)}:
                yield Text(text)
            case {"used": [read, written]}:
                yield from used(read, 0, 0, written, 0)
            case {"stop": True}:
                yield Stop()


def framed(framing: Framing, *events: Json | bytes) -> bytes:
    """Events in this framing; bytes are an event's data as it stands."""
    datas = [event if isinstance(event, bytes) else to_json(event) for event in events]
    match framing:
        case Framing.SSE:
            return b"".join(b"data: %b\n\n" % data for data in datas)
        case Framing.LINES:
            return b"".join(b"%b\n" % data for data in datas)
        case Framing.EVENTSTREAM:
            return b"".join(map(frame, datas))


def frame(payload: bytes) -> bytes:
    headers = b"\x0b:event-type\x07\x00\x01x"
    head = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = head + struct.pack("!I", crc32(head)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def head(framing: Framing | str, status: str = "200 OK", more: str = "") -> bytes:
    kind = framing.value if isinstance(framing, Framing) else framing
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n{more}\r\n".encode()


HELLO: Json = {"text": "hello "}
WORLD: Json = {"text": "world"}
USED: Json = {"used": [7, 2]}
STOP: Json = {"stop": True}


@asynccontextmanager
async def server(*says: Say | bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Says this on the first connection, that on the second …, and the last on all others. Gives its URL and what it
    was asked.
    """
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        say = says[min(len(asked), len(says) - 1)]
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if isinstance(say, bytes):
            writer.write(say)
        else:
            await say(writer)

    async with serving(answer) as port:
        yield f"http://127.0.0.1:{port}", asked


@dataclass
class Ran:
    error: WarrenError | None
    final: Json
    calls: list[Any]
    asked: list[bytes]

    @property
    def text(self) -> str:
        return "".join(part["text"] for item in self.final["output"] for part in item["content"])


async def ran(
    framing: Framing, *says: Say | bytes, patience: Patience = CALM, seconds: float = 20, url: str = ""
) -> Ran:
    """One call of a provider that does so, to its end. What a client would see of it is legal, whatever came."""
    made = assembler(REQUEST)
    events = wire(made.start())
    error: WarrenError | None = None

    class Told:
        def begin(self) -> None: ...

        def say(self, said: list[Any]) -> None:
            events.extend(wire(said))

        async def caught_up(self) -> None: ...

    async with server(*says) as (there, asked), connect(patience, 4) as upstream:
        calls = Calls(upstream, "att", time() + seconds)
        endpoint = Endpoint("d", "p", "m", url or there, Plain(framing), remembers=False, headers={"x-api-key": "k"})
        async with asyncio.timeout(15):
            try:
                events += wire(await calls.ask(endpoint, Conversation(REQUEST, []), made, Told()))
            except WarrenError as failed:
                error = failed
                events += wire(made.fail(failed))
    final = check_stream(events)
    assert len([event for event in events if event["type"] in {"response.completed", "response.failed"}]) == 1
    return Ran(error, final, calls.made, asked)


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_good_answer_is_read_in_every_framing(framing: Framing) -> None:
    good = await ran(framing, head(framing) + framed(framing, HELLO, WORLD, USED, STOP))
    assert good.error is None
    assert (good.text, good.final["status"], good.final["usage"]["input_tokens"]) == ("hello world", "completed", 7)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("after", ["", "head", "events"])
async def test_silence_is_a_timeout_wherever_it_begins(framing: Framing, after: str) -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        if after:
            writer.write(head(framing) + (framed(framing, HELLO, USED) if after == "events" else b""))
        await asyncio.sleep(5)

    stalled = await ran(framing, silent, patience=QUICK)
    assert type(stalled.error) is UpstreamTimeout
    assert stalled.text == ("hello " if after == "events" else "")
    assert stalled.calls[0].usage_source == ("reported" if after == "events" else "estimated"), "it may have begun"


@pytest.mark.parametrize("drip", [b": still here\n", b"\n", b"\r\n", b"event: ping\n\n", b"id: 1\n\n"])
async def test_bytes_that_are_no_event_do_not_keep_a_call_alive(drip: bytes) -> None:
    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(head(Framing.SSE))
        for _ in range(100):
            writer.write(drip)
            await asyncio.sleep(0.05)

    assert type((await ran(Framing.SSE, dripping, patience=QUICK)).error) is UpstreamTimeout


@pytest.mark.parametrize("framing", [Framing.LINES, Framing.EVENTSTREAM])
async def test_half_an_event_a_byte_at_a_time_does_not_keep_a_call_alive(framing: Framing) -> None:
    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(head(framing))
        for byte in framed(framing, {"text": "x" * 200}):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)

    assert type((await ran(framing, dripping, patience=QUICK)).error) is UpstreamTimeout


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("way", ["fin", "rst", "chunked", "short"])
async def test_an_answer_without_its_end_is_never_complete(framing: Framing, way: str) -> None:
    events = framed(framing, HELLO, WORLD)

    async def breaking(writer: asyncio.StreamWriter) -> None:
        match way:
            case "chunked":
                writer.write(head(framing, more="transfer-encoding: chunked\r\n"))
                writer.write(b"%x\r\n%b\r\n" % (len(events), events))
            case "short":
                writer.write(head(framing, more="content-length: 9999\r\n") + events)
            case _:
                writer.write(head(framing) + events)
        await writer.drain()
        await asyncio.sleep(0.05)
        if way == "rst":
            reset(writer)

    broken = await ran(framing, breaking)
    assert isinstance(broken.error, UpstreamTruncated if way == "fin" else UpstreamError)
    assert (broken.text, broken.final["status"]) == ("hello world", "failed")


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    "garbage",
    [b'{"text": "wor', b"garbage", b"\x00\x01\x02\xff", b'{"text": "\xff\xfe"}', b'{"text": "a\x00b"}', b"[" * 5000],
)
async def test_garbage_is_never_passed_on_and_never_a_crash(framing: Framing, garbage: bytes) -> None:
    spoilt = await ran(framing, head(framing) + framed(framing, HELLO, garbage, STOP))
    assert type(spoilt.error) is UpstreamError
    assert spoilt.text == "hello "
    assert "garbage" not in spoilt.error.message


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_event_that_breaks_off_in_the_middle_is_a_truncation(framing: Framing) -> None:
    events = framed(framing, HELLO, {"text": "\u00fc" * 30}, STOP)
    for size in (len(framed(framing, HELLO)) + 9, len(events) - 3):
        broken = await ran(framing, head(framing) + events[:size])
        assert type(broken.error) is UpstreamTruncated, size


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("ascii_only", [True, False])
async def test_odd_characters_come_through_unchanged(framing: Framing, ascii_only: bool) -> None:
    odd = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\u0000h\ufeff\U0001f926\u200d\u2642\ufe0f"
    escaped = "".join(f"\\u{ord(one):04x}" if ord(one) < 0x10000 else one for one in odd)
    data = b'{"text": "%b"}' % escaped.encode() if ascii_only else to_json({"text": odd})
    good = await ran(framing, head(framing) + framed(framing, data, STOP))
    assert good.text == odd


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_event_of_50_mb_is_refused_before_it_is_there(framing: Framing) -> None:
    sent = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        start = frame(b"x" * (LIMIT + 1))[:12] if framing is Framing.EVENTSTREAM else b'data: {"text": "'
        writer.write(head(framing) + start)
        for _ in range(500):
            writer.write(b"x" * 100_000)
            sent += 100_000
            await writer.drain()

    flooded = await ran(framing, flood, patience=Patience())
    assert type(flooded.error) is UpstreamError
    assert sent < 5 * LIMIT


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_answer_without_an_end_has_one(framing: Framing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_worker.upstream._ANSWER_SIZE", 1_000_000)

    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(head(framing))
        while True:
            writer.write(framed(framing, *[{"x": "y" * 1000}] * 50))
            await writer.drain()

    assert type((await ran(framing, flood, patience=Patience())).error) is UpstreamError


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
async def test_a_bomb_is_not_unpacked(status: str) -> None:
    packer = compressobj(9, wbits=31)
    bomb = packer.compress(bytes(200_000_000)) + packer.flush()
    more = f"content-encoding: gzip\r\ncontent-length: {len(bomb)}\r\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bombed = await ran(Framing.SSE, head(Framing.SSE, status, more) + bomb)
    assert isinstance(bombed.error, UpstreamError)
    assert b"accept-encoding: identity" in bombed.asked[0].lower()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


async def test_too_many_headers_are_an_error() -> None:
    flood = "".join(f"x-{at}: {'y' * 1000}\r\n" for at in range(2000))
    assert isinstance((await ran(Framing.SSE, head(Framing.SSE, more=flood))).error, UpstreamError)


@pytest.mark.parametrize(
    ("header", "wait"),
    [("retry-after: 2", 2), ("retry-after: 0", 0), ("retry-after: 99999", 99999), ("retry-after: -1", 0),
     ("retry-after: soon", None), ("retry-after-ms: 250", 0.25), ("retry-after: 1e999", None), ("x: y", None)],
)  # fmt: skip
async def test_how_long_to_wait_is_known_to_who_asks_again(header: str, wait: float | None) -> None:
    limited = await ran(Framing.SSE, head("application/json", "429 Slow", f"{header}\r\n") + b"{}")
    assert type(limited.error) is UpstreamRateLimited
    assert limited.error.retry_after == wait


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_page_of_html_is_no_answer_and_is_not_told(framing: Framing) -> None:
    page = b"<html>internal-host-7</html>"
    for status in ("200 OK", "502 Bad Gateway", "400 Bad Request"):
        failed = await ran(framing, head("text/html", status) + page)
        assert isinstance(failed.error, UpstreamError)
        assert "internal" not in failed.error.message


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_error_inside_a_stream_ends_it(framing: Framing) -> None:
    error = {"error": {"type": "overloaded_error", "message": "internal-host-7"}}
    failed = await ran(framing, head(framing) + framed(framing, HELLO, error, STOP))
    assert type(failed.error) is UpstreamError
    assert (failed.text, failed.final["status"]) == ("hello ", "failed")
    assert "internal" not in failed.error.message


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_a_bad_key_is_ours_and_nobody_hears_of_it(status: str) -> None:
    body = b'{"error": {"message": "bad key sk-hush"}}'
    failed = await ran(Framing.SSE, head("application/json", status) + body)
    assert type(failed.error) is UpstreamAuth
    assert "hush" not in failed.error.message
    assert not failed.error.retry
    assert len(failed.asked) == 1


async def test_a_redirect_is_not_followed_and_takes_no_key_along() -> None:
    reached: list[bytes] = []

    async def elsewhere(writer: asyncio.StreamWriter) -> None:
        reached.append(b"here")

    async with server(elsewhere) as (target, _):
        for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
            moved = head("text/plain", status, f"location: {target}\r\n")
            assert isinstance((await ran(Framing.SSE, moved)).error, UpstreamError)
    assert reached == []


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("said", [[-1, 2], [10**18, 2], ["7", 2], [None, None], [True, 2], [7, -2]])
async def test_nonsense_about_usage_is_replaced_by_an_estimate(framing: Framing, said: list[Any]) -> None:
    good = await ran(framing, head(framing) + framed(framing, HELLO, {"used": said}, STOP))
    assert good.error is None
    assert good.calls[0].usage_source == "estimated"
    assert 0 <= good.final["usage"]["output_tokens"] < 100


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_end_that_is_said_again_and_again_is_one_end(framing: Framing) -> None:
    good = await ran(framing, head(framing) + framed(framing, HELLO, STOP, WORLD, STOP, STOP, USED))
    assert (good.error, good.final["status"], good.text) == (None, "completed", "hello world")
    assert good.final["usage"]["input_tokens"] == 7


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain"])
async def test_an_error_with_status_200_is_an_error(framing: Framing, kind: str) -> None:
    body = b'{"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}'
    assert type((await ran(framing, head(kind) + body)).error) is UpstreamRateLimited


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [1, 7, 65536])
async def test_events_are_the_same_however_the_network_cuts_them(framing: Framing, size: int) -> None:
    whole = head(framing) + framed(framing, HELLO, {"text": "w\u00f6\u2028rld" * 20}, USED, STOP)

    async def sliced(writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(whole), size):
            writer.write(whole[at : at + size])
            await writer.drain()

    assert (await ran(framing, sliced)).text == "hello " + "w\u00f6\u2028rld" * 20


@pytest.mark.parametrize(
    "stream",
    [
        b'\xef\xbb\xbfdata:{"text":"a"}\r\n\r\ndata:{"stop":true}\r\n\r\n',
        b'data: {"text":\rdata: "a"}\r\rdata: {"stop":true}\r\r',
        b': hi\nevent: x\nid: 1\nretry: 5\ndata: {"text":\ndata:"a"}\n\nfoo\n\ndata: {"stop":true}\n\n',
    ],
)
async def test_all_that_the_standard_allows_is_read(stream: bytes) -> None:
    assert (await ran(Framing.SSE, head("Text/Event-Stream;charset=UTF-8") + stream)).text == "a"


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_slow_is_not_silent_until_time_is_up(framing: Framing) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(head(framing))
        while True:
            writer.write(framed(framing, HELLO))
            await asyncio.sleep(0.1)

    late = await ran(framing, slow, patience=QUICK, seconds=1.3)
    assert type(late.error) is DeadlineExceeded
    assert late.text.startswith("hello hello ")


async def test_who_is_not_there_is_unreachable() -> None:
    (port,) = free_ports(1)
    for url in (f"http://127.0.0.1:{port}", "http://nobody.invalid", "https://nobody.invalid"):
        assert type((await ran(Framing.SSE, b"", url=url)).error) is UpstreamUnreachable


async def test_a_certificate_that_is_not_trusted_is_unreachable(tmp_path: Path) -> None:
    async def answer(*_: Any) -> None:
        """Nobody gets here."""

    context, _ = certificate("localhost", tmp_path)
    async with serving(answer, ssl=context) as port:
        assert type((await ran(Framing.SSE, b"", url=f"https://localhost:{port}")).error) is UpstreamUnreachable


@pytest.mark.parametrize("way", ["fin", "rst"])
async def test_a_kept_connection_that_died_costs_nothing(way: str) -> None:
    """The first connection answers once and is dead when it is asked again; the call goes over another."""
    good = framed(Framing.SSE, HELLO, STOP)
    whole = head(Framing.SSE, more=f"content-length: {len(good)}\r\n").replace(b"connection: close\r\n", b"") + good
    connections = 0
    requests = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections, requests
        connections += 1
        mine = connections
        for _ in range(2):
            request = await reader.readuntil(b"\r\n\r\n")
            requests += 1
            length = int(request.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if mine == 1 and requests > 1:
                if way == "rst":
                    reset(writer)
                return
            writer.write(whole)

    async with serving(answer) as port, connect(CALM, 4) as upstream:
        url = f"http://127.0.0.1:{port}"
        endpoint = Endpoint("d", "p", "m", url, Plain(Framing.SSE), remembers=False, headers={})
        for body in ({"model": "m"}, {"model": "m", "long": "x" * 600_000}):
            async with upstream.ask(endpoint, Call("/talk", body), time() + 20) as said:
                events = [event async for batch in said for event in batch]
            assert len(events) == 2
    assert (connections, requests) == (2, 3)


async def test_who_is_asked_to_come_back_much_later_does_not_wait() -> None:
    limited = head("application/json", "429 Slow", "retry-after: 3600\r\ncontent-length: 2\r\n") + b"{}"
    began = monotonic()
    async with server(limited) as (url, asked):
        async with stage("m", params={"api_base": url, "max_retries": 2}) as on:
            outcome = await on.ran(on.job({"model": "m"}))
        assert len(asked) == 1
    assert monotonic() - began < 10
    assert outcome.status == "failed"
    assert on.parts[-1][0].head is not None
    assert on.parts[-1][0].head.status == 429
    assert dict(on.parts[-1][0].head.headers)["retry-after"] == "3600"
