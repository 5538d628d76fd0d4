"""How what is followed is written: whole, or visibly not to its end; and to nobody who has left."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import Response

from warren.contracts import Head
from warren.errors import LedgerUnavailable
from warren_gateway.answering import Following, followed
from warren_gateway.tail import Piece

pytestmark = pytest.mark.anyio

HEAD = Head(status=200, worker="w", deployment="d1", tries=2)


class Client:
    """The other side of a connection."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self.left = asyncio.Event()
        self.read = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.body += message["body"]
        self.complete = not message.get("more_body", False)
        self.read.set()

    @property
    def request(self) -> Request:
        return Request({"type": "http", "method": "POST", "headers": []}, self.receive)

    async def take(self, response: Response) -> None:
        await response({"type": "http"}, self.receive, self.send)


class Log:
    """Pieces, and what became of whoever wrote them."""

    def __init__(self, *pieces: Piece, then: BaseException | None = None, forever: bool = False) -> None:
        self.closed = False
        self._pieces = pieces
        self._then = then
        self._forever = forever

    async def follow(self) -> AsyncGenerator[Piece]:
        try:
            for piece in self._pieces:
                yield piece
            if self._forever:
                await asyncio.Event().wait()
            if self._then is not None:
                raise self._then
        finally:
            self.closed = True


async def test_a_stream_is_written_to_its_last_piece() -> None:
    client, log = Client(), Log(Piece(b"a"), Piece(b"b", last=True), Piece(b"never"))
    await client.take(Following(log.follow(), {"x-warren-model": "m"}))
    assert (client.status, client.body, client.complete, log.closed) == (200, b"ab", True, True)
    assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert client.headers["x-warren-model"] == "m"


async def test_who_has_left_is_not_written_to() -> None:
    client, log = Client(), Log(Piece(b"a"), forever=True)
    writing = asyncio.create_task(client.take(Following(log.follow(), {})))
    await client.read.wait()
    client.left.set()
    await writing
    assert (client.body, client.complete, log.closed) == (b"a", False, True)


async def test_a_stream_that_cannot_be_followed_to_its_end_is_not_completed() -> None:
    client, log = Client(), Log(Piece(b"a"), then=LedgerUnavailable("gone"))
    await client.take(Following(log.follow(), {}))
    assert (client.body, client.complete) == (b"a", False)


async def test_a_stream_tells_who_answers_before_it_begins() -> None:
    client, log = Client(), Log(Piece(b"a", HEAD), Piece(b"b", last=True))
    await client.take(await followed(client.request, log.follow(), "m", {"idempotent-replayed": "true"}, streams=True))
    assert (client.body, client.complete) == (b"ab", True)
    known = {name: value for name, value in client.headers.items() if name.startswith(("x-", "idem"))}
    assert known == {
        "x-accel-buffering": "no",
        "x-warren-model": "m",
        "x-warren-deployment": "d1",
        "x-warren-attempt": "2",
        "x-warren-retries": "0",
        "x-warren-fallbacks": "0",
        "idempotent-replayed": "true",
    }


@pytest.mark.parametrize("streams", [False, True])
async def test_a_refusal_is_a_plain_error_whatever_was_asked_for(streams: bool) -> None:
    head = Head(status=429, headers={"retry-after": "3"}, worker="w")
    client, log = Client(), Log(Piece(b'{"error":{}}', head, last=True))
    await client.take(await followed(client.request, log.follow(), "m", {}, streams=streams))
    assert (client.status, client.body, client.complete) == (429, b'{"error":{}}', True)
    assert (client.headers["retry-after"], client.headers["content-type"]) == ("3", "application/json")


async def test_a_json_answer_is_its_last_piece() -> None:
    client, log = Client(), Log(Piece(b"", HEAD), Piece(b"{}", HEAD, last=True))
    await client.take(await followed(client.request, log.follow(), "m", {}, streams=False))
    assert (client.status, client.body, client.headers["content-length"]) == (200, b"{}", "2")


@pytest.mark.parametrize("streams", [False, True])
async def test_who_leaves_before_the_answer_leaves_nothing_behind(streams: bool) -> None:
    client, log = Client(), Log(forever=True)
    waiting = asyncio.create_task(followed(client.request, log.follow(), "m", {}, streams=streams))
    await asyncio.sleep(0)
    client.left.set()
    assert (await waiting).status_code == 499
    assert log.closed


@pytest.mark.parametrize("streams", [False, True])
async def test_a_gateway_that_closes_says_where_the_answer_is_to_be_had(streams: bool) -> None:
    with pytest.raises(LedgerUnavailable):
        await followed(Client().request, Log().follow(), "m", {}, streams=streams)


async def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        await followed(Client().request, Log(then=ZeroDivisionError()).follow(), "m", {}, streams=False)
