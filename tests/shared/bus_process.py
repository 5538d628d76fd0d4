"""A second process on the bus, for tests that kill or freeze it.

    python -m tests.shared.bus_process URL NAMESPACE LENGTH (serve ADDRESS | inbox)

`serve` takes messages and never ends one; `inbox` keeps what it gets. Both print a line per message.
"""

import asyncio
import sys

from warren.bus import Delivery
from warren.bus.rabbit import RabbitBus
from warren.contracts import Message


def say(line: str) -> None:
    print(line, flush=True)


async def hold(delivery: Delivery) -> None:
    say(name(delivery.message))
    await asyncio.Event().wait()


def name(message: Message) -> str:
    return str(getattr(message, "response_id", message.kind))


async def main(url: str, namespace: str, length: int, role: str, at: str = "") -> None:
    async with RabbitBus.open(url, name=role, namespace=namespace, length=length) as bus:
        if role == "serve":
            async with bus.serve(at, hold, limit=10):
                await asyncio.Event().wait()
        async with bus.inbox(lambda message: say(name(message))):
            say(bus.address)
            await asyncio.Event().wait()


if __name__ == "__main__":
    url, namespace, length, *role = sys.argv[1:]
    asyncio.run(main(url, namespace, int(length), *role))
