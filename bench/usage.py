"""What processes use, from /proc."""

import os
import re
import subprocess
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")
_LOOK = 1.0
_QUIET = 0.3
"""Cores that may be busy on a quiet machine."""


def cpu(pid: int) -> float:
    """Seconds of CPU of a process and all it has started."""
    return sum(_seconds(fields) for fields in _family(pid))


def rss(pid: int) -> float:
    """MB of memory of a process and all it has started; pages that they share count for each of them."""
    return sum(int(fields[21]) for fields in _family(pid)) * _PAGE / 1e6


def traffic(port: int) -> float:
    """MB that the connections which a server of this machine has open at this port have carried, both ways."""
    told = subprocess.run(["ss", "-tinH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return sum(int(count) for count in re.findall(r"\bbytes_(?:acked|received):(\d+)", told)) / 1e6


def busy() -> float:
    """Seconds of CPU that this machine has spent on anything."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / _TICK


def quiet(patience: float) -> None:
    """Wait until the machine has nothing to do, so many seconds at the most."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = busy()
        time.sleep(_LOOK)
        if busy() - before < _QUIET * _LOOK:
            return


def machine() -> str:
    """Its size, in one line."""
    models = [line for line in (_PROC / "cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else "CPU"
    kilobytes = int((_PROC / "meminfo").read_text().split()[1])
    system = os.uname()
    return f"{os.cpu_count()} cores ({name}), {kilobytes / 1024**2:.0f} GiB, {system.sysname} {system.release}"


def _family(pid: int) -> list[list[str]]:
    """The fields of /proc/PID/stat behind the name, for a process and all below it."""
    stats: dict[int, list[str]] = {}
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        stats[int(path.parent.name)] = text.rpartition(")")[2].split()
    found = [pid] if pid in stats else []
    for parent in found:
        found.extend(child for child, fields in stats.items() if int(fields[1]) == parent)
    return [stats[one] for one in found]


def _seconds(fields: list[str]) -> float:
    """utime and stime, and those of children that have ended."""
    return sum(map(int, fields[11:15])) / _TICK
