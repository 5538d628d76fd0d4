"""What is measured, and how one measurement is made."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from bench import usage
from bench.load import Load, Seen
from bench.stack import Stack

CLIENTS = (1, 16, 64)
RATES = (50, 100)
SOAK = 20_000
_STEPS = 10
_REST = 20.0
"""Seconds after a soak before the last look at the memory."""


@dataclass(frozen=True, slots=True)
class Result:
    """One load on one system."""

    system: str
    dialect: str
    load: Load
    seen: Seen
    cpu: dict[str, float]
    """Seconds, for each process of the system, until it was calm again."""
    behind: float
    """Seconds that the system went on working after the last answer."""
    beside: float
    """Cores that were busy with something else."""

    @property
    def rate(self) -> float:
        return self.seen.answered / self.seen.seconds if self.seen.seconds else 0.0

    @property
    def deltas(self) -> float:
        return self.seen.deltas / self.seen.seconds if self.seen.seconds else 0.0

    @property
    def paced(self) -> bool:
        return "-every-" in self.load.model

    def per_request(self) -> dict[str, float]:
        """Milliseconds of CPU, which are seconds per 1,000 requests."""
        return {name: seconds * 1000 / max(1, self.seen.sent) for name, seconds in self.cpu.items()}

    def per_delta(self) -> dict[str, float]:
        """Microseconds of CPU."""
        return {name: seconds * 1e6 / max(1, self.seen.all_deltas) for name, seconds in self.cpu.items()}


def loads(*, quick: bool, seconds: float) -> list[Load]:
    """All that one system goes through, with the bare names of the models."""
    warm = min(1.0, seconds / 4)
    base = Load(port=0, model="words-16", seconds=seconds, warm=warm)
    stream = replace(base, model="words-200", stream=True)
    return [
        *(replace(base, clients=clients) for clients in CLIENTS),
        *(replace(base, kind="open", rate=rate) for rate in RATES[: 1 if quick else None]),
        replace(stream, clients=1),
        replace(stream, clients=64),
        *(replace(stream, clients=64, model="words-200-every-10", warm=3.0) for _ in range(0 if quick else 1)),
    ]


def measure(stack: Stack, dialect: str, load: Load, *, repeat: int = 1, wait: float = 0.0) -> Result:
    """Put this load on this system, so many times; the run beside which the machine did the least else.

    Before each run, wait so many seconds at the most for the machine to be quiet.
    """
    results = []
    for _ in range(repeat):
        usage.quiet(wait)
        results.append(_once(stack, dialect, load))
    return min(results, key=lambda result: result.beside)


def soak(stack: Stack, dialect: str) -> Iterator[tuple[int, dict[str, float], int]]:
    """Requests made so far, the memory of each process then, and errors; the last one after a rest."""
    made, errors = 0, 0
    yield made, stack.rss(), errors
    load = Load(port=0, model="words-16", clients=16, requests=SOAK // _STEPS, warm=0)
    for _ in range(_STEPS):
        result = _once(stack, dialect, load)
        made += result.seen.sent
        errors += result.seen.errors
        yield made, stack.rss(), errors
    time.sleep(_REST)
    yield made, stack.rss(), errors


def run(load: Load) -> Seen:
    """Make this load in a process of its own."""
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the load failed:\n{done.stderr[-2000:]}")
    return Seen(**json.loads(done.stdout))


def _once(stack: Stack, dialect: str, load: Load) -> Result:
    load = replace(load, port=stack.port, model=stack.model(dialect, load.model))
    started, busy, ours, before = time.monotonic(), usage.busy(), usage.cpu(os.getpid()), stack.cpu()
    seen = run(load)
    behind = stack.calm()
    cpu = {name: seconds - before[name] for name, seconds in stack.cpu().items()}
    beside = (usage.busy() - busy - usage.cpu(os.getpid()) + ours) / (time.monotonic() - started)
    return Result(stack.name, dialect, load, seen, cpu, behind, max(0.0, beside))
