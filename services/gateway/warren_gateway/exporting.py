"""All that is kept of an account, a line of JSON each, while it is read: there may be more than fits into memory.

{"object": "export.conversation", "conversation": {…}}
{"object": "export.item", "conversation_id": "conv_…", "item": {…}}
{"object": "export.response", "response": {…}, "input": […]}
{"object": "export.charge", "charge": {…}}
{"object": "export.end", …}                          says how many of each; without it, something is missing
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

from pydantic_core import from_json, to_json

from warren.contracts import (
    ListCharges,
    ListConversations,
    ListInputs,
    ListItems,
    ListResponses,
    Message,
    Page,
)
from warren.errors import WarrenError

Ask = Callable[[Message], Awaitable[Message]]
_AT_ONCE = 100
_DECODER = json.JSONDecoder()


class Line(NamedTuple):
    """What a line is of, and what stands in it, as JSON."""

    what: str
    fields: bytes

    def written(self) -> bytes:
        return b'{"object":"export.' + self.what.encode() + b'",' + self.fields + b"}\n"


async def exported(ask: Ask, account: str) -> AsyncIterator[bytes]:
    """The lines. A failure on the way is the last of them."""
    counts = {"conversations": 0, "items": 0, "responses": 0, "charges": 0}
    try:
        for part in (_conversations, _responses, _charges):
            async for line in part(ask, account):
                counts[f"{line.what}s"] += 1
                yield line.written()
    except WarrenError as error:
        if not any(counts.values()):
            raise
        yield Line("error", to_json(error.body())[1:-1]).written()
        return
    yield Line("end", to_json({"account": account, **counts})[1:-1]).written()


async def following(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines, the first of which has been waited for."""
    yield first
    async for line in rest:
        yield line


async def _conversations(ask: Ask, account: str) -> AsyncIterator[Line]:
    async for page in _pages(ask, ListConversations(account=account, limit=_AT_ONCE)):
        for conversation in from_json(page.payload):
            yield Line("conversation", b'"conversation":' + to_json(conversation))
            id_ = conversation["id"]
            asked = ListItems(conversation_id=id_, account=account, limit=_AT_ONCE, ascending=True)
            async for items in _pages(ask, asked):
                for item in elements(items.payload):
                    yield Line("item", b'"conversation_id":' + to_json(id_) + b',"item":' + item)


async def _responses(ask: Ask, account: str) -> AsyncIterator[Line]:
    async for page in _pages(ask, ListResponses(account=account, limit=_AT_ONCE, ascending=True)):
        for response in elements(page.payload):
            asked = ListInputs(response_id=from_json(response)["id"], account=account, limit=_AT_ONCE, ascending=True)
            said = [item async for items in _pages(ask, asked) for item in elements(items.payload)]
            yield Line("response", b'"response":' + response + b',"input":[' + b",".join(said) + b"]")


async def _charges(ask: Ask, account: str) -> AsyncIterator[Line]:
    async for page in _pages(ask, ListCharges(where={"account": account}, limit=_AT_ONCE)):
        for charge in elements(page.payload):
            yield Line("charge", b'"charge":' + charge)


async def _pages(
    ask: Ask, asked: ListConversations | ListItems | ListResponses | ListInputs | ListCharges
) -> AsyncIterator[Page]:
    """One page after the other. What is deleted meanwhile has no more of them."""
    while True:
        page = await ask(asked)
        assert isinstance(page, Page)
        yield page
        if not page.found or not page.has_more or page.last_id is None:
            return
        asked = asked.model_copy(update={"after": page.last_id})


def elements(array: bytes) -> Iterator[bytes]:
    """The elements of a JSON array, each as it is written there: no number becomes another one."""
    text = array.decode() or "[]"
    at = 1
    while (at := _past(text, at, " \t\r\n,")) < len(text) and text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        yield text[at:end].encode()
        at = end


def _past(text: str, at: int, what: str) -> int:
    while at < len(text) and text[at] in what:
        at += 1
    return at
