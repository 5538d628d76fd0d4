"""Where the CPU of one process goes: py-spy while it is under load."""

import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from bench.load import Load
from bench.runs import Result, measure
from bench.stack import Stack

_HERTZ = 250
_TOP = 40


def profile(stack: Stack, name: str, dialect: str, load: Load, keep: Path | None) -> str:
    """Put this load on this system and tell which functions of this process took the time.

    Raises:
        RuntimeError: there is no such process, or it cannot be looked into.
    """
    if name not in stack.parts or name in ("rabbitmq", "mongod"):
        raise RuntimeError(f"{stack.name} has no Python process called {name!r}")
    with tempfile.TemporaryDirectory(prefix="warren-bench-") as folder:
        stacks = keep or Path(folder) / "stacks"
        measure(stack, dialect, replace(load, seconds=2.0))
        spy = _spy(stack.parts[name], load.seconds, stacks)
        result = measure(stack, dialect, load)
        _, complaint = spy.communicate()
        if spy.returncode:
            raise RuntimeError(f"py-spy: {complaint[-500:]}")
        return _told(result, name, stacks.read_text())


def _spy(pid: int, seconds: float, stacks: Path) -> "subprocess.Popen[str]":
    """Only what holds the interpreter's lock is counted: a thread that waits looks busy otherwise."""
    binary = str(Path(sys.executable).with_name("py-spy"))
    command = [binary, "record", "--gil", "--function", "--format", "raw", "--pid", str(pid), "--rate", str(_HERTZ)]
    options = ["--duration", str(max(1, round(seconds))), "--output", str(stacks)]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _told(result: Result, name: str, text: str) -> str:
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in text.splitlines():
        path, _, times = line.rpartition(" ")
        frames = path.split(";")
        own[frames[-1]] += int(times)
        for frame in set(frames):
            whole[frame] += int(times)
    if result.load.stream:
        unit, rate, cost = "delta", result.deltas, result.per_delta()[name]
    else:
        unit, rate, cost = "request", result.rate, result.per_request()[name] * 1000
    samples = max(1, own.total())
    done = f"{rate:,.0f} {unit}s/s, {cost:,.1f} µs of its CPU per {unit}; {samples} samples"
    lines = [f"{name} of {result.system}, {result.dialect}: {done}"]
    for title, counted in (("in the function itself", own), ("with all it calls", whole)):
        lines += ["", f"{title}: share, µs per {unit}"]
        lines += [
            f"{times / samples:6.1%} {times / samples * cost:8.1f}  {frame}"
            for frame, times in counted.most_common(_TOP)
        ]
    return "\n".join(lines)
