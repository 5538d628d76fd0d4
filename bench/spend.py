"""`python -m bench.spend`: how long reports take, and how large what they stand on is, on a mongod of its own.

Charges, costs and the sums of days are made in bulk, as the ledger would have written them; then the ledger's own
handlers are asked.
"""

import argparse
import asyncio
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from statistics import median
from typing import Any

from pymongo import MongoClient, WriteConcern

from tests.rig.mongod import Mongod
from warren import ids
from warren.contracts import ListCharges, Outcome, Page, Payer, ReportSpend, UpstreamCall, Usage
from warren_ledger.counting import Counting
from warren_ledger.reports import Reports
from warren_ledger.store.charges import Charge
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.mongo.charges import written
from warren_ledger.store.mongo.documents import cost_of
from warren_ledger.tallies import Fact, Tally, day, rows

Document = dict[str, Any]

_DAYS = 30
_LAST = date(2026, 11, 25)
_BULK = 5000
_REPORTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("day", {}), ("model", {}), ("provider", {}), ("deployment", {}), ("day,model", {}), ("key", {}), ("account", {}),
    ("key,model", {}), ("tag", {}), ("user", {}), ("day,user", {"user": "user_00007"}), ("day,model", {"key": "key_7"}),
    ("user", {"account": "account_3"}),
)  # fmt: skip


@dataclass
class Profile:
    """Who asks for what; its requests are all alike."""

    account: str
    payer: Payer
    call: UpstreamCall
    written: tuple[Document, Document] | None = None


def main() -> None:
    options = _options()
    with Mongod() as server:
        asyncio.run(_measured(f"{server.url}spend", options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.spend")
    parser.add_argument("--charges", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=20)
    return parser.parse_args()


async def _measured(url: str, options: argparse.Namespace) -> None:
    profiles = _profiles(options)
    async with MongoStore.open(url) as store:
        with MongoClient[Document](url) as client:
            database = client.get_default_database()
            _seed(database, profiles, options.charges)
        _say("indexes")
        await store.charges.prepare()
        await _sum_up(store, profiles, options.charges)
        print(f"{options.charges:,} charges, {options.users:,} end users, {options.keys} keys")
        print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
        await _reports(Reports(store), options.repeat)
        await _counting(store)
    _sizes(url)


def _profiles(options: argparse.Namespace) -> list[Profile]:
    """Every end user has three models and one key."""
    chance = random.Random(1)
    made = []
    for user in range(options.users):
        key = user % options.keys
        tags = (f"team-{key % 20}",) if key % 2 else (f"team-{key % 20}", "batch")
        payer = Payer(key=f"key_{key}", end_user=f"user_{user:05}", tags=tags)
        for model in chance.sample(range(20), 3):
            usage = Usage(input_tokens=chance.randrange(100, 5000), output_tokens=chance.randrange(10, 1000))
            cost = Decimal(usage.input_tokens) * Decimal("0.00000125") + usage.output_tokens * Decimal("0.00001")
            call = UpstreamCall(
                call_id="", deployment=f"model-{model}-0123456789ab", provider=f"provider-{model % 5}",
                model=f"model-{model}", started_at=0.0, seconds=1.25, first_event_seconds=0.25, status=200,
                upstream_request_id="req_0123456789abcdef0123456789abcdef", usage=usage, usage_source="reported",
                cost=None if model == 0 else cost,
            )  # fmt: skip
            made.append(Profile(f"account_{key % 50}", payer, call))
    return made


def _requests(profiles: list[Profile], charges: int) -> Iterator[tuple[float, Profile]]:
    """So many, evenly over the days, each profile in its turn."""
    first = datetime.combine(_LAST, datetime.min.time(), UTC).timestamp() - (_DAYS - 1) * 86_400
    step = _DAYS * 86_400 / charges
    for number in range(charges):
        yield first + number * step, profiles[number % len(profiles)]


def _seed(database: Any, profiles: list[Profile], charges: int) -> None:
    """Write charges and costs, without waiting for the disk."""
    quick = WriteConcern(w=1, j=False)
    into = [database.get_collection(name, write_concern=quick) for name in ("charges", "costs")]
    made = 0
    began = time.monotonic()
    requests = _requests(profiles, charges)
    while some := list(islice(requests, _BULK)):
        documents = [_documents(at, profile) for at, profile in some]
        for collection, place in zip(into, (0, 1), strict=True):
            collection.insert_many([one[place] for one in documents], ordered=False)
        made += len(some)
        if made % (charges // 20 or 1) < _BULK:
            _say(f"{made:,} charges, {made / (time.monotonic() - began):,.0f}/s")


def _documents(at: float, profile: Profile) -> tuple[Document, Document]:
    response_id, attempt = f"{ids.new('resp')}0123456789", ids.new("att")
    charge, cost = _like(profile)
    times = {"created_at": at, "ended_at": at + 1.5}
    day_ = {"day": day(at), "started_at": at}
    return (
        {**charge, "_id": response_id, "attempt": attempt, **times},
        {**cost, "_id": f"{attempt}.1", "response_id": response_id, "attempt": attempt, **day_},
    )


def _like(profile: Profile) -> tuple[Document, Document]:
    """What all charges and all costs of a profile have, as the ledger writes it; made once."""
    if profile.written is None:
        outcome = Outcome(
            response_id="", account=profile.account, attempt="", status="completed", store=True,
            model=profile.call.model, created_at=0.0, ended_at=0.0, split=0, calls=(profile.call,),
            payer=profile.payer,
        )  # fmt: skip
        charge, cost = written(Charge.of(outcome, won=True)), cost_of(outcome, profile.call)
        del charge["uncounted"], cost["uncounted"]
        profile.written = charge, cost
    return profile.written


async def _sum_up(store: MongoStore, profiles: list[Profile], charges: int) -> None:
    """What counting would have made of these, day by day."""
    _say("sums of days")
    times: dict[tuple[str, int], int] = {}
    first, step = (_LAST - timedelta(days=_DAYS - 1)), charges / _DAYS
    for number in range(_DAYS):
        on = str(first + timedelta(days=number))
        asked = range(round(number * step), round((number + 1) * step))
        each, more = divmod(len(asked), len(profiles))
        for at in range(len(profiles)):
            times[on, (asked.start + at) % len(profiles)] = each + (at < more)
    for number in range(_DAYS):
        on = str(first + timedelta(days=number))
        facts = (_fact(on, profile, times[on, at]) for at, profile in enumerate(profiles))
        await store.charges.count(number, rows(facts))


def _fact(on: str, profile: Profile, times: int) -> Fact:
    one = Tally.of_call(profile.call) + Tally.of_request("completed")
    counts = {name: getattr(one, name) * times for name in ("requests", "calls", "priced_calls", "unpriced_calls",
                                                            "input_tokens", "output_tokens")}  # fmt: skip
    fact = Fact.of_call(profile.call, on, profile.account, profile.payer)
    return Fact(
        day=on, account=fact.account, payer=fact.payer, deployment=fact.deployment, provider=fact.provider,
        model=fact.model, tally=Tally(**counts, cost=one.cost * times),
    )  # fmt: skip


async def _reports(reports: Reports, repeat: int) -> None:
    first = str(_LAST - timedelta(days=_DAYS - 1))
    print(f"{'30 days by':32} {'rows':>6} {'best ms':>8} {'p50':>8} {'worst':>8}")
    for by, where in _REPORTS:
        asked = ReportSpend(by=tuple(by.split(",")), first=first, last=str(_LAST), where=where, limit=10_000)
        await _timed(f"{by} {' '.join(map('='.join, where.items()))}", reports, asked, repeat)
    for where in ({}, {"account": "account_3"}, {"key": "key_7"}, {"user": "user_00007"}):
        name = f"logs, 100 {' '.join(map('='.join, where.items()))}"
        await _timed(name, reports, ListCharges(where=where, limit=100), repeat)


async def _timed(name: str, reports: Reports, asked: ReportSpend | ListCharges, repeat: int) -> None:
    took = []
    page = Page(found=False)
    for _ in range(repeat):
        began = time.perf_counter()
        answer = await reports.answer(asked)
        assert isinstance(answer, Page)
        page = answer
        took.append((time.perf_counter() - began) * 1000)
    times = " ".join(f"{one:>8.1f}" for one in (min(took), median(took), max(took)))
    print(f"{name:32} {page.payload.count(b'spend'):>6} {times}", flush=True)


async def _counting(store: MongoStore) -> None:
    """How fast new charges are counted."""
    made = [_outcome(number) for number in range(20_000)]
    for at in range(0, len(made), 200):
        await store.put(made[at : at + 200])
    counting, counted, began = Counting(store), 0, time.perf_counter()
    while more := await counting.count():
        counted += more
    print(f"counted {counted:,} calls and requests, {counted / (time.perf_counter() - began):,.0f}/s")


def _outcome(number: int) -> Outcome:
    usage = Usage(input_tokens=10, output_tokens=5)
    call = UpstreamCall(
        call_id=f"new_{number}.1", deployment="d", provider="p", model="m", started_at=0.0, seconds=0.5, usage=usage,
        usage_source="reported", cost=Decimal("0.001"),
    )  # fmt: skip
    return Outcome(
        response_id=ids.new("resp"), account="a", attempt=f"new_{number}", status="completed", store=False, model="m",
        created_at=time.time(), ended_at=time.time(), split=0, calls=(call,),
        payer=Payer(key=f"key_{number % 200}", end_user=f"user_{number % 1000:05}"),
    )  # fmt: skip


def _sizes(url: str) -> None:
    with MongoClient[Document](url) as client:
        database = client.get_default_database()
        print(f"{'':12} {'documents':>12} {'bytes each':>11} {'on disk':>8} {'indexes':>8} bytes each, compressed")
        for name in ("charges", "costs", "rollups"):
            stats = database.command("collstats", name)
            many = stats["count"]
            figures = (stats["size"] / many, stats["storageSize"] / many, stats["totalIndexSize"] / many)
            print(f"{name:12} {many:>12,} {figures[0]:>11.0f} {figures[1]:>8.0f} {figures[2]:>8.0f}")
            _indexes(stats["indexSizes"], many)


def _indexes(sizes: dict[str, int], many: int) -> None:
    for name, size in sorted(sizes.items(), key=lambda one: -one[1]):
        print(f"  {name:44} {size / many:>8.1f}")


def _say(text: str) -> None:
    print(f"  … {text}", flush=True)


if __name__ == "__main__":
    main()
