"""What was to be told of this process and could not be: counted, and complained of once a minute."""

import threading
from collections import Counter
from collections.abc import Mapping
from time import monotonic
from typing import Literal

import structlog

Signal = Literal["traces", "logs", "metrics"]
_EVERY = 60.0
"""Seconds from one complaint to the next."""

log = structlog.get_logger("warren.telemetry")

_lock = threading.Lock()
_dropped: Counter[str] = Counter()
_told: dict[str, tuple[float, int]] = {}


def drop(signal: Signal, count: int, why: str) -> None:
    """So many are lost. Any thread may say so."""
    with _lock:
        _dropped[signal] += count
        total, (at, before) = _dropped[signal], _told.get(signal, (-_EVERY, 0))
        if monotonic() - at < _EVERY:
            return
        _told[signal] = monotonic(), total
    log.warning("telemetry is lost", signal=signal, count=total - before, total=total, why=why)


def dropped() -> Mapping[str, int]:
    """How many spans and the like were lost since this process began, by signal."""
    with _lock:
        return {"traces": 0, "logs": 0, "metrics": 0, **_dropped}
