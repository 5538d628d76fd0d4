"""Budgets: what requests may cost is held before they run, and what they have cost is charged when they are recorded.

A budget is one entry, changed by compare-and-set, so any number of ledgers may. Changes that come to one ledger while
it writes another one are written together.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import zip_longest

import structlog

from warren.contracts import Done, Outcome, Reservation, Reserve, Reserved, Unreserve, UpstreamCall, charge
from warren.durations import renewed
from warren.errors import LedgerUnavailable, WarrenError
from warren_ledger.book import Book, known
from warren_ledger.store.charges import Charge, Corrected
from warren_ledger.store.entries import Entries, Entry

log = structlog.get_logger("warren.ledger")

_ROUND = 5.0
_FAR = 10 * 365 * 86_400.0
_SHARED = ("global", "deployment")
"""Kinds of budgets that are everybody's."""
_TRIES = 50
_PAUSES = (0.02, 0.08, 0.2)
Change = Callable[[Book], Book]


class Budgets:
    """All budgets of a store."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)
        self._limits: dict[str, Decimal] = {}
        """Of the budgets that are everybody's, as they were told last."""

    async def book(self, budget: str) -> Book | None:
        """How a budget stands; None if nothing was ever asked of it."""
        entry = await self._entries.find("budgets", budget)
        return None if entry is None else Book.model_validate(entry.state).at(time.time())

    async def reserve(self, asked: Reserve) -> Reserved:
        """Hold the most that a response may cost, in all budgets or in none.

        Raises:
            WarrenError: 429 `insufficient_quota`: one that is needed has not so much left.
        """
        refused: list[str] = []
        for at, wanted in enumerate(asked.reservations):
            if wanted.budget.partition(":")[0] in _SHARED:
                self._limits[wanted.budget] = wanted.limit
            try:
                await self._hold(asked, wanted)
            except _Exceeded as exceeded:
                if wanted.needed:
                    made = [one.budget for one in asked.reservations[:at] if one.budget not in refused]
                    await self.unreserve(Unreserve(response_id=asked.response_id, budgets=tuple(made)))
                    raise exceeded.error from None
                refused.append(wanted.budget)
        return Reserved(refused=tuple(refused))

    async def _hold(self, asked: Reserve, wanted: Reservation) -> None:
        """What is held for others may be free in a moment: who has seen the end of a response may come before it is
        charged.
        """
        for pause in _PAUSES:
            try:
                await self._change(wanted.budget, partial(_reserved, asked=asked, wanted=wanted))
            except _Exceeded as exceeded:
                if not exceeded.soon:
                    raise
                await asyncio.sleep(pause)
            else:
                return
        await self._change(wanted.budget, partial(_reserved, asked=asked, wanted=wanted))

    async def unreserve(self, asked: Unreserve) -> Done:
        change = partial(Book.released, response_id=asked.response_id, now=time.time())
        for budget in asked.budgets:
            await self._change(budget, change)
        return Done()

    async def settle(self, outcome: Outcome, won: bool, known: Collection[str] = ()) -> None:
        """Charge every call once, whoever tells of it, and how often: those of the attempt that ended the response in
        place of what is held for it, those of others beside. Of `known` ones somebody else has told before.
        """
        calls = [call for call in outcome.calls if call.call_id not in known]
        if not (won or calls):
            return
        for budget in outcome.payer.budgets:
            ours = tuple(call for call in calls if _pays(budget, call))
            if won:
                change: Change = partial(Book.settled, response_id=outcome.response_id, calls=ours, now=time.time())
            else:
                change = partial(Book.beside, calls=ours, now=time.time())
            await self._change(budget, change)

    async def holding(self) -> int:
        """How much is held for requests at the moment, by those budgets whose holds lapse first."""
        now = time.time()
        entries = await self._entries.due("budgets", now + _FAR)
        return sum(len(Book.model_validate(entry.state).at(now).holds) for entry in entries)

    async def used(self) -> dict[str, float]:
        """The part of each budget that is spent or held, of those that are everybody's and were asked for here."""
        now, limits = time.time(), dict(self._limits)
        entries = await self._entries.some("budgets", list(limits))
        books = {entry.id: Book.model_validate(entry.state).at(now) for entry in entries}
        return {name: float((book.spent + book.held) / limits[name]) for name, book in books.items() if limits[name]}

    async def recharge(self, number: int, corrected: Iterable[Corrected]) -> None:
        """Charge what responses cost by now instead of what they were charged. Corrections have numbers: each is made
        once, in their order.
        """
        changes: defaultdict[str, list[tuple[float, Decimal]]] = defaultdict(list)
        for one in corrected:
            for budget, ended_at, amount in _recharged(one):
                changes[budget].append((ended_at, amount))
        for budget, made in changes.items():
            await self._change(budget, partial(Book.recharged, number=number, changes=made, now=time.time()))

    @asynccontextmanager
    async def lapsing(self) -> AsyncIterator[None]:
        """While open, let go of what is held for requests that nothing can come of any more."""
        task = asyncio.create_task(self._lapse())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _lapse(self) -> None:
        while True:
            with suppress(LedgerUnavailable):  # the next round comes
                now = time.time()
                for entry in await self._entries.due("budgets", now):
                    log.warning("a reservation has lapsed", budget=entry.id)
                    await self._change(entry.id, partial(Book.at, now=now))
            await asyncio.sleep(_ROUND)

    async def _change(self, budget: str, change: Change) -> None:
        """Change a book; together with others that wait for the same.

        Raises:
            WarrenError: what the change raises; the book stays as it is then.
        """
        line = self._lines[budget]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append((change, done))
        if line.task is None or line.task.done():
            line.task = asyncio.create_task(self._write(budget, line))
        await done

    async def _write(self, budget: str, line: "_Line") -> None:
        while line.waiting:
            together, line.waiting = line.waiting, []
            try:
                failed = await self._together(budget, [change for change, _ in together])
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                failed = dict.fromkeys(range(len(together)), error)
            for at, (_, done) in enumerate(together):
                if done.done():
                    continue
                if at in failed:
                    done.set_exception(failed[at])
                else:
                    done.set_result(None)
        del self._lines[budget]

    async def _together(self, budget: str, changes: Iterable[Change]) -> dict[int, Exception]:
        """Make these changes in one write; gives which of them failed."""
        for _ in range(_TRIES):
            entry = await self._entries.find("budgets", budget)
            before = book = Book() if entry is None else Book.model_validate(entry.state)
            failed: dict[int, Exception] = {}
            for at, change in enumerate(changes):
                try:
                    book = change(book)
                except _Exceeded as error:
                    failed[at] = error
            if book == before:
                return failed
            version = 0 if entry is None else entry.version + 1
            state = book.model_dump()
            if await self._entries.put(Entry(shelf="budgets", id=budget, version=version, state=state, due=book.due)):
                return failed
        raise LedgerUnavailable("Too many ledgers change this budget at the same time.", retry_after=1)


class _Line:
    """Changes that wait for a book."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Change, asyncio.Future[None]]] = []
        self.task: asyncio.Task[None] | None = None


class _Exceeded(Exception):
    """There is not so much left."""

    def __init__(self, error: WarrenError, *, soon: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.soon = soon
        """There would be, without what is held for others."""


def _reserved(book: Book, asked: Reserve, wanted: Reservation) -> Book:
    now = time.time()
    made = book.reserved(asked.response_id, wanted, asked.until, now)
    if made is None:
        book = book.at(now)
        raise _Exceeded(_over(book, wanted, now), soon=book.spent + wanted.amount <= wanted.limit)
    return made


def _over(book: Book, wanted: Reservation, now: float) -> WarrenError:
    """What to say of a budget that has not enough left. Of what is everybody's no figures are told."""
    kind = wanted.budget.partition(":")[0]
    if kind in _SHARED:
        said = "A budget is used up"
    else:
        left = max(wanted.limit - book.spent - book.held, Decimal(0))
        said = (
            f"The budget of this {kind.replace('_', ' ')} is used up: this request may cost up to ${wanted.amount:f}, "
            f"and of ${wanted.limit:f} there is ${left:f} left"
        )
    wait = None
    if wanted.duration is not None and wanted.amount <= wanted.limit:  # else it never fits
        known = book.resets_at if book.duration == wanted.duration else None
        resets_at = renewed(wanted.duration, now) if known is None else known
        wait = max(resets_at - now, 1.0)
        said += f". It starts anew at {datetime.fromtimestamp(resets_at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    error = WarrenError(f"{said}.", code="insufficient_quota", status=429, retry_after=wait)
    error.type = "insufficient_quota"
    return error


def _pays(budget: str, call: UpstreamCall) -> bool:
    """Whether a call is charged to this budget; to that of a deployment only its own are."""
    kind, _, name = budget.partition(":")
    return kind != "deployment" or call.deployment == name


def _recharged(corrected: Corrected) -> Iterator[tuple[str, float, Decimal]]:
    """What changes in which budgets, and when the response ended that they were charged for."""
    payer, ended_at = corrected.after.payer, corrected.after.ended_at
    if ended_at is None:
        return
    for budget, held in zip_longest(payer.budgets, payer.held[: len(payer.budgets)]):
        before, after = (_taken(budget, one, held) for one in (corrected.before, corrected.after))
        if before != after:
            yield budget, ended_at, after - before


def _taken(budget: str, charged: Charge, held: Decimal | None) -> Decimal:
    """What `settle` takes from a budget for a response, all in all: what its end cost, or, if nobody knows, what was
    held for it, and what is known of the calls beside.
    """
    calls = [call for call in charged.calls if _pays(budget, call)]
    own = [call for call in calls if call.call_id.rpartition(".")[0] == charged.attempt]
    cost = charge(own)
    if cost is None:
        cost = known(own) if held is None else held
    return cost + known(call for call in calls if call not in own)
