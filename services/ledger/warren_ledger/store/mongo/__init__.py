"""The store on MongoDB.

Three collections: `responses` (a document per response), `links` (a response and the one before it, nothing else:
the server can walk thousands without touching content) and `costs` (a document per upstream call). A document is
written once, under an id that its fact brings along, so whatever is delivered or tried twice changes nothing.

Motor gets only critical fixes until May 2027. Whatever is called here has the same shape in PyMongo's own async
client, so leaving takes one import: `from pymongo import AsyncMongoClient as Client`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Context
from typing import Any, Self

import pymongo
import structlog
from bson.decimal128 import Decimal128
from motor.motor_asyncio import AsyncIOMotorClient as Client
from pymongo.errors import ConfigurationError, DuplicateKeyError

from warren.contracts import Claim, Outcome, Recorded, UpstreamCall
from warren.errors import ContextLengthExceeded, LedgerUnavailable
from warren.settings import Complaint
from warren_ledger.history import walk
from warren_ledger.store import KEEP, KEEP_OPEN, MAX_HISTORY, MAX_TURNS, OPEN, Chain, Record
from warren_ledger.store.mongo.reach import READ, WRITE, Document, insert, reaching, settle

log = structlog.get_logger(__name__)

_FIELDS = tuple(field.name for field in fields(Record) if field.name != "response_id")
_CONTENT = ("model", "deployment", "upstream_id", "created_at", "error", "body", "input")
_LEAN = {"body": False, "input": False}
_DIGITS = Context(prec=34)


class MongoStore:
    """See `Store`."""

    def __init__(self, database: Any, keep: timedelta, now: Callable[[], float]) -> None:
        self._database = database
        self._responses = database["responses"]
        self._links = database["links"]
        self._costs = database["costs"]
        self._keep = keep
        self._now = now

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, keep: timedelta = KEEP, now: Callable[[], float] = time.time
    ) -> AsyncIterator[Self]:
        """A store in the database that the URL names, `warren` if it names none. The server may come up later.

        Raises:
            Complaint: this is no URL of a MongoDB.
        """
        patience = int(READ * 1000)
        try:
            client: Any = Client(
                url, w="majority", journal=True, readConcernLevel="majority",
                serverSelectionTimeoutMS=patience, timeoutMS=patience,
            )  # fmt: skip
            store = cls(client.get_default_database("warren"), keep, now)
        except (ConfigurationError, ValueError):
            raise Complaint("--mongo-url must look like mongodb://host:27017/warren") from None
        preparing = asyncio.create_task(store._prepare())
        try:
            yield store
        finally:
            preparing.cancel()
            await asyncio.wait([preparing])
            await settle(client.close())

    async def _prepare(self) -> None:
        """Make the indexes, as soon as the server is there. Nothing waits for them."""
        while True:
            try:
                with reaching(READ):
                    for collection in (self._responses, self._links):
                        await collection.create_index("expires", expireAfterSeconds=0)
                    await self._costs.create_index("response_id")
            except LedgerUnavailable as error:
                log.warning("waiting for MongoDB", reason=error.message)
                await asyncio.sleep(1)
            else:
                return

    async def put(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        with reaching(WRITE):
            # Who sees a response must see its link and its costs: these first.
            await asyncio.gather(
                insert(self._costs, [_cost(outcome, call) for outcome in outcomes for call in outcome.calls]),
                insert(self._links, [link for outcome in outcomes if (link := self._link(outcome))]),
            )
            recorded: dict[int, Recorded] = {}
            for places in _rounds(outcomes):
                recorded.update(zip(places, await self._record([outcomes[at] for at in places]), strict=True))
        return [recorded.get(at, Recorded(won=False, status=OPEN)) for at in range(len(outcomes))]

    async def _record(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        """Write outcomes of different responses: inserts, which cost half of what upserts do, then what is claimed."""
        expires = self._date(self._keep)
        documents = [_written(Record.of(outcome), expires) for outcome in outcomes]
        taken = await insert(self._responses, documents)
        stored: dict[str, Document] = {}
        if taken:
            claimed = [_if_claimed(document) for document in documents if document["_id"] in taken]
            await self._responses.bulk_write(claimed, ordered=False)
            found = self._responses.find({"_id": {"$in": list(taken)}}, _LEAN)
            stored = {document["_id"]: document async for document in found}
        return [
            _verdict(outcome, stored.get(outcome.response_id, {}))
            if outcome.response_id in taken
            else Recorded(won=True, status=outcome.status)
            for outcome in outcomes
        ]

    async def claim(self, claim: Claim) -> Record | None:
        free = {"_id": claim.response_id, "account": claim.account, "status": OPEN}
        row = {"attempt": claim.attempt, "expires": self._date(KEEP_OPEN)}
        with reaching(WRITE):
            with suppress(DuplicateKeyError):
                await self._responses.update_one(free, {"$set": row}, upsert=True)
                return None
            return await self.find(claim.response_id, claim.account, content=True)

    async def find(self, response_id: str, account: str, *, content: bool = False) -> Record | None:
        with reaching(READ):
            document = await self._responses.find_one(self._ended(response_id, account), None if content else _LEAN)
        return _read(document) if document else None

    async def chain(self, response_id: str, account: str) -> Chain | None:
        with reaching(READ):
            walked = await settle(self._responses.aggregate(self._walk(response_id, account)))
            found = await walked.to_list(None)
            if not found:
                return None
            previous = {link["_id"]: link["previous"] for link in found[0]["links"]}
            if len(previous) > MAX_TURNS:
                raise ContextLengthExceeded(f"There are more than {MAX_TURNS} responses before this one.")
            records = await self._contents([response_id, *previous.values()], account)
        return Chain.of(walk(response_id, previous), records)

    def _walk(self, response_id: str, account: str) -> list[Document]:
        """The response first, then its links: they were written before it."""
        links = {
            "from": self._links.name,
            "startWith": "$_id",
            "connectFromField": "previous",
            "connectToField": "_id",
            "restrictSearchWithMatch": {"account": account},
            "maxDepth": MAX_TURNS,
            "as": "links",
        }
        return [{"$match": self._ended(response_id, account)}, {"$project": {"_id": True}}, {"$graphLookup": links}]

    async def _contents(self, ids: list[str], account: str) -> dict[str, Record]:
        records: dict[str, Record] = {}
        size = 0
        async for document in self._responses.find(self._ended({"$in": ids}, account)):
            record = records[document["_id"]] = _read(document)
            size += len(record.body or b"") + len(record.input or b"")
            if size > MAX_HISTORY:
                raise ContextLengthExceeded("The responses before this one are too large together.")
        return records

    async def delete(self, response_id: str, account: str) -> bool | None:
        content = dict.fromkeys(_CONTENT, "")
        with reaching(WRITE):
            emptied = await self._responses.update_one(
                {**self._ended(response_id, account), "kept": True}, {"$set": {"kept": False}, "$unset": content}
            )
            if emptied.modified_count:
                return True
            return None if await self.find(response_id, account) is None else False

    async def calls(self, response_id: str, account: str) -> list[UpstreamCall]:
        with reaching(READ):
            found = self._costs.find({"response_id": response_id, "account": account}).sort("_id", 1)
            return [_call(document) async for document in found]

    async def ping(self) -> None:
        with reaching(READ):
            await self._database.command("ping")

    def _link(self, outcome: Outcome) -> Document | None:
        """Outlives its response: one whose link went first would look like the beginning of its chain."""
        if outcome.superseded or not outcome.store or outcome.previous_response_id is None:
            return None
        return {
            "_id": outcome.response_id,
            "account": outcome.account,
            "previous": outcome.previous_response_id,
            "expires": self._date(self._keep + timedelta(days=1)),
        }

    def _ended(self, response_id: str | Document, account: str) -> Document:
        """What every read asks for: the server removes what has expired only now and then."""
        return {
            "_id": response_id,
            "account": account,
            "status": {"$ne": OPEN},
            "expires": {"$gt": self._date(timedelta())},
        }

    def _date(self, ahead: timedelta) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC) + ahead


def _rounds(outcomes: Sequence[Outcome]) -> Iterator[list[int]]:
    """Places in `outcomes`, such that a round has one of each response at most and earlier ones come first."""
    rounds: list[list[int]] = []
    times: Counter[str] = Counter()
    for place, outcome in enumerate(outcomes):
        if outcome.superseded:
            continue
        if times[outcome.response_id] == len(rounds):
            rounds.append([])
        rounds[times[outcome.response_id]].append(place)
        times[outcome.response_id] += 1
    return iter(rounds)


def _written(record: Record, expires: datetime) -> Document:
    given = {name: value for name in _FIELDS if (value := getattr(record, name)) is not None}
    return {"_id": record.response_id, **given, "expires": expires}


def _read(document: Document) -> Record:
    return Record(response_id=document["_id"], **{name: document[name] for name in _FIELDS if name in document})


def _if_claimed(document: Document) -> pymongo.UpdateOne:
    """Write an ended response over the row of the attempt that may."""
    row = {"_id": document["_id"], "account": document["account"], "status": OPEN}
    if document["attempt"]:
        row["attempt"] = document["attempt"]
    return pymongo.UpdateOne(row, {"$set": {name: value for name, value in document.items() if name != "_id"}})


def _verdict(outcome: Outcome, stored: Document) -> Recorded:
    same = all(stored.get(name) == getattr(outcome, name) for name in ("account", "attempt", "status", "ended_at"))
    return Recorded(won=same, status=stored.get("status", OPEN))


def _cost(outcome: Outcome, call: UpstreamCall) -> Document:
    return {
        **call.model_dump(exclude={"call_id"}),
        "_id": call.call_id,
        "response_id": outcome.response_id,
        "account": outcome.account,
        "attempt": outcome.attempt,
        "cost": None if call.cost is None else Decimal128(_DIGITS.plus(call.cost)),
    }


def _call(document: Document) -> UpstreamCall:
    cost = document["cost"]
    return UpstreamCall(**{**document, "call_id": document["_id"], "cost": cost if cost is None else cost.to_decimal()})
