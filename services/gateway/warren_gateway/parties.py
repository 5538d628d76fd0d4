"""Who is known to this gateway: keys, their accounts, and end users. The ledger has them; it tells when one changes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from warren import keys
from warren.bus import LEDGER_ASK, PARTIES, Bus
from warren.contracts import FindParty, Identified, Identify, Message, Party, PartyState, Revoked
from warren.errors import BusUnavailable, CallTimeout, LedgerUnavailable, Overloaded
from warren_gateway.remembered import Remembered

_PATIENCE = 5.0


class Parties:
    """Remembers who asks, for as long as that is sure."""

    def __init__(self, bus: Bus, secrets: Sequence[bytes]) -> None:
        self._bus = bus
        self.secrets = tuple(secrets)
        self._keys = Remembered(self._identify)
        self._end_users = Remembered(self._end_user)

    async def key(self, key: str) -> Identified:
        """What is known of a key, and of its account.

        Raises:
            LedgerUnavailable: that cannot be found out at the moment.
        """
        return await self._keys.find("\0".join(keys.digests(key, self.secrets)))

    async def end_user(self, name: str) -> Party | None:
        """
        Raises:
            LedgerUnavailable: as above.
        """
        return (await self._end_users.find(name)).party

    def receive(self, message: Message) -> None:
        if not isinstance(message, Revoked):
            return
        match message.what:
            case "key":
                self._keys.forget(lambda told: told.key is None or told.key.id in message.ids)
            case "account":
                self._keys.forget(lambda told: told.key is not None and told.key.account in message.ids)
            case "end_user":
                self._end_users.forget(lambda told: told.party is None or told.party.id in message.ids)

    def restored(self) -> None:
        """Something may have been revoked that was not heard of."""
        self._keys.clear()
        self._end_users.clear()

    async def _identify(self, name: str) -> Identified:
        answer = await self._ask(Identify(digests=tuple(name.split("\0"))))
        assert isinstance(answer, Identified)
        return answer

    async def _end_user(self, name: str) -> PartyState:
        answer = await self._ask(FindParty(what="end_user", names=(name,)))
        assert isinstance(answer, PartyState)
        return answer

    async def _ask(self, question: Message) -> Message:
        try:
            return await self._bus.call(LEDGER_ASK, question, timeout=_PATIENCE)
        except (CallTimeout, BusUnavailable, Overloaded):
            raise LedgerUnavailable("Who asks cannot be found out at the moment.", retry_after=2) from None


@asynccontextmanager
async def knowing(bus: Bus, secrets: Sequence[bytes]) -> AsyncIterator[Parties]:
    """Parties that hear of it when one changes, while open."""
    parties = Parties(bus, secrets)

    def receive(message: Message) -> None:
        parties.receive(message)

    async with bus.listen([PARTIES], receive, restored=parties.restored):
        yield parties
