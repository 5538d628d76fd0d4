"""Recall: what was said is brought back, by the response or the conversation it was said in, or item by item."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from pydantic_core import from_json, to_json

from warren import ids
from warren.bus import MAX_MESSAGE
from warren.contracts import Rebuild, Rebuilt, newest
from warren.errors import ContextLengthExceeded
from warren.objects import PREFIXES, Item
from warren_ledger import history, items
from warren_ledger.patience import until_there
from warren_ledger.store import MAX_HISTORY, Record, Store

T = TypeVar("T")

_AT_A_TIME = 8
"""Histories in memory: each may be large."""
_SKEW = 60.0
"""Seconds by which clocks may differ. What was made later than that was not made by us."""
_KEPT = 4 * 1024 * 1024
"""Characters of what is kept beside items that are given out at a time."""
_FRESH = 30.0
"""Seconds for which an item may be known to a client and not be here yet, unless something is wrong."""
_MOMENT = 1.0
"""Seconds to wait for such an item."""
_REASONING = PREFIXES["reasoning"] + "_"


class Coming(Protocol):
    """Looks for something that belongs to an id: until it is there, while it may be on its way."""

    async def __call__(self, id_: str, look: Callable[[], Awaitable[T | None]], /) -> T | None: ...


class Recall:
    """Answers to `Rebuild`.

    Of a response in a conversation, what was said before is its own chain; the conversation goes on without it.
    """

    def __init__(self, store: Store, coming: Coming) -> None:
        self._store = store
        self._coming = coming
        self._slots = asyncio.Semaphore(_AT_A_TIME)

    async def rebuild(self, asked: Rebuild) -> Rebuilt:
        """What was said before, and what is referred to.

        Raises:
            ContextLengthExceeded: it is too much.
        """
        id_, account = asked.response_id, asked.account
        if id_ and await self._coming(id_, lambda: self._store.find(id_, account)) is None:
            return Rebuilt(found=False)
        referenced = await self._referenced(account, asked.references)
        for reference in asked.references:
            if reference not in referenced:
                return Rebuilt(found=True, missing=reference)
        async with self._slots:
            before = await self._before(asked)
        if not before.found or before.hole is not None:
            return before
        said, split = before.payload, None
        if asked.references:
            said, split = said + history.array(referenced[id_] for id_ in asked.references), len(said)
        room = (MAX_MESSAGE - len(said)) // 2  # in the header quotes are escaped
        kept = newest(before.kept | await self._beside(asked), min(room, _KEPT))
        return before.model_copy(update={"payload": said, "split": split, "kept": kept})

    async def _before(self, asked: Rebuild) -> Rebuilt:
        if asked.conversation:
            said = await self._store.conversations.history(asked.conversation, asked.account)
            kept = {entry.item_id: entry.kept for entry in said or () if entry.kept is not None}
            return Rebuilt(found=said is not None, payload=history.array(entry.body for entry in said or ()), kept=kept)
        if not asked.response_id:
            return Rebuilt(found=True, payload=b"[]")
        chain = await self._store.chain(asked.response_id, asked.account)
        if chain is None or chain.hole == asked.response_id:
            return Rebuilt(found=False)
        if chain.hole is not None:
            return Rebuilt(found=True, hole=chain.hole)
        turns = [(record.input or b"", record.body or b"") for record in chain.turns]
        beside: dict[str, str] = {}
        for record in chain.turns:
            beside |= from_json(record.beside) if record.beside is not None else {}
        return Rebuilt(found=True, payload=await asyncio.to_thread(history.items, turns), kept=beside)

    async def _beside(self, asked: Rebuild) -> dict[str, str]:
        """What is kept beside the items that the caller has or refers to.

        Reasoning that was shown just now may be on its way here; what is not stored at all does not come.
        """
        wanted = [*asked.references, *asked.kept]
        found: dict[str, str | None] = {}
        now = time.time()
        fresh = [id_ for id_ in asked.kept if id_.startswith(_REASONING) and _born(id_, now) > now - _FRESH]

        async def look() -> bool | None:
            found.update(await self._store.lists.beside(asked.account, [id_ for id_ in wanted if id_ not in found]))
            return all(id_ in found for id_ in fresh) or None

        if wanted:
            await until_there(look, seconds=_MOMENT)
            rest = [id_ for id_ in wanted if id_ not in found]
            said = await self._store.conversations.named(asked.account, rest) if rest else {}
            found.update({id_: entry.kept for id_, entry in said.items()})
        return {id_: text for id_, text in found.items() if text is not None}

    async def _referenced(self, account: str, wanted: Sequence[str]) -> dict[str, bytes]:
        """Those of these items that there are, and those that come within moments."""
        found: dict[str, bytes] = {}

        async def look() -> bool | None:
            found.update(await named(self._store, account, [id_ for id_ in wanted if id_ not in found]))
            return all(id_ in found for id_ in wanted) or None

        if wanted:
            now = time.time()
            await self._coming(max(wanted, key=lambda id_: _born(id_, now)), look)
        return found


async def named(store: Store, account: str, item_ids: Sequence[str]) -> dict[str, bytes]:
    """The items with these ids, wherever the account has them: said by a model, said to one, or in a conversation.

    Raises:
        ContextLengthExceeded: they are more than MAX_HISTORY bytes.
    """
    found: dict[str, bytes] = {}
    for response_id, wanted in _by_response((await store.lists.holders(account, item_ids)).items()).items():
        if (record := await store.find(response_id, account, content=True)) is not None:
            found |= await asyncio.to_thread(_answered, record, wanted)
            _weigh(found)
    rest = [id_ for id_ in item_ids if id_ not in found]
    derived = ((id_, origin[0]) for id_ in rest if (origin := items.derived_from(id_)) is not None)
    for response_id, wanted in _by_response(derived).items():
        if (record := await store.find(response_id, account, content=True)) is not None:
            found |= await asyncio.to_thread(_asked, record, wanted)
            _weigh(found)
    if rest := [id_ for id_ in rest if id_ not in found]:
        found |= {id_: entry.body for id_, entry in (await store.conversations.named(account, rest)).items()}
        _weigh(found)
    return found


def _by_response(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for item_id, response_id in pairs:
        wanted[response_id].add(item_id)
    return wanted


def _answered(record: Record, wanted: set[str]) -> dict[str, bytes]:
    return _picked(from_json(history.output(record.body)), wanted) if record.body else {}


def _asked(record: Record, wanted: set[str]) -> dict[str, bytes]:
    return _picked(items.listed(from_json(record.input), record.response_id), wanted) if record.input else {}


def _picked(said: Iterable[Item], wanted: set[str]) -> dict[str, bytes]:
    return {item["id"]: to_json(item, inf_nan_mode="null") for item in said if item.get("id") in wanted}


def _weigh(found: dict[str, bytes]) -> None:
    if sum(map(len, found.values())) > MAX_HISTORY:
        raise ContextLengthExceeded("The items that the input refers to are too large together.")


def _born(id_: str, now: float) -> float:
    """When this was made; never, if that is in the future: then it is no id of ours."""
    born = ids.born(id_)
    return born if born < now + _SKEW else 0.0
