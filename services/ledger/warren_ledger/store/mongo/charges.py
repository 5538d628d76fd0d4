"""Charges in MongoDB: `charges` has a document per response, `costs` one per call, `corrections` one whenever calls of
a response were priced again, `rollups` one per sum.

What is not counted yet is in a partial index, which is as small as that is.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pymongo
from bson.decimal128 import Decimal128
from pymongo.errors import BulkWriteError

from warren.contracts import Correction, Outcome, Payer, Price, Recorded
from warren_ledger.store.charges import Batch, Charge, Corrected, Question, Wanted
from warren_ledger.store.mongo.documents import call_of, exact, money_of, priced
from warren_ledger.store.mongo.reach import READ, WRITE, Document, index, insert, reaching, settle
from warren_ledger.tallies import AMOUNTS, COUNTS, VIEWS, Fact, Row, Tally

_DUPLICATE = 11000
_SOME = 1000
_UNCOUNTED = {"uncounted": True}
_OF_ACCOUNTS = {"account": {"$exists": True}}
_END = ("status", "ended_at", "attempt", "error", "deployment", "provider", "served", "request_id", "trace_id")
_COMMON = ("account", "model", "deployment", "provider")
_RARE = ("key", "end_user", "error", "request_id")
"""Many charges lack these: they are not in their indexes."""
_LAST = "~"
"""Comes after all that ids are made of."""
_NAMES = {"response_id": "_id", "tag": "tags"}


class MongoCharges:
    """See `Charges`."""

    def __init__(self, database: Any) -> None:
        self._charges = database["charges"]
        self._costs = database["costs"]
        self._corrections = database["corrections"]
        self._rollups = database["rollups"]

    async def prepare(self) -> None:
        for collection in (self._costs, self._charges, self._corrections):
            await index(collection, "uncounted", partialFilterExpression=_UNCOUNTED)
        await index(self._corrections, "response_id")
        await index(self._charges, "created_at")
        for name in _COMMON:
            await index(self._charges, [(name, 1), ("created_at", 1)])
        for side in ("$lt", "$gt"):  # not completed
            await index(
                self._charges,
                [("status", 1), ("created_at", 1)],
                name=f"status_{side[1:]}_completed",
                partialFilterExpression={"status": {side: "completed"}},
            )
        await index(self._rollups, [("view", 1), ("period", 1)])
        await index(self._rollups, [("account", 1), ("view", 1), ("period", 1)], partialFilterExpression=_OF_ACCOUNTS)
        for name in _RARE:
            there = {name: {"$exists": True}}
            await index(self._charges, [(name, 1), ("created_at", 1)], partialFilterExpression=there)
        for name in ("key", "end_user"):
            there = {name: {"$exists": True}}
            await index(self._rollups, [(name, 1), ("view", 1), ("period", 1)], partialFilterExpression=there)

    async def write(self, outcomes: Sequence[Outcome], answers: Sequence[Recorded]) -> None:
        """Called by the store, when it is known which outcomes are the records."""
        made = [
            written(Charge.of(outcome, answer.won))
            for outcome, answer in zip(outcomes, answers, strict=True)
            if answer.won or outcome.calls
        ]
        taken = await insert(self._charges, made)
        ends = [_ended(document) for document in made if document["_id"] in taken and "status" in document]
        if ends:
            await self._charges.bulk_write(ends, ordered=False)

    async def uncounted(self, limit: int) -> Batch:
        with reaching(READ):
            found = [
                await collection.find(_UNCOUNTED, {"_id": True}).limit(limit // 2).to_list(None)
                for collection in (self._costs, self._charges, self._corrections)
            ]
        return Batch(*(tuple(document["_id"] for document in some) for some in found))

    async def facts(self, batch: Batch) -> list[Fact]:
        facts: list[Fact] = []
        with reaching(WRITE):
            for ids in _chunks(batch.calls):
                facts += [_called(document) async for document in self._costs.find({"_id": {"$in": ids}})]
            for ids in _chunks(batch.requests):
                facts += [_read(document, ()).fact() async for document in self._charges.find({"_id": {"$in": ids}})]
        return facts

    async def corrected(self, batch: Batch) -> list[Corrected]:
        made: list[Corrected] = []
        for ids in _chunks(batch.corrections):
            places = [(id_.rpartition("#")[0], int(id_.rpartition("#")[2])) for id_ in ids]
            with reaching(WRITE):
                names = [f"{id_}#{number - before}" for id_, number in places for before in (0, 1)]
                found = [_correction(one) async for one in self._corrections.find({"_id": {"$in": names}})]
                charges = await self._recorded([id_ for id_, _ in places])
            there = {(one.response_id, one.number): one for one in found}
            made += [
                Corrected(
                    charges[id_].corrected(there.get((id_, number - 1))), charges[id_].corrected(there[id_, number])
                )
                for id_, number in places
                if id_ in charges
            ]
        return made

    async def correct(self, corrections: Sequence[Correction]) -> None:
        with reaching(WRITE):
            await insert(self._corrections, [_corrected(one) for one in corrections])

    async def count(self, number: int, rows: Mapping[Row, Tally]) -> None:
        updates = [_counting(number, row, tally) for row, tally in rows.items()]
        for some in _chunks(updates):
            with reaching(WRITE):
                try:
                    await self._rollups.bulk_write(some, ordered=False)
                except BulkWriteError as error:  # a row that has this number is not found, and cannot be made again
                    problems = error.details["writeErrors"]
                    if error.details.get("writeConcernErrors") or any(one["code"] != _DUPLICATE for one in problems):
                        raise

    async def counted(self, batch: Batch) -> None:
        for collection, all_ids in (
            (self._costs, batch.calls),
            (self._charges, batch.requests),
            (self._corrections, batch.corrections),
        ):
            for ids in _chunks(all_ids):
                with reaching(WRITE):
                    await collection.update_many({"_id": {"$in": ids}}, {"$unset": {"uncounted": ""}})

    async def report(self, asked: Question) -> list[tuple[tuple[str, ...], Tally]]:
        wanted = {"view": asked.view, "period": {"$in": list(asked.periods)}, **asked.where}
        sums = {name: {"$sum": f"${name}"} for name in (*COUNTS, *AMOUNTS)}
        stages: list[Document] = [
            {"$match": wanted},
            {"$group": {"_id": {name: f"${name}" for name in asked.by}, **sums}},
            {"$sort": _order(asked.by)},
        ]
        if asked.limit is not None:
            stages.append({"$limit": asked.limit})
        with reaching(WRITE):
            found = await (await settle(self._rollups.aggregate(stages))).to_list(None)
        return [(tuple(document["_id"][name] for name in asked.by), _tally(document)) for document in found]

    async def some(self, ids: Sequence[str]) -> Sequence[Charge]:
        with reaching(WRITE):
            return await self._with_calls(await self._charges.find({"_id": {"$in": list(ids)}}).to_list(None))

    async def page(self, wanted: Wanted) -> Sequence[Charge]:
        with reaching(WRITE):
            return await self._with_calls(await self._latest(_query(wanted), wanted.limit))

    async def _recorded(self, ids: Sequence[str]) -> dict[str, Charge]:
        """Charges as they were recorded, by their ids."""
        charges = await self._charges.find({"_id": {"$in": list(ids)}}).to_list(None)
        return {charge.response_id: charge for charge in await self._with_costs(charges)}

    async def _with_calls(self, found: list[Document]) -> list[Charge]:
        """With their calls as they are priced by now."""
        latest: dict[str, Correction] = {}
        async for document in self._corrections.find({"response_id": {"$in": [one["_id"] for one in found]}}):
            one = _correction(document)
            latest[one.response_id] = max(one, latest.get(one.response_id, one), key=lambda other: other.number)
        return [charge.corrected(latest.get(charge.response_id)) for charge in await self._with_costs(found)]

    async def _with_costs(self, found: list[Document]) -> list[Charge]:
        calls: dict[str, list[Document]] = {}
        ids = [document["_id"] for document in found]
        async for document in self._costs.find({"response_id": {"$in": ids}}).sort("_id", 1):
            calls.setdefault(document["response_id"], []).append(document)
        return [_read(document, calls.get(document["_id"], ())) for document in found]

    async def _latest(self, query: Document, limit: int) -> list[Document]:
        """The latest of these. Ids are not in the indexes, which would be thrice as large; so of the last ones, if they
        were made at the same time, all are needed to know which come first.
        """
        found = await self._charges.find(query).sort("created_at", -1).limit(limit).to_list(None)
        if len(found) == limit:
            last = found[-1]["created_at"]
            same = await self._charges.find({"$and": [query, {"created_at": last}]}).to_list(None)
            found = [*(one for one in found if one["created_at"] != last), *same]
        return sorted(found, key=lambda one: (one["created_at"], one["_id"]), reverse=True)[:limit]


def written(charge: Charge) -> Document:
    document: Document = {
        "_id": charge.response_id,
        "account": charge.account,
        "model": charge.model,
        "created_at": charge.created_at,
    }
    payer = charge.payer
    document |= {name: value for name in ("key", "end_user") if (value := getattr(payer, name))}
    document |= {name: list(value) for name in ("tags", "budgets") if (value := getattr(payer, name))}
    if payer.held:
        document["held"] = list(map(exact, payer.held))
    if charge.status is not None:
        document |= {name: value for name in _END if (value := getattr(charge, name)) is not None} | _UNCOUNTED
    return document


def _ended(document: Document) -> pymongo.UpdateOne:
    """Write the end of what began with a call alone."""
    end = {name: document[name] for name in (*_END, "uncounted") if name in document}
    return pymongo.UpdateOne({"_id": document["_id"], "status": {"$exists": False}}, {"$set": end})


def _read(document: Document, calls: Iterable[Document]) -> Charge:
    return Charge(
        response_id=document["_id"],
        account=document["account"],
        payer=_payer(document),
        model=document["model"],
        created_at=document["created_at"],
        calls=tuple(map(call_of, calls)),
        **_ends(document),
    )


def _ends(document: Document) -> dict[str, Any]:
    return {name: document.get(name) for name in _END}


def _payer(document: Document) -> Payer:
    names = {name: document.get(name, "") for name in ("key", "end_user")}
    lists = {name: tuple(document.get(name, ())) for name in ("tags", "budgets")}
    return Payer(**names, **lists, held=tuple(amount.to_decimal() for amount in document.get("held", ())))


def _corrected(correction: Correction) -> Document:
    prices = [{"call": id_, **priced(price)} for id_, price in correction.prices.items()]
    about = {"response_id": correction.response_id, "number": correction.number, "at": correction.at}
    return {"_id": correction.id, **about, "prices": prices, **_UNCOUNTED}


def _correction(document: Document) -> Correction:
    about = {name: document[name] for name in ("response_id", "number", "at")}
    return Correction(**about, prices={one["call"]: Price(**money_of(one)) for one in document["prices"]})


def _called(document: Document) -> Fact:
    return Fact.of_call(call_of(document), document["day"], document["account"], _payer(document))


def _counting(number: int, row: Row, tally: Tally) -> pymongo.UpdateOne:
    id_ = "\x1f".join((row.view, row.period, *(value.replace("\x1f", " ") for value in row.values)))
    about = {"view": row.view, "period": row.period, **dict(zip(VIEWS[row.view], row.values, strict=True))}
    added: Document = {name: count for name in COUNTS if (count := getattr(tally, name))}
    added |= {name: exact(amount) for name in AMOUNTS if (amount := getattr(tally, name))}
    return pymongo.UpdateOne(
        {"_id": id_, "number": {"$lt": number}},
        {"$inc": added, "$set": {"number": number}, "$setOnInsert": about},
        upsert=True,
    )


def _order(by: Sequence[str]) -> Document:
    """See `tallies.order`."""
    days = {"_id.period": 1} if "period" in by else {}
    return days | {"cost": -1, "requests": -1} | {f"_id.{name}": 1 for name in by if name != "period"}


def _tally(document: Document) -> Tally:
    return Tally(*(document[name] for name in COUNTS), *(_exactly(document[name]) for name in AMOUNTS))


def _exactly(amount: Decimal128 | int) -> Decimal:
    """A sum of nothing is 0."""
    return amount.to_decimal() if isinstance(amount, Decimal128) else Decimal(amount)


def _query(wanted: Wanted) -> Document:
    where = dict(wanted.where)
    prefix = where.pop("prefix", None)
    query: Document = {_NAMES.get(name, name): value or {"$exists": False} for name, value in where.items()}
    if prefix is not None:
        query["$and"] = [{"_id": {"$gte": prefix, "$lt": prefix + _LAST}}]
    times = {"$gte": wanted.since, "$lt": wanted.until}
    if given := {name: value for name, value in times.items() if value is not None}:
        query["created_at"] = given
    if wanted.before is not None:
        at, id_ = wanted.before
        query["$or"] = [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": id_}}]
    return query


def _chunks(values: Sequence[Any]) -> Iterable[list[Any]]:
    for at in range(0, len(values), _SOME):
        yield list(values[at : at + _SOME])
