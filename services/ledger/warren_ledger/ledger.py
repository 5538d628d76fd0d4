"""The ledger: what is done with each message that reaches it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

import structlog
from pydantic_core import from_json, to_json

from warren import events, ids, objects
from warren.bus import LEDGER_ASK, LEDGER_WRITE, Bus, Delivery, dead, jobs
from warren.contracts import (
    AddItems,
    AddParty,
    Begun,
    CancelBackground,
    ChangeParty,
    Checked,
    Chunks,
    Claim,
    Claimed,
    Cooldown,
    Delete,
    DeleteConversation,
    Deleted,
    DeleteItem,
    Deposit,
    Done,
    Enter,
    Fetch,
    FetchConversation,
    Fetched,
    FetchItem,
    FindParty,
    Flag,
    Head,
    Held,
    Identify,
    Inspect,
    Job,
    Leave,
    ListCalls,
    ListCharges,
    ListConversations,
    ListInputs,
    ListItems,
    ListParties,
    ListResponses,
    Locate,
    Located,
    Message,
    Open,
    OpenConversation,
    Outcome,
    Part,
    Permit,
    Ping,
    Pong,
    Rebuild,
    Release,
    RemoveParty,
    ReportSpend,
    Reprice,
    Reserve,
    Survey,
    Tail,
    Turn,
    Unreserve,
    UpdateConversation,
    Withdraw,
)
from warren.errors import BusUnavailable, CallTimeout, InvalidRequest, LedgerUnavailable, NotFound, WarrenError
from warren.objects import Item
from warren.sse import DONE, encode
from warren.telemetry import instruments
from warren_ledger import measured
from warren_ledger.batch import Batcher
from warren_ledger.budgets import Budgets
from warren_ledger.charging import Charging
from warren_ledger.conversations import Conversations
from warren_ledger.counting import Counting
from warren_ledger.ends import Ends
from warren_ledger.lists import Lists
from warren_ledger.losses import Losses
from warren_ledger.parties import Parties
from warren_ledger.patience import until_there, until_up
from warren_ledger.permits import Permits
from warren_ledger.recall import Recall
from warren_ledger.reports import Reports
from warren_ledger.requestlog import RequestLog
from warren_ledger.runs import WINDOW, Detached
from warren_ledger.standing import Standing
from warren_ledger.store import Record, Store
from warren_ledger.watch import Watch

T = TypeVar("T")

log = structlog.get_logger("warren.ledger")

_WRITES = 512
_ASKS = 512
_DEAD = 16
_ON_ITS_WAY = 3.0
"""Seconds in which an outcome that the broker has reaches the store, unless something is wrong."""
_BEHIND = 2.0
"""Seconds from the end of a response until it is on disk; when it takes longer, it may take longer than they wait."""
_MARGIN = 120.0
"""Seconds: clocks differ, and a job that is taken just before its deadline still has to end."""


@asynccontextmanager
async def recording(
    bus: Bus, store: Store, longest: float, *, window: timedelta = WINDOW, requests: RequestLog | None = None
) -> AsyncIterator[None]:
    """Be a ledger while this is open. No response takes longer than `longest` seconds to end, in the background
    neither; the logs of detached runs are kept for `window` behind their deadlines, and keys for as long.

    Leaving finishes what has been taken; while the store is away that can take for ever, so whoever leaves sets a
    limit. What is not finished then is still in its queue.
    """
    requests = requests or RequestLog(store)
    conversations = Conversations(store)
    budgets, permits = Budgets(store.entries), Permits(store.notes)
    charging = Charging(budgets, permits)
    watch = Watch()
    async with Batcher.open(bus, store, conversations, charging, watch) as batcher:
        ends = Ends(bus, store, batcher, window)
        runs = Detached(bus, store, ends, window)
        calls, parties = Losses(bus, store.entries, batcher), Parties(bus, store, budgets)
        ledger = Ledger(
            bus, store, batcher, runs, ends, conversations, parties, permits, charging, calls, watch, longest
        )
        async with (
            bus.serve(LEDGER_WRITE, ledger.write, limit=_WRITES),
            bus.serve(dead(jobs("any")), ledger.bury, limit=_DEAD),
            bus.serve(LEDGER_ASK, ledger.answer, limit=_ASKS),
            ends.reaping(),
            calls.watching(),
            budgets.lapsing(),
            Counting(store, tell=requests.told, recharge=budgets.recharge).open(),
            requests.open(),
            measured.watching(store, budgets, requests),
            watch.open(bus, _WRITES, lambda: batcher.waiting),
        ):
            yield


class Ledger:
    """Handlers for the ledger's addresses."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        batcher: Batcher,
        runs: Detached,
        ends: Ends,
        conversations: Conversations,
        parties: Parties,
        permits: Permits,
        charging: Charging,
        calls: Losses,
        watch: Watch,
        longest: float,
    ) -> None:
        self._bus = bus
        self._store = store
        self._batcher = batcher
        self._runs = runs
        self._ends = ends
        self._conversations = conversations
        self._parties = parties
        self._permits = permits
        self._charging = charging
        self._calls = calls
        self._watch = watch
        self._lists = Lists(store, self._if_coming)
        self._reports = Reports(store)
        self._recall = Recall(store, self._if_coming)
        self._standing = Standing(store.notes)
        self._longest = longest + _MARGIN

    async def write(self, delivery: Delivery) -> Message | None:
        """Return when it is on disk. While the store is away that takes as long as it takes: nothing is given back."""
        message = delivery.message
        match message:
            case Claim(detached=True):
                return await self._runs.claim(message)
            case Outcome() | Claim() | Chunks():
                return await self._batcher.add(message)
            case Begun():
                return await until_up(lambda: self._calls.begin(message))
            case Open():
                return await self._runs.open(message, again=delivery.redelivered)
            case CancelBackground():
                return await self._cancel(message)
            case Delete():
                return await self._delete(message)
            case Deposit() | Cooldown() | Checked() | Reprice():
                await until_up(lambda: self._keep(message))
                return Done()
            case (
                OpenConversation() | UpdateConversation() | DeleteConversation()
                | AddItems() | DeleteItem() | Enter() | Leave()
            ):  # fmt: skip
                return await self._conversations.write(message)
            case Unreserve():
                return await until_up(lambda: self._charging.unreserve(message))
            case AddParty() | ChangeParty() | RemoveParty():
                return await self._parties.write(message)
        raise InvalidRequest(f"The ledger does not write a {message.kind}.")

    async def _keep(self, message: Deposit | Cooldown | Checked | Reprice) -> None:
        match message:
            case Deposit():
                await self._store.blobs.deposit(message)
            case Reprice():
                await self._store.charges.correct(message.corrections)
            case Cooldown() | Checked():
                await self._standing.keep(message)

    async def answer(self, delivery: Delivery) -> Message:
        """Answer from the store. That a response is not there is said only when it cannot be on its way any more.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        message = delivery.message
        match message:
            case Locate() | Fetch():
                return await self._steadily(lambda: self._look(message))
            case Rebuild():
                return await self._steadily(lambda: self._recall.rebuild(message))
            case Tail():
                return await self._runs.tail(message)
            case Withdraw():
                return await self._withdraw(message)
            case FetchConversation() | ListConversations() | ListItems() | FetchItem():
                return await self._conversations.answer(message)
            case ListInputs() | ListResponses():
                return await self._lists.answer(message)
            case Reserve() | Identify() | FindParty() | ListParties():
                return await self._parties.answer(message)
            case Permit() | Release():
                return await self._permits.answer(message)
            case ReportSpend() | ListCharges() | ListCalls() | Inspect():
                return await self._reports.answer(message)
            case Turn() | Survey():
                standing = self._standing
                return await (standing.turn(message) if isinstance(message, Turn) else standing.survey())
            case Ping():
                return await self._pong()
        raise InvalidRequest(f"The ledger does not answer a {message.kind}.")

    async def bury(self, delivery: Delivery) -> None:
        """Record the response of a job that no worker could take as failed, unless it has ended after all."""
        job = delivery.message
        instruments.DEAD_LETTERS.add(1, dead(jobs("any")))
        if not isinstance(job, Job):
            log.error("a dead letter is no job", kind=job.kind)
            return
        log.error("no worker could take a job", response_id=job.response_id)
        if job.detached:
            await self._ends.bury(job)
            return
        response, outcome = _failed(job)
        await self._batcher.add(outcome)
        await self._tell(job, response)

    async def _tell(self, job: Job, response: Item) -> None:
        """End it for the client, as an attempt that claims the request and has nothing to show but this."""
        attempt = ids.new("att")
        claim = Claim(response_id=job.response_id, account=job.account, attempt=attempt)
        try:
            claimed = await self._bus.call(job.reply_to, claim, timeout=2)
        except (BusUnavailable, CallTimeout):
            return  # the gateway is gone, and the client with it
        if not isinstance(claimed, Claimed) or claimed.verdict != "run":
            return
        error = WarrenError(response["error"]["message"])
        status, body, made = error.status, to_json(error.body()), []
        if job.stream and claimed.sequence:
            made = events.failure(response)
            for number, event in enumerate(made, claimed.sequence):
                event["sequence_number"] = number
            status, body = 200, b"".join(map(encode, made)) + DONE
        head = Head(status=status, worker=self._bus.address, error=error.code)
        first, last = claimed.sequence, claimed.sequence + len(made) - 1
        part = Part(job.response_id, attempt, 0, first, last, len(body), int(Flag.LAST), head)
        await self._bus.post(job.reply_to, Chunks(parts=(part,), payload=body))

    async def _delete(self, message: Delete) -> Deleted:
        """Forget it; what runs in the background is cancelled first."""
        id_, account = message.response_id, message.account
        await self._ends.cancel(id_, account)
        gone = await self._if_coming(id_, lambda: until_up(lambda: self._store.delete(id_, account)))
        return Deleted(found=bool(gone))

    async def _cancel(self, message: CancelBackground) -> Fetched:
        id_, account = message.response_id, message.account
        await self._ends.cancel(id_, account)
        record = await self._if_coming(id_, lambda: until_up(lambda: self._find(id_, account, content=True)))
        if record is None or not record.kept or (body := record.shown()) is None:
            raise NotFound(f"Response with id '{id_}' not found.")
        if not record.background:
            raise InvalidRequest("Cannot cancel a synchronous response.")
        return Fetched(found=True, payload=body)

    async def _find(self, response_id: str, account: str, *, content: bool = False) -> Record | None:
        return await self._store.find(response_id, account, content=content, running=True)

    async def _steadily(self, work: Callable[[], Awaitable[T]]) -> T:
        """Read once more, if a store fails that was well until now: a lost primary or a disk that stands still is back
        in moments. In an outage nobody waits twice.
        """
        shaky = self._store.shaky
        try:
            return await work()
        except LedgerUnavailable:
            if shaky:
                raise
        return await work()

    async def _look(self, asked: Locate | Fetch) -> Located | Fetched:
        look = self._locate if isinstance(asked, Locate) else self._fetch
        return await look(asked.response_id, asked.account)

    async def _locate(self, response_id: str, account: str) -> Located:
        record = await self._if_coming(response_id, lambda: self._find(response_id, account))
        if record is None or not record.kept:
            return Located(found=False)
        held = None
        if record.deployment is not None:
            held = Held(deployment=record.deployment, upstream_id=record.upstream_id or "")
        return Located(found=True, status=record.status, held=held)

    async def _fetch(self, response_id: str, account: str) -> Fetched:
        record = await self._if_coming(response_id, lambda: self._find(response_id, account, content=True))
        if record is None or (body := record.shown()) is None:
            return Fetched(found=False)
        return Fetched(found=True, payload=body)

    async def _withdraw(self, message: Withdraw) -> Fetched:
        piece = await self._store.blobs.withdraw(message.response_id, message.account, message.name, message.number)
        return Fetched(found=piece is not None, payload=piece or b"")

    async def _pong(self) -> Pong:
        try:
            await self._store.ping()
        except LedgerUnavailable:
            return Pong(states={"store": "down"})
        return Pong(states={"store": "up"})

    async def _if_coming(self, response_id: str, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """What is there; for an id so young that its outcome may still be in the queue, what comes within moments.

        Raises:
            LedgerUnavailable: nothing came, and what ended moments ago may come later than that.
        """
        young = time.time() < ids.born(response_id) + self._longest
        found = await until_there(look, seconds=_ON_ITS_WAY if young else 0)
        if found is None and young and (self._store.shaky or (self._watch.lag or 0) > _BEHIND):
            raise LedgerUnavailable("The ledger is behind: this may not be stored yet.", retry_after=2)
        return found


def _failed(job: Job) -> tuple[Item, Outcome]:
    """The end of a job that never began, and its record. It belongs to no attempt."""
    try:
        request = {"model": "unknown", "input": [], **from_json(job.payload)}
    except (TypeError, ValueError):
        request = {"model": "unknown", "input": [], "store": False}
    error = WarrenError("The request could not be worked on.")
    blank = objects.blank(request, response_id=job.response_id, created_at=job.created_at)
    response = events.interrupted(blank, "server_error", error.message)
    return response, Outcome.of(job, request, response, attempt="", error=error)
