"""The one file of an embedded store, on a thread of its own."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from weakref import WeakSet

from warren.errors import LedgerUnavailable

T = TypeVar("T")

_BUSY = 5.0
"""Seconds to wait for another process that writes to the same file."""


class File:
    """A connection that only its thread uses: `db` and `writing` are for work that `run` was given."""

    db: sqlite3.Connection

    def __init__(self, thread: ThreadPoolExecutor, now: Callable[[], float]) -> None:
        self._thread = thread
        self._path = ""
        self._released = threading.Event()
        self.now = now

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something on the thread.

        Raises:
            LedgerUnavailable: the file cannot be read or written.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except sqlite3.OperationalError:  # its text may quote what was to be written
            raise LedgerUnavailable("The ledger's file cannot be read or written.") from None

    def open(self, path: str) -> None:
        self._path = path
        self.db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        self._become_wal()
        self.db.executescript("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
        _OPEN.add(self)

    def close(self) -> None:
        _OPEN.discard(self)
        self.db.close()

    def hold(self) -> None:
        """Close the file until `release`; what comes in between waits. A connection must not live through a fork: the
        child would think that it holds the locks that its parent holds. (SQLite, "How To Corrupt An SQLite Database
        File", 2.6)
        """
        closed, self._released = threading.Event(), threading.Event()
        with suppress(RuntimeError):  # the thread takes no more work: it is closing, too
            self._thread.submit(self._rest, closed, self._released)
            closed.wait(_BUSY)

    def release(self) -> None:
        self._released.set()

    def _rest(self, closed: threading.Event, released: threading.Event) -> None:
        if self not in _OPEN:
            return closed.set()
        self.db.close()
        closed.set()
        released.wait()
        self.open(self._path)
        return None

    def _become_wal(self) -> None:
        """Others that open a new file at the same time are waited for: SQLite does not do that here."""
        patience = time.monotonic() + _BUSY
        while True:
            try:
                self.db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > patience:
                    raise
                time.sleep(0.02)
            else:
                return

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction, on disk when this is left."""
        self.db.execute("BEGIN IMMEDIATE")
        with self.db:
            yield


_OPEN: WeakSet[File] = WeakSet()


def _hold() -> None:
    for file in list(_OPEN):
        file.hold()


def _release() -> None:
    for file in list(_OPEN):
        file.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_OPEN.clear)
