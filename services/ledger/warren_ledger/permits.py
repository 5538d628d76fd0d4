"""Permits: who may call a deployment that has limits. One note for each holds what is used of it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from secrets import token_hex

from warren.contracts import Done, Message, Permit, Permitted, Release
from warren.errors import LedgerUnavailable
from warren_ledger.limits import LEASE, WINDOW, Used
from warren_ledger.store.notes import Note, Notes

_PREFIX = "limits:"
_KEPT = LEASE + WINDOW
"""Seconds without a call after which nothing that was before matters."""
_TRIES = 20


class Permits:
    """Answers what waits for one deployment together, in the order in which it came, with one write.

    Any number of ledgers may: whoever finds that another has written reads that, and decides again.
    """

    def __init__(self, notes: Notes, now: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._now = now
        self._waiting: defaultdict[str, list[tuple[Permit | Release, asyncio.Future[Message]]]] = defaultdict(list)
        self._known: dict[str, Note] = {}
        """What stood there when it was last looked at."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, asked: Permit | Release) -> Message:
        """
        Raises:
            LedgerUnavailable: the store cannot be reached; it is not known whether the call was counted.
        """
        answered: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[asked.deployment]
        waiting.append((asked, answered))
        if len(waiting) == 1:
            task = asyncio.create_task(self._work(asked.deployment))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answered

    async def _work(self, deployment: str) -> None:
        """Answer until nobody waits."""
        waiting = self._waiting[deployment]
        while waiting:
            batch = list(waiting)
            try:
                answers = await self._decide(deployment, [asked for asked, _ in batch])
            except Exception as error:  # noqa: BLE001  # whoever waits is told
                for _, answered in batch:
                    if not answered.done():
                        answered.set_exception(error)
            else:
                for (_, answered), answer in zip(batch, answers, strict=True):
                    if not answered.done():
                        answered.set_result(answer)
            del waiting[: len(batch)]
        del self._waiting[deployment]

    async def _decide(self, deployment: str, batch: list[Permit | Release]) -> list[Message]:
        name, fresh = _PREFIX + deployment, False
        for _ in range(_TRIES):
            before, now = self._known.pop(name, None), self._now()
            if before is None or before.until <= now:
                before, fresh = await self._notes.find(name), True
            used = Used() if before is None else Used.read(before.body)
            answers = [_answer(used, asked, now) for asked in batch]
            if all(isinstance(answer, Permitted) and not answer.granted for answer in answers):
                if fresh:
                    self._remember(before)
                    return answers
                continue  # there may be room by now
            note = Note(name, token_hex(8), used.written(), max(now + _KEPT, used.until(now)))
            if await self._notes.replace(note, None if before is None else before.version):
                self._remember(note)
                return answers
        raise LedgerUnavailable("Too many decide about this deployment at once.", retry_after=1)

    def _remember(self, note: Note | None) -> None:
        if note is not None:
            self._known[note.name] = note


def _answer(used: Used, asked: Permit | Release, now: float) -> Message:
    if isinstance(asked, Permit):
        return used.permit(asked, now)
    used.release(asked, now)
    return Done()
