"""The one file of an embedded store, on a thread of its own."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from warren.errors import LedgerUnavailable

T = TypeVar("T")

_BUSY = 5.0
"""Seconds to wait for another process that writes to the same file."""


class File:
    """A connection that only its thread uses: `db` and `writing` are for work that `run` was given."""

    db: sqlite3.Connection

    def __init__(self, thread: ThreadPoolExecutor, now: Callable[[], float]) -> None:
        self._thread = thread
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
        self.db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction, on disk when this is left."""
        self.db.execute("BEGIN IMMEDIATE")
        with self.db:
            yield
