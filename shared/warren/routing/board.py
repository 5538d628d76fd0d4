"""What one process knows of all deployments: who fails, who is to be left alone, who has how much to do.

It is fed with what processes tell each other, and with what this one sees itself, and asked by planning and by the
walk. Nothing in it is the truth: that is what providers answer. All times are seconds since the epoch.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from warren.contracts import Check, Checked, Cooldown, Failed, Gauge, Pulse
from warren.routing import cooling
from warren.routing.cooling import MINUTE, Terms
from warren.routing.rules import Cause, cause

LIVES = 12.0
"""Seconds for which a pulse counts: two of an idle process, and some."""
_ON_ITS_WAY = 1.2
"""Seconds until the pulse that counts it follows a request that was sent."""
_NEWS = 1.0
"""Seconds by which a cooldown must grow to be told: calls that were under way when it began fail in it, too."""
_REMEMBERED = 1000
"""Failures of one deployment."""


class Load(NamedTuple):
    """What a deployment has to do, by all workers together, and how it has done lately."""

    in_flight: int = 0
    requests: int = 0
    """In the last minute."""
    tokens: int = 0
    """In the last minute."""
    first_event: float | None = None
    """Mean seconds to the first event of an answer; None: nobody knows."""
    per_token: float | None = None
    """Mean seconds for a token of output."""
    samples: int = 0
    """Calls that the means are of."""


@dataclass(slots=True)
class _Known:
    """What is known of one deployment."""

    failures: deque[tuple[float, Cause]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    until: float = 0.0
    code: str | None = None
    gauges: dict[str, tuple[float, Gauge]] = field(default_factory=dict)
    """By the worker that told it."""
    sent: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    check: Check | None = None


_USUAL = Terms()


class Board:
    """Ask it as often as you like: it looks things up. `terms` says what holds for a deployment, None for one that
    there is not (any more); without it, the same holds for all.
    """

    def __init__(self, terms: Callable[[str], Terms | None] = lambda _deployment: _USUAL) -> None:
        self._terms = terms
        self._by_checks = False
        self._known: dict[str, _Known] = {}
        self._processes: dict[str, tuple[float, Pulse]] = {}

    def configure(self, terms: Callable[[str], Terms | None], *, by_checks: bool = False) -> None:
        """From now on other terms hold; what is known stays known. `by_checks`: who fails its checks is `down`."""
        self._terms = terms
        self._by_checks = by_checks
        for deployment in [name for name in self._known if terms(name) is None]:
            del self._known[deployment]

    def take(self, message: Pulse | Failed | Cooldown | Checked, now: float) -> Cooldown | None:
        """Learn this. What follows from a failure holds at once, and is returned: its witness tells the others."""
        match message:
            case Pulse():
                self._pulse(message, now)
            case Failed():
                return self._failed(message, now)
            case Cooldown():
                self._cool(message)
            case Checked(checks=checks):
                self._check(checks)
        return None

    def counts(self, failed: Failed) -> bool:
        """Whether this failure says anything about its deployment."""
        terms = self._terms(failed.deployment)
        return terms is not None and cooling.counts(cause(failed.code, failed.status), terms)

    def sent(self, deployment: str, now: float) -> None:
        """A request is on its way there: it counts as in flight until the pulse of who works on it says so."""
        sent = self._of(deployment).sent
        while sent and now - sent[0] >= _ON_ITS_WAY:
            sent.popleft()
        sent.append(now)

    def cooling(self, deployment: str, now: float) -> float:
        """Seconds until it may be asked again; 0.0: now."""
        known = self._known.get(deployment)
        return 0.0 if known is None else max(0.0, known.until - now)

    def why(self, deployment: str) -> str | None:
        """Our code for the failure that it was last left alone for."""
        known = self._known.get(deployment)
        return None if known is None else known.code

    def load(self, deployment: str, now: float) -> Load:
        known = self._known.get(deployment)
        if known is None:
            return Load()
        gauges = [gauge for at, gauge in known.gauges.values() if now - at < LIVES]
        on_its_way = sum(now - at < _ON_ITS_WAY for at in known.sent)
        samples = sum(gauge.samples for gauge in gauges)
        return Load(
            sum(gauge.in_flight for gauge in gauges) + on_its_way,
            sum(gauge.requests for gauge in gauges) + on_its_way,
            sum(gauge.tokens for gauge in gauges),
            _mean((gauge.first_event, gauge.samples) for gauge in gauges),
            _mean((gauge.per_token, gauge.samples) for gauge in gauges),
            samples,
        )

    def down(self, deployment: str) -> bool:
        """Whether the background checks found it dead, if routing goes by them."""
        check = self.check(deployment)
        return self._by_checks and check is not None and not check.up

    def check(self, deployment: str) -> Check | None:
        """What came of the latest check, as long as that is not too old."""
        known = self._known.get(deployment)
        return None if known is None else known.check

    def workers(self, now: float) -> list[Pulse]:
        """The last pulses of the workers that live."""
        return [pulse for pulse in self.processes(now) if pulse.service == "worker"]

    def processes(self, now: float) -> list[Pulse]:
        """The last pulses of all processes that live."""
        return [pulse for at, pulse in self._processes.values() if now - at < LIVES]

    def _of(self, deployment: str) -> _Known:
        known = self._known.get(deployment)
        if known is None:
            known = self._known[deployment] = _Known()
        return known

    def _pulse(self, pulse: Pulse, now: float) -> None:
        for known in self._known.values():
            known.gauges.pop(pulse.address, None)
            if known.check is not None and known.check.until <= now:
                known.check = None
        for gauge in pulse.gauges:
            if self._terms(gauge.deployment) is not None:
                self._of(gauge.deployment).gauges[pulse.address] = now, gauge
        self._processes[pulse.address] = now, pulse
        for address in [address for address, (at, _) in self._processes.items() if now - at >= LIVES]:
            del self._processes[address]
            for known in self._known.values():
                known.gauges.pop(address, None)

    def _failed(self, failed: Failed, now: float) -> Cooldown | None:
        terms = self._terms(failed.deployment)
        why = cause(failed.code, failed.status)
        if terms is None or not cooling.counts(why, terms):
            return None
        known = self._of(failed.deployment)
        while known.failures and now - known.failures[0][0] >= MINUTE:
            known.failures.popleft()
        known.failures.append((now, why))
        recent = [one for _, one in known.failures]
        succeeded = sum(gauge.succeeded for at, gauge in known.gauges.values() if now - at < LIVES)
        seconds = cooling.after(failed, why, recent, succeeded, terms)
        if seconds is None or (known.until > now and now + seconds < known.until + _NEWS):
            return None
        cooldown = Cooldown(deployment=failed.deployment, until=now + seconds, code=failed.code)
        self._cool(cooldown)
        return cooldown

    def _check(self, checks: Iterable[Check]) -> None:
        for check in checks:
            if self._terms(check.deployment) is None:
                continue
            known = self._of(check.deployment)
            if known.check is None or check.at >= known.check.at:
                known.check = check

    def _cool(self, cooldown: Cooldown) -> None:
        terms = self._terms(cooldown.deployment)
        if terms is None or terms.never or terms.seconds == 0:
            return
        known = self._of(cooldown.deployment)
        if cooldown.until > known.until:
            known.until, known.code = cooldown.until, cooldown.code


def _mean(of: Iterable[tuple[float | None, int]]) -> float | None:
    """The mean of means, by how many each is of."""
    total, count = 0.0, 0
    for mean, samples in of:
        if mean is not None:
            total, count = total + mean * samples, count + samples
    return total / count if count else None
