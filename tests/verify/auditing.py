"""An audit: what a provider's journal says that it served, beside what the ledger says that it cost.

It is computed here from the journal and a table of prices, by nothing of Warren.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.rig.journal import Call, Used

Document = dict[str, Any]
READ_OFF = 16
"""Tokens by which an estimate of what was read may be off, with texts of four characters to a token."""
UNREAD = 2.0
"""Seconds of a model's words that may not have been read when a call is stopped."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a token."""

    read: Decimal
    cached: Decimal
    written: Decimal
    reasoned: Decimal

    def of(self, used: Used) -> Decimal:
        return (
            (used.read - used.cached) * self.read
            + used.cached * self.cached
            + (used.written - used.reasoned) * self.written
            + used.reasoned * self.reasoned
        )


@dataclass
class Audit:
    """`problems` is what is wrong; the rest are figures to look at."""

    prices: Mapping[str, Price]
    """By the id of a deployment."""
    problems: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    total: Decimal = Decimal(0)
    """Of all records."""
    exact: Decimal = Decimal(0)
    """Of those whose usage the provider had reported."""
    short: Decimal = Decimal(0)
    """By how much the estimates are below what was served."""
    over: Decimal = Decimal(0)
    """By how much they are above."""

    def compare(self, journal: Iterable[Call], records: Iterable[Document]) -> None:
        """Lay every call beside its record."""
        served: defaultdict[str, list[Call]] = defaultdict(list)
        for call in journal:
            served[call.call_id].append(call)
        there = {record["_id"]: record for record in records}
        for id_, calls in served.items():
            if len(calls) > 1:
                self.problems.append(f"{id_}: {len(calls)} calls under one id")
            if id_ not in there:
                self.problems.append(f"missing: {id_} {calls[0].model} {calls[0].status} {calls[0].fate}")
            else:
                self._check(calls[0], there[id_])
        for id_ in there.keys() - served.keys():
            self._unserved(there[id_])

    def _check(self, call: Call, record: Document) -> None:
        price, source = self.prices[record["deployment"]], record.get("usage_source")
        if source is None:
            self.kinds["refused"] += 1
            if call.status < 300:
                self.problems.append(f"free: {record}, {call.used}")
            return
        used, cost = _used(record["usage"]), record["cost"].to_decimal()
        self.total += cost
        if cost != price.of(used):
            self.problems.append(f"wrong sum: {record['_id']}: {cost} for {used}")
        if source == "reported":
            self.kinds["reported"] += 1
            self.exact += cost
            if used != call.reported:
                self.problems.append(f"not as reported: {record['_id']}: {used}, {call.reported}")
        else:
            self._estimated(call, record, used, cost - price.of(_truth(call)))

    def _estimated(self, call: Call, record: Document, used: Used, off: Decimal) -> None:
        """It says why it is only an estimate, and is not far off, as far as anybody can know."""
        why = "lost" if record.get("lost") else record.get("error")
        self.kinds[f"estimated: {why}"] += 1
        self.short, self.over = self.short - min(off, Decimal(0)), self.over + max(off, Decimal(0))
        if why is None:
            self.problems.append(f"estimated without a reason: {record['_id']}")
        truth = _truth(call)
        if call.status < 300 and abs(used.read - truth.read) > READ_OFF:
            self.problems.append(f"read is far off: {record['_id']}: {used}, {truth}")
        if used.written > truth.written + 1:
            self.problems.append(f"more than was said: {record['_id']}: {used}, {truth}")
        if not record.get("lost") and truth.written - truth.reasoned - used.written > _unread(call):
            self.problems.append(f"much was not heard: {record['_id']}: {used}, {truth}")

    def _unserved(self, record: Document) -> None:
        """A call that the provider does not know of: it cost nothing, or its worker died just as it was to be sent."""
        if record.get("usage_source") is None:
            self.kinds["not sent"] += 1
        elif record.get("lost"):
            self.kinds["lost on its way"] += 1
            self.total += record["cost"].to_decimal()
            self.over += record["cost"].to_decimal()
        else:
            self.problems.append(f"never served: {record}")


def _truth(call: Call) -> Used:
    return call.reported or call.used


def _used(usage: Document) -> Used:
    names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    return Used(*(usage.get(name, 0) for name in names))


def _unread(call: Call) -> float:
    """Tokens that this model says in the time that a call may take to stop."""
    _, words, pause = (*call.model.split("-"), "0")[:3]
    per_second = 1000 / max(int(pause), 1)
    return min(int(words), per_second * UNREAD) * 3
