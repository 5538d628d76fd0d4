"""Media that go out as bytes: found wherever a conversation names them, fetched once, and refused by their place."""

import asyncio
from typing import Any

import pytest

from tests.rig.sockets import serving
from warren.errors import InvalidRequest
from warren.outbound import Reach
from warren_worker.dialect import Conversation
from warren_worker.media import inlined
from warren_worker.upstream import Patience, connect

pytestmark = pytest.mark.anyio
BOTH = frozenset({"input_image", "input_file"})
PICTURE = "https://a.example/picture.png"
DATA = "data:image/png;base64,cGljdHVyZQ=="


class Web:
    """What there is to fetch, and what was."""

    def __init__(self, kind: str = "image/png", content: bytes = b"picture") -> None:
        self.kind, self.content = kind, content
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> tuple[str, bytes]:
        self.fetched.append(url)
        await asyncio.sleep(0)
        if "missing" in url:
            raise InvalidRequest("Failed to download the URL: its host answers with status 404.", code="x")
        return self.kind, self.content


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": list(parts)}


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url, **more}


async def items(given: list[Any], web: Web, kinds: frozenset[str] = BOTH, before: int = 0) -> list[Any]:
    conversation = Conversation({"model": "m", "input": given[before:]}, given, "prev", {"a": []})
    made = await inlined(conversation, kinds, web.fetch)
    assert (made.request, made.upstream_previous, made.kept) == (conversation.request, "prev", {"a": []})
    return made.items


async def test_a_picture_becomes_a_data_url_and_the_rest_stays() -> None:
    said = user({"type": "input_text", "text": PICTURE}, image(PICTURE, detail="high"), image(DATA))
    given = [{"role": "user", "content": PICTURE}, said]
    made = await items(given, web := Web())
    assert made[0] == given[0]
    assert made[1]["content"] == [said["content"][0], image(DATA, detail="high"), image(DATA)]
    assert web.fetched == [PICTURE]
    assert said["content"][1]["image_url"] == PICTURE


async def test_each_url_is_fetched_once() -> None:
    given = [user(image(PICTURE), image(PICTURE)), user(image(PICTURE), image(PICTURE + "?2"))]
    await items(given, web := Web())
    assert sorted(web.fetched) == [PICTURE, PICTURE + "?2"]


async def test_a_file_becomes_its_data_with_a_name() -> None:
    web = Web("application/pdf", b"%PDF-")
    part = {"type": "input_file", "file_url": "https://a.example/b/r%C3%A9sum%C3%A9.pdf?x=1"}
    (named, unnamed) = (await items([user({**part, "filename": "x.pdf"}, part)], web))[0]["content"]
    data = "data:application/pdf;base64,JVBERi0="
    assert named == {"type": "input_file", "file_data": data, "filename": "x.pdf"}
    assert unnamed == {"type": "input_file", "file_data": data, "filename": "résumé.pdf"}


async def test_what_tools_gave_back_is_searched_too() -> None:
    given = [
        {"type": "function_call_output", "call_id": "c", "output": [image(PICTURE)]},
        {
            "type": "computer_call_output",
            "call_id": "c",
            "output": {"type": "computer_screenshot", "image_url": PICTURE},
        },
        {"type": "code_interpreter_call", "outputs": [{"type": "logs"}, {"type": "image", "url": PICTURE}]},
    ]
    made = await items(given, Web())
    assert made[0]["output"] == [image(DATA)]
    assert made[1]["output"] == {"type": "computer_screenshot", "image_url": DATA}
    assert made[2]["outputs"][1] == {"type": "image", "url": DATA}


async def test_only_the_kinds_that_are_wanted_and_only_http_are_fetched() -> None:
    given = [user(image("gs://bucket/a"), {"type": "input_file", "file_url": PICTURE}, image("s3://a/b"))]
    assert await items(given, web := Web(), frozenset({"input_image"})) == given
    assert await items(given, web, frozenset()) == given
    assert web.fetched == []


@pytest.mark.parametrize(
    ("given", "before", "param", "code"),
    [
        (
            [user({"type": "input_text", "text": "x"}, image("https://missing.example/"))],
            0,
            "input[0].content[1].image_url",
            "failed_to_download_image",
        ),
        (
            [user({"type": "input_file", "file_url": "https://missing.example/"})],
            0,
            "input[0].content[0].file_url",
            "failed_to_download_file",
        ),
        (
            [{"type": "function_call_output", "call_id": "c", "output": [image("https://missing.example/")]}],
            0,
            "input[0].output[0].image_url",
            "failed_to_download_image",
        ),
        (
            [user(image("https://missing.example/")), user(image(PICTURE))],
            1,
            "previous_response_id.content[0].image_url",
            "failed_to_download_image",
        ),
    ],
)
async def test_what_cannot_be_fetched_is_refused_by_its_place(
    given: list[Any], before: int, param: str, code: str
) -> None:
    with pytest.raises(InvalidRequest, match="status 404") as refused:
        await items(given, Web(), before=before)
    assert (refused.value.param, refused.value.code, refused.value.status) == (param, code, 400)


async def test_a_picture_must_be_one() -> None:
    with pytest.raises(InvalidRequest, match="no picture") as refused:
        await items([user(image(PICTURE))], Web("text/html"))
    assert refused.value.param == "input[0].content[0].image_url"


async def test_there_may_be_so_many_and_so_much() -> None:
    with pytest.raises(InvalidRequest, match="too many"):
        await items([user(*(image(f"{PICTURE}?{at}") for at in range(51)))], web := Web())
    assert web.fetched == []
    with pytest.raises(InvalidRequest, match="64 MB"):
        await items([user(*(image(f"{PICTURE}?{at}") for at in range(9)))], Web(content=bytes(9_000_000)))


async def test_odd_content_is_left_to_who_reads_it() -> None:
    given = [user(*([None, 1, {}, image(None)])), {"role": "user", "content": None}, {"output": 7, "type": "x"}]  # type: ignore[arg-type]
    assert await items(given, Web()) == given


async def test_a_worker_fetches_only_where_it_may() -> None:
    async def picture(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 8\r\n\r\n\x89PNG\r\n\x1a\n")

    async with serving(picture) as port:
        given = Conversation({"input": "x"}, [user(image(f"http://127.0.0.1:{port}/secret"))])
        async with connect(Patience(), 1, Reach.of(["127.0.0.1"])) as upstream:
            made = await inlined(given, BOTH, upstream.media)
            assert made.items[0]["content"][0]["image_url"] == "data:image/png;base64,iVBORw0KGgo="
        async with connect(Patience(), 1) as upstream:
            with pytest.raises(InvalidRequest):
                await inlined(given, BOTH, upstream.media)
