"""What holds of what processes told each other, for those that have not heard it: long cooldowns."""

import time
from collections.abc import Callable
from secrets import token_hex

from warren.contracts import Cooldown, Surveyed, decode, encode
from warren_ledger.store.notes import Note, Notes

_COOLDOWN = "cooldown:"


class Standing:
    """Keeps what is told, and tells it again."""

    def __init__(self, notes: Notes, now: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._now = now

    async def cool(self, cooldown: Cooldown) -> None:
        """Keep this, unless a longer one is kept already."""
        name = _COOLDOWN + cooldown.deployment
        note = Note(name, token_hex(8), encode(cooldown), cooldown.until)
        while cooldown.until > self._now():
            before = await self._notes.find(name)
            if before is not None and before.until >= cooldown.until:
                return
            if await self._notes.replace(note, None if before is None else before.version):
                return

    async def survey(self) -> Surveyed:
        cooldowns = [decode(note.body) for note in await self._notes.named(_COOLDOWN)]
        return Surveyed(cooldowns=tuple(one for one in cooldowns if isinstance(one, Cooldown)))
