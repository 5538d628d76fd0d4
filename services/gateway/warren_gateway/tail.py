"""Following a response that runs detached: what its log holds, then what comes, whoever runs it and whoever looks.

Only the ledger's store is the truth. What is told of it is a nudge to look again, and without one it is looked at
every two seconds.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from secrets import randbelow, token_urlsafe
from time import monotonic
from typing import NamedTuple

from pydantic_core import from_json

from warren import events, sse
from warren.bus import LEDGER_ASK, LOGGED, Bus
from warren.contracts import Fetch, Fetched, Flag, Head, Locate, Located, Logged, Message, Part, Tail, Tailed
from warren.errors import LedgerUnavailable, NotFound, Overloaded, Unavailable
from warren.objects import TERMINAL

POLL = 2.0
"""Seconds after which is looked without a nudge."""
PATIENCE = 60.0
"""Seconds for which the ledger may be away."""
_ANSWER = 5.0


class Piece(NamedTuple):
    """What comes next of a response: whole events, or a JSON answer."""

    data: bytes
    head: Head | None = None
    last: bool = False


class Logs:
    """Whom to nudge when a log has grown: everybody in this gateway who follows it."""

    def __init__(self) -> None:
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.closed = False

    def receive(self, message: Message) -> Message | None:
        if isinstance(message, Logged):
            for response_id in message.response_ids:
                for grown in self._followers.get(response_id, ()):
                    grown.set()
        return None

    def close(self) -> None:
        """Nobody is followed any more from here."""
        self.closed = True
        for followers in self._followers.values():
            for grown in followers:
                grown.set()

    @contextmanager
    def watching(self, response_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever this log has grown."""
        grown = asyncio.Event()
        self._followers[response_id].add(grown)
        try:
            yield grown
        finally:
            self._followers[response_id].discard(grown)
            if not self._followers[response_id]:
                del self._followers[response_id]


@asynccontextmanager
async def following(bus: Bus) -> AsyncIterator[Logs]:
    """Logs that hear of it when they grow, while open."""
    logs = Logs()
    async with bus.listen([LOGGED], logs.receive):
        yield logs


async def follow(
    bus: Bus, logs: Logs, response_id: str, account: str, *, after: int = -1, first: Tailed | None = None
) -> AsyncGenerator[Piece]:
    """What comes behind this event, as it comes, up to the last piece; none is empty but perhaps that.

    `first` is what the ledger has answered already. If this gateway is closed there is no last piece.

    Raises:
        LedgerUnavailable: it was away for a minute.
        NotFound: there is no such response, or no more.
    """
    with logs.watching(response_id) as grown:
        fresh = first is None
        beyond, over = after >= 0, False
        while not logs.closed:
            grown.clear()
            tailed = first or await _tailed(bus, logs, Tail(response_id=response_id, account=account, after=after))
            first = None
            if tailed is None:
                return
            if not tailed.found:
                raise NotFound(f"Response with id '{response_id}' not found.")
            if not tailed.kept:
                yield await _stored(bus, response_id, account, after, stream=tailed.stream)
                return
            before = after
            for part, data in tailed.split():
                piece = Piece(_behind(part, data, after), part.head, bool(part.flags & Flag.LAST))
                after = max(after, part.last)
                if piece.data or piece.last:
                    yield piece
                if piece.last:
                    return
            beyond = beyond and after == before
            if after == before and fresh and not await _nudged(grown) and beyond:
                if over:
                    yield Piece(sse.DONE, last=True)
                    return
                over = await _ended(bus, response_id, account)
            fresh = True


def _behind(part: Part, data: bytes, after: int) -> bytes:
    """Of a part with these events, those behind this one."""
    if part.first > after or part.first > part.last:
        return data
    if part.last > after or part.flags & Flag.LAST:
        return sse.since(data, after)
    return b""


async def obfuscated(pieces: AsyncGenerator[Piece], *, wanted: bool) -> AsyncGenerator[Piece]:
    """The same stream, its deltas with or without random text beside them that hides how long they are."""
    change = _hidden if wanted else _plain
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece._replace(data=sse.rewritten(piece.data, change))


def _hidden(event: events.Event) -> events.Event:
    if not str(event["type"]).endswith(".delta") or event.get("obfuscation"):
        return event
    return {**event, "obfuscation": token_urlsafe(12)[: 1 + randbelow(16)]}


def _plain(event: events.Event) -> events.Event:
    return {name: value for name, value in event.items() if name != "obfuscation"}


async def _nudged(grown: asyncio.Event) -> bool:
    """Whether it was, once it is time to look again."""
    try:
        async with asyncio.timeout(POLL):
            return await grown.wait()
    except TimeoutError:
        return False


async def _ended(bus: Bus, response_id: str, account: str) -> bool:
    """Whether a response has ended. Asked for one of which nothing comes: what was seen of it may be all there is."""
    try:
        located = await bus.call(LEDGER_ASK, Locate(response_id=response_id, account=account), timeout=_ANSWER)
    except (Unavailable, Overloaded):
        return False
    assert isinstance(located, Located)
    return located.status in TERMINAL


async def _tailed(bus: Bus, logs: Logs, question: Tail) -> Tailed | None:
    """The ledger's answer, asked for until it comes; None if this gateway is closed before."""
    since, pause = monotonic(), 0.2
    while not logs.closed:
        try:
            answer = await bus.call(LEDGER_ASK, question, timeout=_ANSWER)
        except (Unavailable, Overloaded):
            if monotonic() - since > PATIENCE:
                raise LedgerUnavailable("This response cannot be followed at the moment.", retry_after=2) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, POLL)
        else:
            assert isinstance(answer, Tailed)
            return answer
    return None


async def _stored(bus: Bus, response_id: str, account: str, after: int, *, stream: bool) -> Piece:
    """The rest of a response whose log is not kept any more, made of how it ended."""
    try:
        answer = await bus.call(LEDGER_ASK, Fetch(response_id=response_id, account=account), timeout=_ANSWER)
    except (Unavailable, Overloaded):
        raise LedgerUnavailable("Stored responses cannot be reached at the moment.", retry_after=2) from None
    assert isinstance(answer, Fetched)
    if not answer.found:
        raise NotFound(f"Response with id '{response_id}' not found.")
    return Piece(replayed(answer.payload, after) if stream else answer.payload, last=True)


def replayed(response: bytes, after: int) -> bytes:
    """The stream of a response that has ended, behind this event.

    Raises:
        LedgerUnavailable: it has not ended: how it goes on is to be asked later.
    """
    ended = from_json(response)
    if ended["status"] not in TERMINAL:
        raise LedgerUnavailable("This response cannot be streamed at the moment.", retry_after=2)
    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events.replay(ended)))
    return b"".join(sse.encode(event) for event in numbered if event["sequence_number"] > after) + sse.DONE
