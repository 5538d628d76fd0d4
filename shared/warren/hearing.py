"""How a process hears how deployments do: what others tell while it is there, and from the ledger what it missed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import time

from warren.bus import LEDGER_ASK, ROUTING, Bus
from warren.contracts import Checked, Cooldown, Failed, Message, Pulse, Survey, Surveyed
from warren.errors import WarrenError
from warren.routing.board import Board

_PATIENCE = 5.0
_AGAIN = 1.0
"""Seconds from one try to ask the ledger to the next."""


class Hearing:
    """Puts on a board what is told. What this process tells itself is there already."""

    def __init__(self, bus: Bus, board: Board, clock: Callable[[], float] = time) -> None:
        self.board = board
        self._bus = bus
        self._clock = clock
        self._asking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hear while open. Whoever holds the bus's inbox says when it was `restored`."""
        async with self._bus.listen([ROUTING], self._receive):
            self.restored()
            try:
                yield
            finally:
                if self._asking is not None:
                    self._asking.cancel()
                    await asyncio.wait([self._asking])

    def restored(self) -> None:
        """The broker is back: ask the ledger what was told meanwhile and still holds, until it says."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())

    def _receive(self, message: Message) -> Message | None:
        match message:
            case Failed(address=address) if address == self._bus.address:
                pass
            case Pulse() | Failed() | Cooldown() | Checked():
                self.board.take(message, self._clock())
        return None

    async def _ask(self) -> None:
        try:
            answer = await self._answer()
            while answer is None:
                await asyncio.sleep(_AGAIN)
                answer = await self._answer()
            for cooldown in answer.cooldowns:
                self.board.take(cooldown, self._clock())
            self.board.take(Checked(checks=answer.checks), self._clock())
        finally:
            self._asking = None

    async def _answer(self) -> Surveyed | None:
        with suppress(WarrenError):
            answer = await self._bus.call(LEDGER_ASK, Survey(), timeout=_PATIENCE)
            if isinstance(answer, Surveyed):
                return answer
        return None
