"""What holds of what processes told each other, for those that have not heard it; and whose turn something is."""

import time
from collections.abc import Callable
from secrets import token_hex

from warren.contracts import Check, Checked, Cooldown, Permitted, Surveyed, Turn, decode, encode
from warren_ledger.store.notes import Note, Notes

_COOLDOWN = "cooldown:"
_CHECK = "check:"
_TURN = "turn:"


class Standing:
    """Keeps what is told, and tells it again."""

    def __init__(self, notes: Notes, now: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._now = now

    async def keep(self, told: Cooldown | Checked) -> None:
        await (self._cool(told) if isinstance(told, Cooldown) else self._check(told))

    async def _cool(self, cooldown: Cooldown) -> None:
        """Keep this, unless a longer one is kept already."""
        name = _COOLDOWN + cooldown.deployment
        note = Note(name, token_hex(8), encode(cooldown), cooldown.until)
        while cooldown.until > self._now():
            before = await self._notes.find(name)
            if before is not None and before.until >= cooldown.until:
                return
            if await self._notes.replace(note, None if before is None else before.version):
                return

    async def _check(self, checked: Checked) -> None:
        """Keep these, unless later ones are kept already."""
        for check in checked.checks:
            name = _CHECK + check.deployment
            note = Note(name, token_hex(8), encode(Checked(checks=(check,))), check.until)
            while check.until > self._now():
                before = await self._notes.find(name)
                if before is not None and any(one.at >= check.at for one in _checks(before)):
                    break
                if await self._notes.replace(note, None if before is None else before.version):
                    break

    async def turn(self, wanted: Turn) -> Permitted:
        """Whether it is the turn of who asks: nobody has been told so in the last `seconds`."""
        now, name = self._now(), _TURN + wanted.name
        if await self._notes.replace(Note(name, token_hex(8), b"", now + wanted.seconds), None):
            return Permitted(granted=True, seconds=wanted.seconds)
        taken = await self._notes.find(name)
        return Permitted(granted=False, retry_after=0.0 if taken is None else max(0.0, taken.until - now))

    async def survey(self) -> Surveyed:
        cooldowns = [decode(note.body) for note in await self._notes.named(_COOLDOWN)]
        checks = [check for note in await self._notes.named(_CHECK) for check in _checks(note)]
        return Surveyed(cooldowns=tuple(one for one in cooldowns if isinstance(one, Cooldown)), checks=tuple(checks))


def _checks(note: Note) -> tuple[Check, ...]:
    checked = decode(note.body)
    return checked.checks if isinstance(checked, Checked) else ()
