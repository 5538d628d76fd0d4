"""Documents of MongoDB, made of what the ledger is told, and read again. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Context, Decimal

import pymongo
from bson.decimal128 import Decimal128

from warren.contracts import Blob, Outcome, Price, Recorded, UpstreamCall
from warren_ledger.store import OPEN, Record
from warren_ledger.store.mongo.reach import Document
from warren_ledger.store.runs import RUNNING, pairs
from warren_ledger.tallies import day

_FIELDS = tuple(field.name for field in fields(Record) if field.name != "response_id")
CONTENT = (
    "model", "deployment", "upstream_id", "created_at", "error", "background", "conversation", "body", "input", "blob",
    "split", "beside", "metadata", "item_ids",
)  # fmt: skip
_OF_A_RUN = ("job", "doubted_at")
"""What a row needs only until it ends."""
_DIGITS = Context(prec=34)
_MONEY = ("cost", "provider_cost")


def rounds(outcomes: Sequence[Outcome]) -> Iterator[list[int]]:
    """Places in `outcomes`, such that a round has one of each response at most and earlier ones come first."""
    made: list[list[int]] = []
    times: Counter[str] = Counter()
    for place, outcome in enumerate(outcomes):
        if outcome.superseded:
            continue
        if times[outcome.response_id] == len(made):
            made.append([])
        made[times[outcome.response_id]].append(place)
        times[outcome.response_id] += 1
    return iter(made)


def written(outcome: Outcome, expires: datetime) -> Document:
    record = Record.of(outcome)
    given = {name: value for name in _FIELDS if (value := getattr(record, name)) is not None}
    document = {"_id": record.response_id, **given, "expires": expires}
    if record.blob is not None:
        document["blob"] = record.blob.model_dump()
    if record.kept and outcome.metadata:
        document["metadata"] = pairs(outcome.metadata)
    if record.kept and outcome.item_ids:
        document["item_ids"] = list(outcome.item_ids)
    return document


def read(document: Document) -> Record:
    given = {name: document[name] for name in _FIELDS if name in document}
    if "blob" in given:
        given["blob"] = Blob(**given["blob"])
    return Record(response_id=document["_id"], **given)


def if_claimed(document: Document) -> pymongo.UpdateOne:
    """Write an ended response over the row of the attempt that may."""
    row = {"_id": document["_id"], "account": document["account"], "status": {"$in": RUNNING}}
    if document["attempt"]:
        row["attempt"] = document["attempt"]
    values = {name: value for name, value in document.items() if name != "_id"}
    left = dict.fromkeys((*_OF_A_RUN, *(name for name in CONTENT if name not in document)), "")
    return pymongo.UpdateOne(row, {"$set": values, "$unset": left})


def verdict(outcome: Outcome, stored: Document) -> Recorded:
    same = all(stored.get(name) == getattr(outcome, name) for name in ("account", "attempt", "status", "ended_at"))
    return Recorded(won=same, status=stored.get("status", OPEN))


def exact(amount: Decimal) -> Decimal128:
    """Money, in as many digits as MongoDB has."""
    return Decimal128(_DIGITS.plus(amount))


def cost_of(outcome: Outcome, call: UpstreamCall) -> Document:
    payer = outcome.payer.model_dump(include={"key", "end_user", "tags"})
    return {
        **{name: value for name, value in payer.items() if value},
        **priced(call),
        "_id": call.call_id,
        "response_id": outcome.response_id,
        "account": outcome.account,
        "attempt": outcome.attempt,
        "day": day(outcome.created_at),
        "uncounted": True,
    }


def call_of(document: Document) -> UpstreamCall:
    return UpstreamCall(**{**money_of(document), "call_id": document["_id"]})


def priced(price: Price) -> Document:
    """A price, or a call with its price. Amounts are decimals of the database; that a cost is unknown is said."""
    given = price.model_dump(mode="json", exclude={"call_id"}, exclude_defaults=True)
    return (
        given
        | {name: exact(amount) for name in _MONEY if (amount := getattr(price, name)) is not None}
        | ({"cost": None} if price.cost is None else {})
    )


def money_of(document: Document) -> Document:
    """The same with decimals of Python."""
    given = {name: document[name].to_decimal() for name in _MONEY if document.get(name) is not None}
    return document | given
