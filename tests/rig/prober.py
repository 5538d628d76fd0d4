"""A process that asks a server again and again whether it lives: how long it is kept waiting is how long the loop of
that server is blocked.

    python -m tests.rig.prober HOST PORT

For every line that it reads it writes the longest wait since the line before, in milliseconds.
"""

import asyncio
import http.client
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic, sleep
from urllib.parse import urlsplit


class Prober:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def longest(self) -> float:
        """The longest wait since this was last asked, in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        return float(await self._process.stdout.readline()) / 1000


@asynccontextmanager
async def probing(url: str) -> AsyncIterator[Prober]:
    parts = urlsplit(url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.rig.prober", str(parts.hostname), str(parts.port),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    prober = Prober(process)
    await prober.longest()
    try:
        yield prober
    finally:
        process.kill()
        await process.wait()


def main(host: str, port: int) -> None:
    longest = [0.0]

    def tell() -> None:
        for _ in sys.stdin:
            sys.stdout.write(f"{longest[0] * 1000:.1f}\n")
            sys.stdout.flush()
            longest[0] = 0.0

    threading.Thread(target=tell, daemon=True).start()
    connection = http.client.HTTPConnection(host, port, timeout=60)
    while True:
        asked = monotonic()
        connection.request("GET", "/health/liveliness")
        connection.getresponse().read()
        longest[0] = max(longest[0], monotonic() - asked)
        sleep(0.005)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
