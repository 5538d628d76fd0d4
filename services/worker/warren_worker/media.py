"""Media that a provider takes as bytes only: what a conversation names by URL is fetched, and made data URLs."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from posixpath import basename
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker.asked.dialogue import placed
from warren_worker.dialect import Conversation

Fetch = Callable[[str], Awaitable[tuple[str, bytes]]]
"""Gives the media type and the bytes of what is at a URL; an InvalidRequest says why it cannot."""

_MOST = 50
"""Different URLs of one conversation."""
_LARGEST = 64 * 1024 * 1024
"""Bytes of all of them."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A URL in a conversation: `part[key]`."""

    part: Item
    key: str
    path: str
    kind: Literal["input_image", "input_file"]

    @property
    def url(self) -> str:
        return str(self.part[self.key])


async def inlined(
    conversation: Conversation,
    kinds: frozenset[str],
    fetch: Fetch,
    reached: Callable[[str], bool] | None = None,
) -> Conversation:
    """The conversation with parts of these types in it as bytes.

    Each URL is fetched once. Other schemes than HTTP's are left to the dialect, and what the provider itself has
    `reached`.

    Raises:
        InvalidRequest: something cannot be fetched; `param` is where it stands.
    """
    if not kinds:
        return conversation
    found = [one for item, path in placed(conversation) for one in _in(item, path) if one.kind in kinds]
    if reached is not None:
        found = [one for one in found if not reached(one.url)]
    if not found:
        return conversation
    first = {one.url: one for one in reversed(found)}
    if len(first) > _MOST:
        raise _refused(found[-1], f"More than {_MOST} URLs are too many for this model.")
    got = await _all(first, fetch)
    made = {id(one.part): _with(one, *got[one.url]) for one in found}
    return replace(conversation, items=[_replaced(item, made) for item in conversation.items])


async def _all(first: dict[str, _Found], fetch: Fetch) -> dict[str, tuple[str, bytes]]:
    """What is at each URL. The first failure is the answer, and ends the other fetches."""
    got: dict[str, tuple[str, bytes]] = {}

    async def one(url: str, found: _Found) -> None:
        try:
            media_type, content = await fetch(url)
        except InvalidRequest as refused:
            raise _refused(found, refused.message) from None
        if found.kind == "input_image" and not media_type.startswith("image/"):
            raise _refused(found, "Failed to download the URL: what is there is no picture.")
        got[url] = media_type, content
        if sum(len(content) for _, content in got.values()) > _LARGEST:
            raise _refused(found, f"What the URLs hold is more than {_LARGEST >> 20} MB together.")

    try:
        async with asyncio.TaskGroup() as group:
            for url, found in first.items():
                group.create_task(one(url, found))
    except* InvalidRequest as refused:
        raise refused.exceptions[0] from None
    return got


def _in(item: Item, path: str) -> Iterator[_Found]:
    """URLs of media in this item."""
    match item:
        case {"content": list(parts)}:
            yield from _of(parts, f"{path}.content")
        case {"output": list(parts)}:
            yield from _of(parts, f"{path}.output")
        case {"output": {"type": "computer_screenshot"} as part}:
            yield from _at(part, "image_url", f"{path}.output", "input_image")
        case {"type": "code_interpreter_call", "outputs": list(parts)}:
            for at, part in enumerate(parts):
                if isinstance(part, dict) and part.get("type") == "image":
                    yield from _at(part, "url", f"{path}.outputs[{at}]", "input_image")


def _of(parts: list[Any], path: str) -> Iterator[_Found]:
    for at, part in enumerate(parts):
        match part:
            case {"type": "input_image"}:
                yield from _at(part, "image_url", f"{path}[{at}]", "input_image")
            case {"type": "input_file"}:
                yield from _at(part, "file_url", f"{path}[{at}]", "input_file")


def _at(part: Item, key: str, path: str, kind: Literal["input_image", "input_file"]) -> Iterator[_Found]:
    url = part.get(key)
    if isinstance(url, str) and url[:8].lower().startswith(("http://", "https://")):
        yield _Found(part, key, f"{path}.{key}", kind)


def _with(found: _Found, media_type: str, content: bytes) -> Item:
    """The part with its bytes in it."""
    data = f"data:{media_type};base64,{b64encode(content).decode()}"
    if found.kind == "input_image":
        return {**found.part, found.key: data}
    name = found.part.get("filename") or basename(unquote(urlsplit(found.url).path)) or "file"
    rest = {key: value for key, value in found.part.items() if key != found.key}
    return {**rest, "file_data": data, "filename": name}


def _replaced(item: Item, made: dict[int, Item]) -> Item:
    """The item with these of its parts changed."""
    changed = {
        key: [made.get(id(part), part) for part in value] if isinstance(value, list) else made.get(id(value), value)
        for key, value in item.items()
        if key in {"content", "output", "outputs"}
    }
    return {**item, **changed}


def _refused(found: _Found, why: str) -> InvalidRequest:
    what = "image" if found.kind == "input_image" else "file"
    return InvalidRequest(why, param=found.path, code=f"failed_to_download_{what}")
