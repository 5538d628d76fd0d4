"""A configuration that may change while it is used: read again on SIGHUP, or when one of its files has changed.

What is under way goes on as it began. A file that cannot be used leaves the old configuration in force.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from warren.config import Config
from warren.settings import Complaint

LOOK = 1.0
"""Seconds from one look at the files to the next. What has changed is read when it is the same at two of them."""

Enact = Callable[[], None]
Prepare = Callable[[Config], Enact]
"""Makes ready for a new configuration, and gives what puts it into force. Raises a Complaint if it cannot be."""
_Print = tuple[tuple[str, int, int, int] | None, ...]


class Reloader:
    """The configuration in force, and all who go by it."""

    def __init__(self, read: Callable[[], Config], config: Config, log: structlog.typing.FilteringBoundLogger) -> None:
        self._read = read
        self._config = config
        self._log = log
        self._followers: list[Prepare] = []
        self._wanted = asyncio.Event()
        self._seen = self._print()

    def follow(self, prepare: Prepare) -> None:
        """From now on tell of every new configuration. If one who is told complains, nobody goes by it."""
        self._followers.append(prepare)

    def refresh(self) -> Config:
        """The configuration in force, which is the one in its files now, if these can be used."""
        if (now := self._print()) != self._seen:
            self._seen = now
            try:
                self._adopt(self._read())
            except Complaint as complaint:
                self._refuse(complaint)
        return self._config

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Notice changes while open."""
        loop = asyncio.get_running_loop()
        watching = asyncio.create_task(self._watch())
        if main := threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGHUP, self._wanted.set)
        try:
            yield
        finally:
            if main:
                loop.remove_signal_handler(signal.SIGHUP)
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self) -> None:
        before = self._seen
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._wanted.wait()
            now = await asyncio.to_thread(self._print)
            if self._wanted.is_set() or (now == before and now != self._seen):
                self._wanted.clear()
                await self._load()
            before = now

    async def _load(self) -> None:
        self._seen = await asyncio.to_thread(self._print)
        try:
            self._adopt(await asyncio.to_thread(self._read))
        except Complaint as complaint:
            self._refuse(complaint)
        except Exception:  # noqa: BLE001 - whatever it is, the next change may be better
            self._log.exception("the configuration could not be read")

    def _adopt(self, config: Config) -> None:
        """Go by this from now on.

        Raises:
            Complaint: somebody cannot.
        """
        if config == self._config:
            self._log.info("the configuration is the same")
            return
        for put_into_force in [prepare(config) for prepare in self._followers]:
            put_into_force()
        self._config = config
        self._seen = self._print()
        self._log.info("a new configuration is in force", models=config.models())
        for report in config.reports:
            self._log.warning(report)

    def _refuse(self, complaint: Complaint) -> None:
        self._log.error("the new configuration cannot be used, the old one stays in force", complaint=str(complaint))

    def _print(self) -> _Print:
        """What can be seen of the files from outside."""
        return tuple(_look(path) for path in self._config.files)


def _look(path: Path) -> tuple[str, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_mtime_ns, found.st_size
