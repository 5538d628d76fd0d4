"""Fetching what requests name by URL: only from where anybody may, whatever the URL tries."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.rig.sockets import serving
from tests.rig.tls import certificate
from warren.errors import InvalidRequest
from warren.outbound import PUBLIC, Reach, kind_of, outbound, public

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
HERE = Reach.of(["127.0.0.1", "::1"])
Handler = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def answer(content: bytes, kind: str = "image/png", status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n{more}\r\n"
    return head.encode() + content


@asynccontextmanager
async def server(handler: Handler | bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port of this machine; the handler is given the head of each request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if isinstance(handler, bytes):
            writer.write(handler)
        else:
            await handler(head, writer)

    async with serving(answer, ssl=context) as port:
        yield port


async def fetch(url: str, reach: Reach = HERE, context: ssl.SSLContext | None = None) -> tuple[str, bytes]:
    async with outbound(reach, context) as fetcher:
        return await fetcher.fetch(url)


async def refused(url: str, reach: Reach = HERE) -> str:
    with pytest.raises(InvalidRequest) as error:
        await fetch(url, reach)
    assert (error.value.status, error.value.code) == (400, "failed_to_download")
    return error.value.message


async def test_a_picture_is_fetched() -> None:
    async with server(answer(PNG)) as port:
        assert await fetch(f"http://127.0.0.1:{port}/a.png") == ("image/png", PNG)


@pytest.mark.parametrize(
    "url",
    [
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https:\\\\127.0.0.1/",
        "https://127.0.0.1\\.example.com/",
        "https://exam\tple.com/",
        "https://example.com/a\r\nhost: x",
        "https://example.com/a b",
        "https://ex\u00e4mple.com/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://127\u30020\u30020\u30021/",
        "https://example.com%2f@127.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https:///etc/passwd",
        "https://",
        "https://:443/",
        "https://[::1/",
        "https://example.com:99999/",
        "https://example.com:/:80/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "data:image/png;base64,AAAA",
        "//example.com/",
        "",
        " https://example.com/",
        "https://example.com/" + "x" * 10_000,
    ],
)
async def test_a_url_that_readers_may_read_differently_is_refused(url: str) -> None:
    assert "URL" in await refused(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "10.0.0.1",
        "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[::127.0.0.1]",
        "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::1]", "[2001::1]", "[2001:db8::1]", "[100::1]",
        "192.0.2.1", "198.18.0.1", "240.0.0.1", "0.1.2.3",
    ],
)  # fmt: skip
async def test_what_is_not_public_is_refused_as_if_it_were_not_there(host: str) -> None:
    assert await refused(f"https://{host}/", PUBLIC) == "Failed to download the URL: its host cannot be reached."


async def test_a_host_that_is_not_there_is_told_in_the_same_words() -> None:
    assert await refused("https://nobody.invalid/", PUBLIC) == "Failed to download the URL: its host cannot be reached."


@pytest.mark.parametrize("url", ["http://1.1.1.1/", "https://1.1.1.1:8443/", "https://1.1.1.1:22/"])
async def test_in_public_only_https_on_its_usual_ports_will_do(url: str) -> None:
    assert "https://" in await refused(url, PUBLIC)


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("1.1.1.1", True), ("2606:4700:4700::1111", True), ("::ffff:1.1.1.1", True), ("64:ff9b::101:101", True),
        ("2002:101:101::1", True), ("2002:a00:1::1", False), ("64:ff9b::a00:1", False), ("::ffff:10.0.0.1", False),
        ("224.0.0.1", False), ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False), ("::1.1.1.1", False),
        ("fe80::1", False), ("169.254.169.254", False), ("fd00:ec2::254", False),
    ],
)  # fmt: skip
def test_addresses_are_judged_by_where_they_lead(address: str, is_public: bool) -> None:
    assert public(ip_address(address)) is is_public


async def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", ("1.1.1.1", 443)), (0, 0, 0, "", ("10.0.0.1", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    assert "cannot be reached" in await refused("https://example.com/", PUBLIC)


async def test_the_address_that_was_checked_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = 0
    heads = []

    async def rebinding(*_: Any, **__: Any) -> list[Any]:
        nonlocal lookups
        lookups += 1
        return [(0, 0, 0, "", ("127.0.0.1" if lookups == 1 else "127.0.0.2", 0))]

    async def picture(head: str, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(answer(PNG))

    async with server(picture) as port:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebinding)
        assert (await fetch(f"http://pictures.example:{port}/a"))[1] == PNG
    assert lookups == 1
    assert f"host: pictures.example:{port}\r\n" in heads[0].lower()


async def test_the_next_address_is_asked_if_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", ("127.0.0.2", 0)), (0, 0, 0, "", ("127.0.0.1", 0))]

    async with server(answer(PNG)) as port:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
        assert (await fetch(f"http://pictures.example:{port}/a", Reach.of(["127.0.0.0/8"])))[1] == PNG


async def test_the_certificate_must_be_of_the_name_though_an_address_is_asked(tmp_path: Path) -> None:
    serving, asking = certificate("localhost", tmp_path)
    async with server(answer(PNG), serving) as port:
        assert (await fetch(f"https://localhost:{port}/", HERE, asking))[1] == PNG
        with pytest.raises(InvalidRequest, match="cannot be reached"):
            await fetch(f"https://127.0.0.1:{port}/", HERE, asking)


async def test_redirects_are_followed_three_times_and_checked_each_time() -> None:
    async def onwards(head: str, writer: asyncio.StreamWriter) -> None:
        left = int(head.split()[1].rpartition("/")[2])
        location = f"location: {left - 1}\r\n"
        writer.write(answer(b"", status="302 Found", more=location) if left else answer(PNG))

    async with server(onwards) as port:
        assert (await fetch(f"http://127.0.0.1:{port}/3"))[1] == PNG
        assert "redirected too often" in await refused(f"http://127.0.0.1:{port}/4")


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/", "file:///etc/passwd", "https://a@b/", "//10.0.0.1/", "https://[::1]:1/"],
)
async def test_a_redirect_leads_nowhere_that_a_url_could_not(target: str) -> None:
    async with server(answer(b"", status="307 Temporary Redirect", more=f"location: {target}\r\n")) as port:
        await refused(f"http://127.0.0.1:{port}/", Reach.of(["127.0.0.1"]))


async def test_more_than_20_mb_is_not_read() -> None:
    async def endless(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + PNG)
        for _round in range(1000):
            writer.write(bytes(100_000))
            await writer.drain()

    async with server(endless) as port:
        assert "20 MB" in await refused(f"http://127.0.0.1:{port}/")


async def test_who_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren.outbound._SECONDS", 0.4)

    async def drip(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + PNG)
        for _round in range(100):
            writer.write(b"x")
            await asyncio.sleep(0.05)

    began = monotonic()
    async with server(drip) as port:
        assert "too long" in await refused(f"http://127.0.0.1:{port}/")
    assert monotonic() - began < 4


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (answer(PNG, more="content-encoding: gzip\r\n"), "compressed"),
        (answer(PNG, status="404 Not Found"), "status 404"),
        (answer(b"<html>internal page</html>", status="500 Oh"), "status 500"),
        (answer(b"<svg>", "image/png"), "no picture"),
        (answer(b"root:x:0:0", "application/pdf"), "no picture or PDF"),
        (answer(b""), "empty"),
        (b"nonsense\r\n\r\n", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + PNG, "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n", "cannot be reached"),
    ],
)
async def test_what_is_no_good_answer_is_refused_without_its_words(given: bytes, why: str) -> None:
    async with server(given) as port:
        message = await refused(f"http://127.0.0.1:{port}/")
    assert why in message
    assert "internal" not in message
    assert "root" not in message


async def test_nothing_is_remembered_from_one_fetch_to_the_next() -> None:
    heads: list[str] = []

    async def cookies(head: str, writer: asyncio.StreamWriter) -> None:
        heads.append(head.lower())
        writer.write(answer(PNG, more="set-cookie: a=b; path=/\r\n"))

    async with server(cookies) as port, outbound(HERE) as fetcher:
        for _ in range(2):
            await fetcher.fetch(f"http://127.0.0.1:{port}/")
    assert len(heads) == 2
    for head in heads:
        assert "cookie" not in head
        assert "authorization" not in head
        assert "accept-encoding: identity" in head


@pytest.mark.parametrize(
    ("content", "declared", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "application/octet-stream", "image/jpeg"),
        (b"GIF89a", "text/plain", "image/gif"),
        (b"RIFF\x00\x01\x02\x03WEBPVP8", "image/webp", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "", "image/heic"),
        (b"%PDF-1.7", "application/pdf; x=y", "application/pdf"),
        (b"a,b", "text/csv; charset=utf-8", "text/csv"),
        (b"a,b", "", "application/octet-stream"),
        (b"a,b", "text/x\nevil", "application/octet-stream"),
        (b"<svg>", "image/svg+xml", None),
        (b"MZ", "IMAGE/PNG", None),
    ],
)
def test_a_file_is_what_it_begins_like(content: bytes, declared: str, kind: str | None) -> None:
    assert kind_of(content, declared) == kind


async def test_operators_may_open_names_and_networks() -> None:
    reach = Reach.of(["Pictures.Example.", " 10.0.0.0/8", "", "127.0.0.1"])
    assert reach.holds("pictures.example", [ip_address("192.168.0.1")])
    assert reach.holds("other", [ip_address("10.1.2.3"), ip_address("127.0.0.1")])
    assert not reach.holds("other", [ip_address("10.1.2.3"), ip_address("1.1.1.1")])
    async with server(answer(PNG)) as port:
        assert (await fetch(f"http://localhost:{port}/", Reach.of(["localhost"])))[1] == PNG
        await refused(f"http://127.0.0.1:{port}/", Reach.of(["localhost"]))
