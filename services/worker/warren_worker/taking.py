"""Which providers' jobs a worker takes. That may change while it works."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from warren.bus import Bus, Handler, jobs


class Taking:
    """Serves the queues of some providers, with so many jobs of each at a time."""

    def __init__(self, bus: Bus, handler: Handler, limit: int) -> None:
        self._bus = bus
        self._handler = handler
        self._limit = limit
        self._served: dict[str, _Served] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def __contains__(self, provider: str) -> bool:
        return provider in self._served

    @property
    def providers(self) -> tuple[str, ...]:
        """Those whose jobs are taken at the moment."""
        return tuple(self._served)

    @asynccontextmanager
    async def open(self, providers: Iterable[str]) -> AsyncIterator[None]:
        """Take jobs while open. Leaving waits for what runs; cancelled then, it gives the rest back."""
        try:
            self.change(providers)
            await asyncio.gather(*(served.begun() for served in self._served.values()))
            yield
        finally:
            self._leave(list(self._served))
            await asyncio.gather(*self._leaving)

    def change(self, providers: Iterable[str]) -> None:
        """From now on take these. What runs of others ends in peace."""
        wanted = list(dict.fromkeys(providers))
        self._leave([provider for provider in self._served if provider not in wanted])
        for provider in wanted:
            if provider not in self._served:
                served = self._served[provider] = _Served()
                served.task = asyncio.create_task(self._serve(provider, served))

    def _leave(self, providers: list[str]) -> None:
        for provider in providers:
            served = self._served.pop(provider)
            served.stop.set()
            if served.task is not None:
                self._leaving.add(served.task)
                served.task.add_done_callback(self._leaving.discard)

    async def _serve(self, provider: str, served: "_Served") -> None:
        async with self._bus.serve(jobs(provider), self._handler, limit=self._limit):
            served.started.set()
            await served.stop.wait()


class _Served:
    """One provider's queue."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def begun(self) -> None:
        """Wait until jobs are taken; whatever keeps them from it is raised."""
        starting = asyncio.create_task(self.started.wait())
        assert self.task is not None
        try:
            await asyncio.wait([self.task, starting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            starting.cancel()
        if not self.started.is_set():
            await self.task
