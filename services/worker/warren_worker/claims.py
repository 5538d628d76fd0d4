"""Leave to run: of all attempts at a job only one may be shown, and who keeps count says which."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic, time
from typing import Literal, NamedTuple

import structlog

from warren.bus import LEDGER_WRITE, Bus
from warren.contracts import Claim, Claimed, Job
from warren.errors import BusUnavailable, CallTimeout, LedgerUnavailable, Overloaded, Unroutable

log = structlog.get_logger("warren.worker")

GRACE = 10.0
"""Seconds that a gateway may be unreachable before it counts as gone."""
_AGAIN = 0.3
_GATEWAY_PATIENCE = 2.0
_LEDGER_PATIENCE = 5.0


class Leave(NamedTuple):
    """`run` from `sequence` on; `stored`: it has ended so, and may not have been shown; `over`: it is shown;
    `abandoned`: nobody waits for it.
    """

    verdict: Literal["run", "stored", "over", "abandoned"]
    sequence: int = 0
    stored: bytes = b""


async def claim(bus: Bus, job: Job, attempt: str) -> Leave:
    """Leave for this attempt at a job that may have been started before; waits while another one may still live."""
    asked = Claim(
        response_id=job.response_id,
        account=job.account,
        attempt=attempt,
        worker=bus.address,
        detached=job.detached,
        handed=job.handed,
    )
    return await (_detached(bus, job, asked) if job.detached else _attended(bus, job, asked))


async def _detached(bus: Bus, job: Job, asked: Claim) -> Leave:
    """The ledger's word alone counts. What it does not answer until the deadline it will have ended itself."""
    answer = await _until(job, lambda: _of_ledger(bus, asked))
    if answer is None or answer.verdict != "run":
        return Leave("over")
    return Leave("run", answer.sequence)


async def _attended(bus: Bus, job: Job, asked: Claim) -> Leave:
    """The gateway knows what was shown, the ledger what was recorded."""
    answer = await _of_gateway(bus, job, asked)
    if answer is None or answer.verdict == "unknown":
        return Leave("abandoned")
    if answer.verdict == "ended":
        return Leave("over")
    stored = await _of_ledger(bus, asked)
    if stored is None:
        log.warning("claimed without the ledger", response_id=job.response_id)
    elif stored.verdict == "ended":
        return Leave("stored", answer.sequence, stored.payload)
    return Leave("run", answer.sequence)


async def _of_gateway(bus: Bus, job: Job, asked: Claim) -> Claimed | None:
    """The gateway's verdict; None if it is gone."""
    unreachable_since: float | None = None
    while time() < job.deadline:
        try:
            answer = await bus.call(job.reply_to, asked, timeout=_GATEWAY_PATIENCE)
        except Unroutable:
            unreachable_since = unreachable_since or monotonic()
            if monotonic() - unreachable_since >= GRACE:
                return None
        except (CallTimeout, BusUnavailable):
            pass
        else:
            assert isinstance(answer, Claimed)
            if answer.verdict != "hold":
                return answer
            unreachable_since = None
        await asyncio.sleep(_AGAIN)
    return None


async def _of_ledger(bus: Bus, asked: Claim) -> Claimed | None:
    """The ledger's verdict; None if it gives none now."""
    try:
        answer = await bus.call(LEDGER_WRITE, asked, timeout=_LEDGER_PATIENCE)
    except (CallTimeout, BusUnavailable, Overloaded, LedgerUnavailable):
        return None
    assert isinstance(answer, Claimed)
    return answer


async def _until(job: Job, ask: Callable[[], Awaitable[Claimed | None]]) -> Claimed | None:
    """The first answer that is one; None if there is none before the deadline."""
    while True:
        answer = await ask()
        if answer is not None and answer.verdict != "hold":
            return answer
        if time() >= job.deadline:
            return None
        await asyncio.sleep(_AGAIN)
