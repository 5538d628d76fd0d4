"""`python -m tests.rig.exposed` prints what Prometheus would read of a process in which every instrument has something
to tell: the names and labels of all metrics, as the exporter makes them.
"""

import asyncio
from contextlib import ExitStack

import httpx

from tests.rig.rabbitmq import free_ports
from warren.settings import Settings
from warren.telemetry import metrics
from warren.telemetry.measuring import ALL, Counter, Gauge, Histogram


async def main() -> None:
    (port,) = free_ports(1)
    async with metrics.told("warren", "instance", Settings(metrics_port=port), "gateway", "bus", "worker", "ledger"):
        with ExitStack() as stack:
            for one in ALL.values():
                row = ("x",) * len(one.labels)
                match one:
                    case Counter():
                        one.add(1, *row)
                    case Histogram():
                        one.record(1, *row)
                    case Gauge():
                        stack.enter_context(one.told(lambda row=row: [(1, *row)]))  # type: ignore[misc]
            async with httpx.AsyncClient() as client:
                print((await client.get(f"http://127.0.0.1:{port}/metrics")).text)


if __name__ == "__main__":
    asyncio.run(main())
