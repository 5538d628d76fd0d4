"""`python -m bench.queues`: what one queue of jobs takes, and what several do, on a RabbitMQ of their own.

Senders and takers are Warren's own bus, a process each for every queue: on a small machine they, not the broker, are
what is measured by rate. What the broker does for a message is told by its CPU.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import uvloop

from bench import report, usage
from tests.rig.rabbitmq import RabbitMQ
from warren.bus import Delivery
from warren.bus.rabbit import RabbitBus
from warren.contracts import Rebuild

_SIZE = 2400
_MESSAGES = 30_000
_UNDER_WAY = 200
"""Messages that wait for the broker's confirm at a time."""


def main() -> None:
    rows = [["queues", "messages/s", "broker CPU µs/message", "cores busy in all"]]
    before = report.load_average()
    for queues in (1, 2, 4):
        with RabbitMQ() as broker:
            rows.append([str(queues), *_measured(broker, queues)])
    title = f"Jobs of {_SIZE:,} bytes, sent, confirmed, taken, acknowledged"
    print(f"{report.head(before)}\n\n{report.table(title, rows)}")


def _measured(broker: RabbitMQ, queues: int) -> Iterator[str]:
    each = _MESSAGES // queues
    processes = [_start(what, broker.url, number, each) for what in ("take", "send") for number in range(queues)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # it is connected
    cpu, busy, began = usage.cpu(broker.pid), usage.busy(), time.monotonic()
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()  # go
    if sum(process.wait() for process in processes):
        raise RuntimeError("a sender or taker failed")
    took = time.monotonic() - began
    yield f"{each * queues / took:,.0f}"
    yield f"{(usage.cpu(broker.pid) - cpu) * 1e6 / (each * queues):.0f}"
    yield f"{(usage.busy() - busy) / took:.1f}"


def _start(what: str, url: str, queue: int, messages: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.queues", what, url, f"jobs.{queue}", str(messages)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def _told() -> None:
    """Say that this process is connected, and wait to be told to go on."""
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def _send(url: str, at: str, messages: int) -> None:
    async with RabbitBus.open(url, length=2 * messages) as bus:
        room = asyncio.Semaphore(_UNDER_WAY)
        message = Rebuild(account="bench", payload=b"x" * _SIZE)

        async def one() -> None:
            async with room:
                await bus.send(at, message, timeout=60)

        await _told()
        await asyncio.gather(*(one() for _ in range(messages)))


async def _take(url: str, at: str, messages: int) -> None:
    left, done = messages, asyncio.Event()

    async def take(_: Delivery) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    async with RabbitBus.open(url, length=2 * messages) as bus, bus.serve(at, take, limit=256):
        await _told()
        await done.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main()
        case [what, url, at, messages]:
            uvloop.run((_send if what == "send" else _take)(url, at, int(messages)))
