"""Lists: the answers to questions for pages."""

import asyncio

from pydantic_core import from_json, to_json

from warren.contracts import Job, ListInputs, ListResponses, Message, Page, decode
from warren.errors import InvalidRequest
from warren.objects import Item
from warren.objects import items as as_items
from warren_ledger import history, items
from warren_ledger.recall import Coming, named
from warren_ledger.store import Record, Store
from warren_ledger.store.blobs import content
from warren_ledger.store.lists import PAGE


class Lists:
    """Handlers for lists."""

    def __init__(self, store: Store, coming: Coming) -> None:
        self._store = store
        self._coming = coming

    async def answer(self, message: Message) -> Page:
        match message:
            case ListInputs():
                return await self._inputs(message)
            case ListResponses():
                return await self._responses(message)
        raise InvalidRequest(f"The ledger does not answer a {message.kind}.")

    async def _inputs(self, asked: ListInputs) -> Page:
        id_, account = asked.response_id, asked.account
        record = await self._coming(id_, lambda: self._store.find(id_, account, content=True, running=True))
        said = None if record is None else await self._said(record)
        if said is None:
            return Page(found=False)
        return await asyncio.to_thread(_page, said, asked)

    async def _said(self, record: Record) -> bytes | None:
        """The input of a response; of one that runs, from its job."""
        if not record.running:
            return record.input
        run = await self._store.runs.find(record.response_id, record.account)
        job = decode(run.job) if run is not None and run.job else None
        if not isinstance(job, Job):
            return None
        if job.blob is not None:
            whole = await content(self._store.blobs, record.response_id, record.account, job.blob)
            if whole is None:
                return None
            job = job.model_copy(update={"payload": whole})
        said = await asyncio.to_thread(_input, job.request)
        references = [item["id"] for item in said if items.is_reference(item)]
        found = await named(self._store, record.account, references) if references else {}
        return to_json(list(items.resolved(said, found)), inf_nan_mode="null")

    async def _responses(self, asked: ListResponses) -> Page:
        if asked.after is not None and await self._store.find(asked.after, asked.account, running=True) is None:
            raise unknown_cursor(asked.after, "response")
        rows, more = await self._store.lists.responses(asked)
        there: list[tuple[str, bytes]] = []
        size = 0
        for row in rows:
            body = row.body or await self._body(asked.account, row.response_id)
            size += len(body or b"")
            if there and size > PAGE:
                more = True
                break
            if body is not None:
                there.append((row.response_id, body))
        return Page(
            found=True,
            has_more=more,
            first_id=there[0][0] if there else None,
            last_id=there[-1][0] if there else None,
            payload=history.array(body for _, body in there),
        )

    async def _body(self, account: str, response_id: str) -> bytes | None:
        record = await self._store.find(response_id, account, content=True, running=True)
        return None if record is None else record.shown()


def unknown_cursor(after: str | None, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid 'after': no {what} with id '{after}' found in this list.", param="after")


def _input(request: bytes) -> list[Item]:
    body: Item = from_json(request)
    return as_items(body.get("input") or [])


def _page(said: bytes, asked: ListInputs) -> Page:
    shown = list(items.listed(from_json(said or b"[]"), asked.response_id))
    if not asked.ascending:
        shown.reverse()
    if asked.after is not None:
        shown = _behind(shown, asked.after)
    taken: list[bytes] = []
    size = 0
    for item in shown[: asked.limit]:
        body = to_json(item, inf_nan_mode="null")
        size += len(body)
        if taken and size > PAGE:
            break
        taken.append(body)
    return Page(
        found=True,
        has_more=len(taken) < len(shown),
        first_id=shown[0]["id"] if taken else None,
        last_id=shown[len(taken) - 1]["id"] if taken else None,
        payload=history.array(taken),
    )


def _behind(shown: list[Item], after: str) -> list[Item]:
    """What follows the last item with this id: a client may have said the same one twice."""
    for at in range(len(shown) - 1, -1, -1):
        if shown[at]["id"] == after:
            return shown[at + 1 :]
    raise unknown_cursor(after, "item")
