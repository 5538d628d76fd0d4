"""What the routes work with."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from time import monotonic, time

from fastapi import Request

from warren.bus import LEDGER_ASK, LEDGER_WRITE, Bus, dead, jobs
from warren.config import Config, Deployment
from warren.contracts import Message, Ping, Pong, Usage
from warren.costs import Prices, Served
from warren.errors import BusUnavailable, CallTimeout, LedgerUnavailable, Overloaded, WarrenError
from warren.ids import Signer
from warren.routing.board import Board
from warren.routing.planning import Router
from warren_gateway.auth import Keys
from warren_gateway.dispatch import Dispatch
from warren_gateway.parties import Parties
from warren_gateway.room import Room
from warren_gateway.tail import Logs
from warren_gateway.watch import Watch

RESPONSE = "warren.response"
"""Where the scope of a request has the id of the response that is made for it."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LEDGER_PATIENCE = 8.0  # it waits up to three seconds itself for an outcome that is on its way
_STATES_FRESH = 2.0
_PING_PATIENCE = 1.0


@dataclass(slots=True)
class Gateway:
    """One gateway's parts."""

    bus: Bus
    dispatch: Dispatch
    logs: Logs
    config: Config
    keys: Keys
    parties: Parties
    signer: Signer
    request_timeout: float
    background_timeout: float
    websocket_seconds: float = 3600.0
    trusts_traceparent: bool = False
    """Traces go on where clients say that they began."""
    board: Board = field(default_factory=Board)
    """How deployments do, as far as it is known here."""
    prices: Prices = field(default_factory=Prices)
    room: Room = field(default_factory=lambda: Room(256 * 1024 * 1024))
    watch: Watch = field(default_factory=Watch)
    """What all processes have seen end lately."""
    readable: frozenset[str] = frozenset()
    """Accounts of which the master key may read what was said, beside its own; `*` is all."""
    trace_url: str | None = None
    draining: bool = False
    _states: dict[str, str] = field(default_factory=lambda: {"ledger": "unknown", "store": "unknown"})
    _asked_at: float = -_STATES_FRESH

    @property
    def router(self) -> Router:
        return Router(self.config.groups, self.config.rules, self.board, rate=partial(self.prices.rate, at=time()))

    @property
    def queues(self) -> list[str]:
        """What an operator looks at: where jobs and questions wait, and dead letters."""
        return [*map(jobs, self.config.providers()), LEDGER_WRITE, LEDGER_ASK, dead(jobs("any")), dead(LEDGER_WRITE)]

    def price(
        self, deployment: Deployment, input_tokens: int, output_tokens: int, tier: str | None = None
    ) -> Decimal | None:
        """What so many tokens of a deployment cost, in US dollars; None if nobody knows."""
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        return self.prices.bill(deployment, usage, Served(at=time(), tier=tier), self.config.terms).amount

    def owns(self, account: str, id_: str, prefix: str) -> bool:
        """Whether this account was given this id, and for something of this kind."""
        return id_.startswith(f"{prefix}_") and self.signer.owns(account, id_)

    async def ask_ledger(self, to: str, question: Message, patience: float = _LEDGER_PATIENCE) -> Message:
        """Call the ledger; it has so many seconds to answer.

        Raises:
            LedgerUnavailable: it does not answer, or cannot reach its store.
        """
        try:
            return await self.bus.call(to, question, timeout=patience)
        except (CallTimeout, BusUnavailable, Overloaded):
            raise LedgerUnavailable("Stored responses cannot be reached at the moment.", retry_after=2) from None

    async def states(self) -> dict[str, str]:
        """What stands behind this gateway: up, down or unknown. The ledger is asked every two seconds at most."""
        if not self.bus.connected:
            return {"bus": "down", "ledger": "unknown", "store": "unknown"}
        if monotonic() - self._asked_at >= _STATES_FRESH:
            self._asked_at = monotonic()
            try:
                answer = await self.bus.call(LEDGER_ASK, Ping(), timeout=_PING_PATIENCE)
                assert isinstance(answer, Pong)
                self._states = {"ledger": "up", "store": "unknown", **answer.states}
            except WarrenError:
                self._states = {"ledger": "down", "store": "unknown"}
        return {"bus": "up", **self._states}


def of(request: Request) -> Gateway:
    """The gateway that serves this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway
