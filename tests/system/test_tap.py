"""The tap that checks every stream of these tests does see one that is not legal."""

import asyncio

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from tests.rig.tap import tapped

STREAMS = {
    "a gap": b'event: response.created\ndata: {"type":"response.created","sequence_number":0}\n\n'
    b'event: response.in_progress\ndata: {"type":"response.in_progress","sequence_number":2}\n\n',
    "an event without its name": b'data: {"type":"response.created","sequence_number":0}\n\n',
    "a rest without an end": b'event: keepalive\ndata: {"type":"keepalive","sequence_number":7}\n\n',
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_an_illegal_stream_is_complained_of(stream: bytes) -> None:
    body = stream + b"data: [DONE]\n\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        writer.write(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        await reader.read()
        writer.close()

    with start_blocking_portal() as portal:
        server = portal.call(asyncio.start_server, answer, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()[1]
        with pytest.raises(AssertionError), tapped(f"http://127.0.0.1:{address}") as url:
            assert httpx.get(url).content == body
        portal.call(server.close)
