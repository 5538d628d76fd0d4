"""Charges: what is kept for ever of a response, which is whose it was, how it ended and what its calls cost.

Reports read sums of them. Every call, every end of a request and every correction of prices is counted once into these,
by batches with numbers: only one batch is open at a time (whoever counts sees to that), what is in it is fixed when it
opens, and no row takes a number twice, or one that is behind the last it took. So anybody may do any part of an open
batch again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from warren.contracts import Correction, Outcome, Payer, UpstreamCall
from warren_ledger.tallies import Fact, Row, Tally, day


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One response. What it costs is what its calls cost together, whenever they became known, whoever made them."""

    response_id: str
    account: str
    payer: Payer
    model: str
    """That was asked for."""
    created_at: float
    status: str | None = None
    """None until it ends: calls were made for it, that is all that is known."""
    ended_at: float | None = None
    attempt: str | None = None
    error: str | None = None
    deployment: str | None = None
    provider: str | None = None
    served: str | None = None
    """The provider's name of the model that answered, or was asked last."""
    request_id: str | None = None
    """What its client calls the request, if it calls it anything."""
    trace_id: str | None = None
    calls: tuple[UpstreamCall, ...] = ()
    """As they are priced by now."""
    corrections: int = 0
    """How often they were priced again."""

    @classmethod
    def of(cls, outcome: Outcome, won: bool) -> "Charge":
        """What an outcome says of a response: how it ended only if that is the record."""
        held = () if won and outcome.charge is not None else outcome.payer.held
        charge = cls(
            response_id=outcome.response_id,
            account=outcome.account,
            payer=outcome.payer.model_copy(update={"limits": (), "held": held}),
            model=outcome.model,
            created_at=outcome.created_at,
        )
        if not won:
            return charge
        last = outcome.calls[-1] if outcome.calls else None
        return replace(
            charge,
            status=outcome.status,
            ended_at=outcome.ended_at,
            attempt=outcome.attempt,
            error=outcome.error,
            deployment=last.deployment if last is not None else outcome.deployment,
            provider=last.provider if last is not None else None,
            served=last.model if last is not None else None,
            request_id=outcome.request_id or None,
            trace_id=outcome.trace_id or None,
        )

    def fact(self) -> Fact:
        """The end of this request, to be counted."""
        return Fact(
            day=day(self.created_at),
            account=self.account,
            payer=self.payer,
            deployment=self.deployment or "",
            provider=self.provider or "",
            model=self.served or self.model,
            tally=Tally.of_request(self.status or ""),
        )

    def facts(self) -> Iterator[Fact]:
        """Its calls, to be counted."""
        return (Fact.of_call(call, day(self.created_at), self.account, self.payer) for call in self.calls)

    def corrected(self, correction: Correction | None) -> Self:
        """As it is by this correction, the latest; None, as it was recorded."""
        if correction is None:
            return self
        prices = correction.prices
        calls = (call.priced(prices[call.call_id]) if call.call_id in prices else call for call in self.calls)
        return replace(self, calls=tuple(calls), corrections=correction.number)


@dataclass(frozen=True, slots=True)
class Corrected:
    """A charge as it was before a correction, and as that made it."""

    before: Charge
    after: Charge

    def facts(self) -> Iterator[Fact]:
        """The differences, to be counted."""
        for before, after in zip(self.before.facts(), self.after.facts(), strict=True):
            if before != after:
                yield replace(after, tally=after.tally - before.tally)


@dataclass(frozen=True, slots=True)
class Batch:
    """What is counted together: calls, requests and corrections, by their ids."""

    calls: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.calls) + len(self.requests) + len(self.corrections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which periods to sum up, by what, and of whom only. Names are those of a view's values, and `period`."""

    view: str
    by: tuple[str, ...]
    periods: Sequence[str]
    where: Mapping[str, str]
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which charges to list, newest first."""

    where: Mapping[str, str]
    """`account`, `key`, `end_user`, `tag`, `model`, `deployment`, `provider`, `status`, `error`, `request_id`,
    `response_id`; `prefix` is how an id begins."""
    since: float | None = None
    until: float | None = None
    before: tuple[float, str] | None = None
    """Go on behind this one: its `created_at` and its id."""
    limit: int = 100


class Charges(Protocol):
    """They are written by the store's `put`, as the responses are. Every method may be called again after a failure,
    like the store's.
    """

    async def uncounted(self, limit: int) -> Batch:
        """About so many calls, requests and corrections that are not counted yet."""

    async def facts(self, batch: Batch) -> list[Fact]:
        """What calls and requests of a batch are: always the same."""

    async def corrected(self, batch: Batch) -> list[Corrected]:
        """What corrections of a batch do: always the same."""

    async def count(self, number: int, rows: Mapping[Row, Tally]) -> None:
        """Add these to the rows that have not taken this number, nor a later one."""

    async def counted(self, batch: Batch) -> None:
        """These are counted."""

    async def report(self, asked: Question) -> list[tuple[tuple[str, ...], Tally]]:
        """A tally for each combination of values, by `tallies.order`; the first ones, if there is a limit."""

    async def some(self, ids: Sequence[str]) -> Sequence[Charge]:
        """Those of these that are there, with their calls, in no order."""

    async def page(self, wanted: Wanted) -> Sequence[Charge]:
        """Charges, with their calls."""

    async def correct(self, corrections: Sequence[Correction]) -> None:
        """Write these down. Of those with one response and number, the first counts."""
