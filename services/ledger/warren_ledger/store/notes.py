"""Notes: small facts that all processes share, and change one after the other."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Note:
    """What stands under a name, until then at the latest."""

    name: str
    version: str
    """Different for everything that ever stands there; whoever writes makes one up."""
    body: bytes = field(repr=False)
    until: float


class Notes(Protocol):
    """Every method may be called again after a failure, like the store's."""

    async def find(self, name: str) -> Note | None:
        """What stands there."""

    async def replace(self, note: Note, version: str | None) -> bool:
        """Write this in place of that version, or, without one, where nothing stands; whether it stands there now."""

    async def named(self, prefix: str) -> list[Note]:
        """All whose names begin so, in their order."""
