"""`python -m bench.capacity`: what a request, a delta and a stored response cost each part of Warren.

These are the figures that docs/capacity.md reckons with. The provider alone is measured in turn with Warren, so that
what the machine was like meanwhile can be told from both.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from pymongo import MongoClient

from bench import report, runs
from bench.load import Load
from bench.runs import Result
from bench.stack import Stack, direct, services

_TEXT = 2400
"""Bytes of text of a typical response, what was asked and what was answered together. All of it is asked here: the
provider of the benchmark always says the same, which a database compresses to nothing."""
_CLIENTS = 64


@dataclass
class Look:
    """One load on Warren, and what it made the parts do besides."""

    result: Result
    before: dict[str, float]
    """MB of memory."""
    after: dict[str, float]
    traffic: dict[str, float] = field(default_factory=dict)
    """MB over the network of whom others connect to."""


def main() -> None:
    options = _options()
    with ExitStack() as stack:
        upstream = stack.enter_context(direct())
        system = stack.enter_context(services(upstream))
        requests = Load(port=0, model="words-16", clients=_CLIENTS, seconds=options.seconds)
        streams = replace(requests, model="words-200", stream=True)
        pairs = [_pair(upstream, system, load) for load in (requests, streams) for _ in range(options.pairs)]
        _say(f"{options.requests:,} responses of {_TEXT:,} bytes")
        before = _stored(system.database)
        kept = _look(system, replace(requests, clients=16, warm=0, requests=options.requests, size=_TEXT))
        print("\n\n".join([report.head(options.load), _beside(pairs), _costs(pairs, kept)]))
        print(f"\n{_storage(before, _stored(system.database), kept.result.seen.sent)}")
    looks = [kept, *(look for _, look in pairs)]
    sys.exit(any(look.result.seen.errors for look in looks))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="how many responses are stored")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each load is measured")
    parser.add_argument("--pairs", type=int, default=3, help="how often the provider and Warren take turns")
    options = parser.parse_args()
    options.load = report.load_average()
    return options


def _pair(upstream: Stack, system: Stack, load: Load) -> tuple[Result, Look]:
    _say("streams" if load.stream else "requests")
    return runs.measure(upstream, "native", load), _look(system, load)


def _look(system: Stack, load: Load) -> Look:
    before, traffic = system.rss(), system.traffic()
    result = runs.measure(system, "native", load)
    carried = {name: now - traffic[name] for name, now in system.traffic().items()}
    return Look(result, before, system.rss(), carried)


def _beside(pairs: list[tuple[Result, Look]]) -> str:
    """Each turn: what the provider alone gave, and what Warren did."""
    rows = [["load", "provider alone", "Warren", "CPU in all", "errors", "beside"]]
    for alone, look in pairs:
        ours = look.result
        if ours.load.stream:
            figures = ["64 streams", f"{alone.deltas:,.0f} deltas/s", f"{ours.deltas:,.0f} deltas/s"]
            figures.append(f"{sum(ours.per_delta().values()):.1f} µs/delta")
        else:
            figures = ["64 clients", f"{alone.rate:,.0f}/s", f"{ours.rate:,.0f}/s"]
            figures.append(f"{sum(ours.per_request().values()):.2f} ms/request")
        rows.append([*figures, str(ours.seen.errors), f"{ours.beside:.1f}"])
    return report.table("In turn", rows)


def _costs(pairs: list[tuple[Result, Look]], kept: Look) -> str:
    """What each part does for a request and for a delta, in the turn beside which the machine did the least else."""
    whole = min((look.result for _, look in pairs if not look.result.load.stream), key=lambda one: one.beside)
    stream = min((look.result for _, look in pairs if look.result.load.stream), key=lambda one: one.beside)
    sent = max(1, kept.result.seen.sent)
    rows = [["", "CPU s/1,000 requests", f"of {_TEXT:,} bytes", "CPU µs/delta", "MB before", "MB after", "KB/request"]]
    for name in kept.after:
        carried = f"{kept.traffic[name] * 1000 / sent:.1f}" if name in kept.traffic else "–"
        figures = (whole.per_request()[name], kept.result.per_request()[name])
        rows.append([name, *(f"{one:.2f}" for one in figures), f"{stream.per_delta()[name]:.1f}"])
        rows[-1] += [f"{kept.before[name]:.0f}", f"{kept.after[name]:.0f}", carried]
    return report.table("What each part does", rows)


Sizes = dict[str, tuple[int, int, int]]
"""For each collection, its documents, bytes on disk and bytes of its indexes."""


def _stored(url: str) -> Sizes:
    with MongoClient[dict[str, Any]](url) as client:
        database = client.get_default_database()
        client.admin.command("fsync")
        stats = {name: database.command("collstats", name) for name in database.list_collection_names()}
    return {name: (one["count"], one["storageSize"], one["totalIndexSize"]) for name, one in stats.items()}


def _storage(before: Sizes, after: Sizes, responses: int) -> str:
    rows = [["collection", "documents each", "bytes each, compressed", "bytes of indexes", "GB per 1,000,000"]]
    sums = [0.0, 0.0]
    for name, now in sorted(after.items()):
        made, disk, indexes = (b - a for a, b in zip(before.get(name, (0, 0, 0)), now, strict=True))
        if made <= responses // 100:
            continue
        each = [disk / responses, indexes / responses]
        sums = [a + b for a, b in zip(sums, each, strict=True)]
        rows.append([name, f"{made / responses:.2f}", *(f"{one:,.0f}" for one in each), f"{sum(each) / 1000:.2f}"])
    rows.append(["in all", "", *(f"{one:,.0f}" for one in sums), f"{sum(sums) / 1000:.2f}"])
    return report.table(f"What {responses:,} responses take in MongoDB", rows)


def _say(text: str) -> None:
    print(f"  … {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
