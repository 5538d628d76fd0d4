"""The store on MongoDB.

Three collections hold what ended: `responses` (a document per response), `links` (a response and the one before it,
nothing else: the server can walk thousands without touching content) and `costs` (a document per upstream call). A
document is written once, under an id that its fact brings along, so whatever is delivered or tried twice changes
nothing. What runs detached, blobs, conversations and notes are kept by the modules beside this
one.

Motor gets only critical fixes until May 2027. Whatever is called here has the same shape in PyMongo's own async
client, so leaving takes one import: `from pymongo import AsyncMongoClient as Client`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from motor.motor_asyncio import AsyncIOMotorClient as Client
from pymongo.errors import ConfigurationError, DuplicateKeyError

from warren.contracts import Claim, Outcome, Recorded, UpstreamCall
from warren.errors import ContextLengthExceeded
from warren.settings import Complaint
from warren_ledger.history import walk
from warren_ledger.store import KEEP, KEEP_OPEN, MAX_HISTORY, MAX_TURNS, OPEN, Chain, Record, known
from warren_ledger.store.mongo.blobs import MongoBlobs
from warren_ledger.store.mongo.charges import MongoCharges
from warren_ledger.store.mongo.conversations import MongoConversations
from warren_ledger.store.mongo.documents import CONTENT, call_of, cost_of, if_claimed, read, rounds, verdict, written
from warren_ledger.store.mongo.entries import MongoEntries
from warren_ledger.store.mongo.lists import MongoLists
from warren_ledger.store.mongo.notes import MongoNotes
from warren_ledger.store.mongo.reach import READ, WRITE, Document, Primary, index, insert, reaching, settle
from warren_ledger.store.mongo.runs import MongoRuns
from warren_ledger.store.runs import RUNNING

_LEAN = {"body": False, "input": False, "beside": False}


class MongoStore:
    """See `Store`."""

    def __init__(self, database: Any, keep: timedelta, now: Callable[[], float], primary: Primary) -> None:
        self._database = database
        self._primary = primary
        self._responses = database["responses"]
        self._links = database["links"]
        self._costs = database["costs"]
        self._keep = keep
        self._now = now
        self.system = "mongodb"
        self.runs = MongoRuns(database, now)
        self.blobs = MongoBlobs(database, now)
        self.conversations = MongoConversations(database, now)
        self.lists = MongoLists(database, now)
        self.charges = MongoCharges(database)
        self.entries = MongoEntries(database)
        self.notes = MongoNotes(database, now)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, keep: timedelta = KEEP, now: Callable[[], float] = time.time
    ) -> AsyncIterator[Self]:
        """A store in the database that the URL names, `warren` if it names none. The server may come up later.

        Raises:
            Complaint: this is no URL of a MongoDB.
        """
        patience, primary = int(READ * 1000), Primary()
        try:
            client: Any = Client(
                url, w="majority", journal=True, readConcernLevel="majority", readPreference="primary",
                serverSelectionTimeoutMS=patience, timeoutMS=patience, event_listeners=[primary],
            )  # fmt: skip
            store = cls(client.get_default_database("warren"), keep, now, primary)
        except (ConfigurationError, ValueError):
            raise Complaint("--mongo-url must look like mongodb://host:27017/warren") from None
        preparing = asyncio.create_task(store._prepare())
        try:
            yield store
        finally:
            preparing.cancel()
            await asyncio.wait([preparing])
            await settle(client.close())

    @property
    def shaky(self) -> bool:
        return self._primary.shaky

    async def _prepare(self) -> None:
        """Make the indexes, as soon as the server is there. Nothing waits for them."""
        for collection in (self._responses, self._links):
            await index(collection, "expires", expireAfterSeconds=0)
        await index(self._costs, "response_id")
        for part in (self.runs, self.blobs, self.conversations, self.lists, self.entries, self.notes, self.charges):
            await part.prepare()

    async def put(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        with reaching(WRITE):
            # Who sees a response must see its link and its costs: these first.
            taken, _ = await asyncio.gather(
                insert(self._costs, [cost_of(outcome, call) for outcome in outcomes for call in outcome.calls]),
                insert(self._links, [link for outcome in outcomes if (link := self._link(outcome))]),
            )
            recorded: dict[int, Recorded] = {}
            for places in rounds(outcomes):
                recorded.update(zip(places, await self._record([outcomes[at] for at in places]), strict=True))
            answers = [recorded.get(at, Recorded(won=False, status=OPEN)) for at in range(len(outcomes))]
            await self.charges.write(outcomes, answers)
            return await self._told_before(outcomes, answers, taken) if taken else answers

    async def _told_before(
        self, outcomes: Sequence[Outcome], answers: list[Recorded], taken: set[str]
    ) -> list[Recorded]:
        """The answers, each with the calls that another one has told of."""
        found = self._costs.find({"_id": {"$in": list(taken)}}, {"lost": True})
        there = {document["_id"]: document.get("lost", False) async for document in found}
        return [known(outcome, answer, there) for outcome, answer in zip(outcomes, answers, strict=True)]

    async def _record(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        """Write outcomes of different responses: inserts, which cost half of what upserts do, then what is claimed."""
        expires = self._date(self._keep)
        documents = [written(outcome, expires) for outcome in outcomes]
        taken = await insert(self._responses, documents)
        stored: dict[str, Document] = {}
        if taken:
            claimed = [if_claimed(document) for document in documents if document["_id"] in taken]
            await self._responses.bulk_write(claimed, ordered=False)
            found = self._responses.find({"_id": {"$in": list(taken)}}, _LEAN)
            stored = {document["_id"]: document async for document in found}
        answers = [
            verdict(outcome, stored.get(outcome.response_id, {}))
            if outcome.response_id in taken
            else Recorded(won=True, status=outcome.status)
            for outcome in outcomes
        ]
        for outcome, answer in zip(outcomes, answers, strict=True):
            if answer.won and (outcome.blob is not None or outcome.status == "failed"):
                await self._follow(outcome, stored.get(outcome.response_id, {}), expires)
        return answers

    async def _follow(self, outcome: Outcome, row: Document, expires: datetime) -> None:
        """What comes with a record, again and again the same."""
        if outcome.blob is not None and outcome.store:
            await self.blobs.hold(outcome.response_id, outcome.account, outcome.blob.name, expires)
        freed = outcome.status == "failed" and not outcome.shown and not row.get("background")
        if freed and "key" in row and not row["latched"]:
            await self.runs.release(row["key"], outcome.response_id)

    async def claim(self, claim: Claim) -> Record | None:
        free = {"_id": claim.response_id, "account": claim.account, "status": OPEN}
        row = {"attempt": claim.attempt, "expires": self._date(KEEP_OPEN)}
        with reaching(WRITE):
            with suppress(DuplicateKeyError):
                await self._responses.update_one(free, {"$set": row}, upsert=True)
                return None
            return await self.find(claim.response_id, claim.account, content=True)

    async def find(
        self, response_id: str, account: str, *, content: bool = False, running: bool = False
    ) -> Record | None:
        wanted = self._ended(response_id, account)
        if running:
            del wanted["status"]
            wanted["$or"] = [{"status": {"$nin": RUNNING}}, {"background": True}]
        with reaching(READ):
            document = await self._responses.find_one(wanted, None if content else _LEAN)
        if document is None:
            return None
        return await self._filled(read(document)) if content else read(document)

    async def _filled(self, record: Record) -> Record:
        """With its content, if that is in a blob."""
        if record.blob is None:
            return record
        data = await self.blobs.whole(record.response_id, record.account, record.blob.name)
        return await asyncio.to_thread(record.filled, data)

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
            record = records[document["_id"]] = read(document)
            size += record.size
            if size > MAX_HISTORY:
                raise ContextLengthExceeded("The responses before this one are too large together.")
        for id_, record in records.items():
            if record.blob is not None:
                records[id_] = await self._filled(record)
        return records

    async def delete(self, response_id: str, account: str) -> bool | None:
        content = dict.fromkeys((*CONTENT, "detached"), "")
        with reaching(WRITE):
            emptied = await self._responses.update_one(
                {**self._ended(response_id, account), "kept": True}, {"$set": {"kept": False}, "$unset": content}
            )
            found = await self.find(response_id, account)
            if found is not None and not found.kept:  # perhaps only just now, or by one who died before he came here
                await self._forget(response_id, account)
            if emptied.modified_count:
                return True
            return None if found is None or found.kept else False  # kept: it came between the two looks

    async def _forget(self, response_id: str, account: str) -> None:
        """Remove what is left of a deleted response; one that was never to be stored keeps its log."""
        if await self.runs.find(response_id, account) is None:
            await asyncio.gather(self.runs.forget(response_id), self.blobs.forget(response_id, account))

    async def calls(self, response_id: str, account: str) -> list[UpstreamCall]:
        with reaching(READ):
            found = self._costs.find({"response_id": response_id, "account": account}).sort("_id", 1)
            return [call_of(document) async for document in found]

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
            "status": {"$nin": RUNNING},
            "expires": {"$gt": self._date(timedelta())},
        }

    def _date(self, ahead: timedelta) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC) + ahead
