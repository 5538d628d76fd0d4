"""What a job is about: its request, and all that was said before, wherever that is."""

import asyncio
from time import time
from typing import TypeVar

from pydantic_core import from_json

from warren import ids, objects
from warren.blobs import withdraw
from warren.bus import LEDGER_ASK, Bus
from warren.contracts import Ask, Held, Job, Rebuild, Rebuilt
from warren.errors import (
    BusUnavailable,
    CallTimeout,
    InvalidRequest,
    LedgerUnavailable,
    NotFound,
    Overloaded,
    PreviousNotFound,
)
from warren.objects import Item
from warren_worker.conversation import check, restored, room, since_compaction
from warren_worker.dialect import Conversation
from warren_worker.provider import Endpoint
from warren_worker.sealing import COMPACTION, REASONING, Seals

T = TypeVar("T", Job, Ask)

_KEEPERS = frozenset(
    {"reasoning", "message", "function_call", "custom_tool_call", "web_search_call", "code_interpreter_call"}
)
"""Types of items beside which a dialect keeps something."""

_PATIENCE = 15.0
_AGAIN = 1.0


async def whole(bus: Bus, message: T, patience: float) -> T:
    """The message with its request inside, however large that is.

    Raises:
        LedgerUnavailable: the ledger does not give it out in time.
    """
    if message.blob is None:
        return message
    end = min(time() + patience, message.deadline)
    while True:
        try:
            payload = await withdraw(bus, message.response_id, message.account, message.blob)
        except LedgerUnavailable:
            if time() + _AGAIN >= end:
                raise
            await asyncio.sleep(_AGAIN)
        else:
            return message.model_copy(update={"payload": payload, "blob": None})


class Inputs:
    """A request and what it goes on from. The ledger is asked at most once for each thing, and only when needed.

    `before` are items that only the caller still has: they stand for the previous response.

    With the conversation comes what is kept beside its items: from the ledger, or sealed in the items themselves.
    """

    def __init__(
        self,
        bus: Bus,
        account: str,
        request: Item,
        seals: Seals,
        *,
        held: Held | None = None,
        conversation: str | None = None,
        before: bytes = b"",
    ) -> None:
        self.request = request
        """Once there was a conversation: with every reference replaced by what it names."""
        self._bus = bus
        self._account = account
        self._seals = seals
        self._held = held if not before else None
        self._conversation = conversation
        self._items = objects.items(request.get("input"))
        self._kept: dict[str, list[Item]] = {}
        self._sought = () if request.get("store") is False else _unsealed(self._items)
        self._previous: str | None = None if before else request.get("previous_response_id")
        self._references = tuple(item["id"] for item in self._items if _is_reference(item))
        self._history: list[Item] | None = from_json(before) if before else None
        if self._previous is None and conversation is None and self._history is None:
            self._history = []

    @property
    def kept(self) -> dict[str, list[Item]]:
        """What the ledger has beside items of the input: who keeps this input must keep it, too."""
        return {id_: self._kept[id_] for item in self._items if (id_ := item.get("id")) in self._kept}

    async def conversation(self, endpoint: Endpoint) -> Conversation:
        """What this endpoint is to be asked: of what it remembers itself, only its own id."""
        held = self._held
        if held is not None and held.upstream_id and endpoint.remembers and held.deployment == endpoint.deployment:
            await self._read(history=False)
            return Conversation(self.request, self._items, held.upstream_id)
        return await self.rebuilt(endpoint)

    async def rebuilt(self, endpoint: Endpoint) -> Conversation:
        """The whole conversation: whoever is asked does not know how it began.

        Raises:
            InvalidRequest: it is not whole; NotFound: part of it is not there.
        """
        await self._read(history=True, kept=not endpoint.native)
        assert self._history is not None
        items, sealed = restored([*self._history, *self._items], self._seals.unseal(REASONING))
        items = since_compaction(items, self._seals.unseal(COMPACTION), room(endpoint.max_input_tokens))
        check(items)
        return Conversation(self.request, items, kept={} if endpoint.native else {**self._kept, **sealed})

    async def _read(self, *, history: bool, kept: bool = False) -> None:
        wanted = history and self._history is None
        sought = self._sought if kept else ()
        if not wanted and not self._references and not sought:
            return
        question = Rebuild(
            account=self._account,
            response_id=(self._previous or "") if wanted else "",
            conversation=(self._conversation or "") if wanted else "",
            references=self._references,
            kept=sought,
        )
        try:
            answer = await self._bus.call(LEDGER_ASK, question, timeout=_PATIENCE)
        except (CallTimeout, BusUnavailable, Overloaded):
            raise LedgerUnavailable("The conversation cannot be read at the moment.", retry_after=2) from None
        assert isinstance(answer, Rebuilt)
        self._refuse(answer, wanted=wanted)
        self._kept |= {id_: from_json(text) for id_, text in answer.kept.items()}
        self._sought = () if kept else self._sought
        if wanted:
            self._history = from_json(answer.history)
        if self._references:
            self._resolve(from_json(answer.referenced))

    def _refuse(self, answer: Rebuilt, *, wanted: bool) -> None:
        if answer.missing is not None:
            raise NotFound(f"Item with id '{answer.missing}' not found.", param="input")
        if wanted and not answer.found:
            if self._previous is None:
                raise NotFound(f"Conversation with id '{self._conversation}' not found.", param="conversation")
            raise PreviousNotFound.of(self._previous)
        if answer.hole is not None:
            raise InvalidRequest(
                f"The content of response '{answer.hole}' in this conversation is gone; it cannot be continued.",
                param="previous_response_id",
                code="previous_response_incomplete",
            )

    def _resolve(self, named: list[Item]) -> None:
        found = iter(named)
        self._items = [next(found) if _is_reference(item) else item for item in self._items]
        self._references = ()
        self.request = {**self.request, "input": self._items}


def _unsealed(items: list[Item]) -> tuple[str, ...]:
    """The ids of those items that a model may have said here, and that do not bring along what is kept beside them."""
    return tuple(
        item["id"]
        for item in items
        if item.get("type", "message") in _KEEPERS
        and not _is_reference(item)
        and ids.born(item.get("id") or "") > 0
        and not item.get("encrypted_content")
    )


def _is_reference(item: Item) -> bool:
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "role" not in item and "id" in item)
