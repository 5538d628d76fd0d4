"""Where the CPU of one process goes: py-spy while it is under load."""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from threading import Thread

from bench.load import Load
from bench.runs import Result, measure
from bench.stack import Stack

_RATE = 250
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
        failed: list[str] = []
        spy = Thread(target=_spy, args=(stack.parts[name], load.seconds, stacks, failed))
        measure(stack, dialect, Load(port=0, model=load.model, clients=load.clients, stream=load.stream, seconds=2))
        spy.start()
        result = measure(stack, dialect, load)
        spy.join()
        if failed:
            raise RuntimeError(f"py-spy: {failed[0]}")
        return _told(result, name, stacks.read_text())


def _spy(pid: int, seconds: float, stacks: Path, failed: list[str], *options: str) -> None:
    command = [
        str(Path(sys.executable).with_name("py-spy")),
        "record",
        "--pid",
        str(pid),
        "--function",
        "--format",
        "raw",
    ]
    options = ["--rate", str(_RATE), "--duration", str(max(1, round(seconds))), "--output", str(stacks)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        failed.append(done.stderr[-500:])


def _told(result: Result, name: str, text: str) -> str:
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in text.splitlines():
        path, _, times = line.rpartition(" ")
        frames = path.split(";")
        own[frames[-1]] += int(times)
        for frame in set(frames):
            whole[frame] += int(times)
    samples = max(1, own.total())
    cost, unit = (
        (result.per_delta()[name], "delta") if result.load.stream else (result.per_request()[name] * 1000, "request")
    )
    done = f"{result.deltas:,.0f} deltas/s" if result.load.stream else f"{result.rate:,.0f} requests/s"
    lines = [
        f"{name} of {result.system}, {result.dialect}: {done}, {cost:,.1f} µs of its CPU per {unit}, {samples} samples"
    ]
    for title, counted in (("in the function itself", own), ("with all it calls", whole)):
        lines += ["", f"{title}: share, µs per {unit}"]
        lines += [
            f"{times / samples:6.1%} {times / samples * cost:8.1f}  {frame}"
            for frame, times in counted.most_common(_TOP)
        ]
    return "\n".join(lines)
