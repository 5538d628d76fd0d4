"""Conversations: what is done with each message about one."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import chain

import structlog
from pydantic_core import from_json, to_json

from warren.contracts import (
    AddItems,
    ConversationState,
    DeleteConversation,
    Deleted,
    DeleteItem,
    Done,
    Enter,
    Entered,
    FetchConversation,
    Fetched,
    FetchItem,
    Leave,
    ListConversations,
    ListItems,
    Message,
    OpenConversation,
    Outcome,
    Page,
    UpdateConversation,
)
from warren.errors import InvalidRequest, NotFound
from warren.objects import Item
from warren_ledger import history, items
from warren_ledger.lists import unknown_cursor
from warren_ledger.patience import until_there, until_up
from warren_ledger.recall import named
from warren_ledger.store import Store
from warren_ledger.store.blobs import content
from warren_ledger.store.conversations import Conversation, Entry, UnknownCursor

log = structlog.get_logger(__name__)

_WAIT = 0.5
"""Seconds to wait for a conversation that is held: its holder may be at its end."""
_LEASE = 10.0
"""Seconds for which items that are added hold a conversation, if their ledger dies over it."""
_LARGE = 1024 * 1024
"""Bytes that are not parsed while everything else waits."""


class Conversations:
    """Handlers for conversations. While the store is away, writes wait, as all do."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    async def write(self, message: Message) -> Message:
        match message:
            case Enter():
                return await self._enter(message)
            case Leave(conversation_id=id_, account=account, response_id=holder):
                await self.leave(id_, account, holder)
                return Done()
            case AddItems():
                return await self._add(message)
            case OpenConversation():
                return await self._open(message)
            case UpdateConversation(conversation_id=id_, account=account, metadata=metadata):
                return _state(await until_up(lambda: self._store.conversations.update(id_, account, metadata)))
            case DeleteItem(conversation_id=id_, account=account, item_id=item):
                return _state(await until_up(lambda: self._store.conversations.remove(id_, account, item)))
            case DeleteConversation(conversation_id=id_, account=account):
                return Deleted(found=await until_up(lambda: self._store.conversations.delete(id_, account)))
        raise InvalidRequest(f"The ledger does not write a {message.kind}.")

    async def answer(self, message: Message) -> Message:
        match message:
            case FetchConversation(conversation_id=id_, account=account):
                return _state(await self._store.conversations.find(id_, account))
            case ListItems():
                return await self._list(message)
            case ListConversations():
                return await self._of(message)
            case FetchItem(conversation_id=id_, account=account, item_id=item):
                body = await self._store.conversations.entry(id_, account, item)
                return Fetched(found=body is not None, payload=body or b"")
        raise InvalidRequest(f"The ledger does not answer a {message.kind}.")

    async def settle(self, outcome: Outcome, won: bool) -> None:
        """Bring the items of a response into its conversation, if it is the record, and free it."""
        id_, account, holder = outcome.conversation, outcome.account, outcome.response_id
        if id_ is None or outcome.superseded or not won:
            return  # whoever is the record frees it
        entries = await self._said(outcome) if outcome.status in {"completed", "incomplete"} else []
        if not entries:
            await self.leave(id_, account, holder)
            return
        there = await until_up(lambda: self._store.conversations.append(id_, account, holder, entries))
        if not there:
            log.warning("a response came too late for its conversation", response_id=holder, gone=there is None)

    async def _said(self, outcome: Outcome) -> list[Entry]:
        """What a response adds: its input, then its output, all of it over."""
        said, body = outcome.input, outcome.response
        if outcome.blob is not None:
            blob, id_, account = outcome.blob, outcome.response_id, outcome.account
            whole = await until_up(lambda: content(self._store.blobs, id_, account, blob)) or b""
            said, body = whole[outcome.split :], whole[: outcome.split]
        if not body:
            return []
        if len(said) + len(body) < _LARGE:
            return _turn(outcome.response_id, said, body, outcome.kept)
        return await asyncio.to_thread(_turn, outcome.response_id, said, body, outcome.kept)

    async def _enter(self, message: Enter) -> Entered:
        held = await self.hold(message.conversation_id, message.account, message.response_id, message.until)
        return Entered(verdict="unknown" if held is None else "entered" if held else "locked")

    async def leave(self, conversation_id: str, account: str, holder: str) -> None:
        """Free it, if it is held by this one."""
        await until_up(lambda: self._store.conversations.leave(conversation_id, account, holder))

    async def hold(self, conversation_id: str, account: str, holder: str, until: float) -> bool | None:
        """Hold it as soon as it is free, or not at all: False if another does, None if it is not there."""
        enter = self._store.conversations.enter

        async def look() -> tuple[bool | None] | None:
            entered = await until_up(lambda: enter(conversation_id, account, holder, until))
            return None if entered is False else (entered,)

        found = await until_there(look, seconds=_WAIT)
        return False if found is None else found[0]

    async def _add(self, message: AddItems) -> Page:
        id_, account, holder = message.conversation_id, message.account, message.request_id
        said = await self._given(message.payload, account, holder)
        held = await self.hold(id_, account, holder, self._now() + _LEASE)
        entries = list(_entries(said))
        there = held and await until_up(lambda: self._store.conversations.append(id_, account, holder, entries))
        if there is False:
            raise locked()
        return Page(found=False) if there is None else _page(entries, more=False)

    async def _given(self, payload: bytes, account: str, of: str) -> list[Item]:
        """Items as they are kept, those that are only referred to among them."""
        given: list[Item] = from_json(payload or b"[]")
        wanted = [item["id"] for item in given if items.is_reference(item)]
        found = await until_up(lambda: named(self._store, account, wanted)) if wanted else {}
        for id_ in wanted:
            if id_ not in found:
                raise NotFound(f"Item with id '{id_}' not found.", param="items")
        return list(items.completed(items.listed(items.resolved(given, found), of)))

    async def _open(self, message: OpenConversation) -> ConversationState:
        id_ = message.conversation_id
        entries = list(_entries(await self._given(message.payload, message.account, id_)))
        conversation = Conversation(id_, message.account, message.created_at, message.metadata)
        return _state(await until_up(lambda: self._store.conversations.open(conversation, entries)))

    async def _of(self, asked: ListConversations) -> Page:
        found = await self._store.conversations.of(asked.account, limit=asked.limit + 1, after=asked.after)
        shown = found[: asked.limit]
        told = [
            {"id": one.conversation_id, "created_at": one.created_at, "metadata": dict(one.metadata)} for one in shown
        ]
        return Page(
            found=True,
            has_more=len(found) > len(shown),
            first_id=shown[0].conversation_id if shown else None,
            last_id=shown[-1].conversation_id if shown else None,
            payload=to_json(told),
        )

    async def _list(self, message: ListItems) -> Page:
        try:
            stretch = await self._store.conversations.entries(
                message.conversation_id,
                message.account,
                limit=message.limit,
                ascending=message.ascending,
                after=message.after,
            )
        except UnknownCursor:
            raise unknown_cursor(message.after, "item") from None
        return Page(found=False) if stretch is None else _page(stretch.entries, more=stretch.more)


def locked() -> InvalidRequest:
    return InvalidRequest(
        "Another process is currently operating on this conversation. Please retry in a few seconds.",
        param="conversation",
        code="conversation_locked",
    )


def _turn(response_id: str, said: bytes, body: bytes, kept: Mapping[str, str]) -> list[Entry]:
    """The input and the output of a response. What only tells the model what to do now is not said."""
    whole = chain(from_json(said or b"[]"), from_json(history.output(body)))
    listed = items.listed(whole, response_id)
    over = items.completed(item for item in listed if item.get("type") != "compaction_trigger")
    return list(_entries(over, kept))


def _entries(said: Iterable[Item], kept: Mapping[str, str] | None = None) -> Iterable[Entry]:
    beside = kept or {}
    return (Entry(item["id"], to_json(item, inf_nan_mode="null"), beside.get(item["id"])) for item in said)


def _page(entries: list[Entry], *, more: bool) -> Page:
    return Page(
        found=True,
        has_more=more,
        first_id=entries[0].item_id if entries else None,
        last_id=entries[-1].item_id if entries else None,
        payload=history.array(entry.body for entry in entries),
    )


def _state(conversation: Conversation | None) -> ConversationState:
    if conversation is None:
        return ConversationState(found=False)
    return ConversationState(found=True, created_at=conversation.created_at, metadata=dict(conversation.metadata))
