"""Where the prices of a price file come from: a path or a URL, read again when it has changed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from warren.costs import Prices, Table
from warren.errors import WarrenError
from warren.outbound import Reach, outbound
from warren.params import Secret
from warren.settings import Complaint

log = structlog.get_logger("warren")

AGAIN = 6 * 3600.0
"""Seconds until a URL is asked again."""
SOON = 60.0
"""Seconds until a file is looked at again, or a URL that gave nothing asked again."""


@asynccontextmanager
async def kept(file: Secret | None, environ: Mapping[str, str], reach: Reach) -> AsyncIterator[Prices]:
    """What is known of prices; with a price file, a path or a URL, by what that says, for as long as this is open.

    A URL that gives nothing is no reason not to serve: until it does, the prices stay as they are.

    Raises:
        Complaint: the file cannot be read at first, or is no price file.
    """
    prices = Prices(environ=environ)
    location = None if file is None else file.resolve(environ)
    if location is None:
        yield prices
        return
    url = location.startswith(("http://", "https://"))
    follow = _Followed(prices, location, reach) if url else _Watched(prices, Path(location))
    await follow.first()
    task = asyncio.create_task(follow.on())
    try:
        yield prices
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class _Watched:
    """A file."""

    def __init__(self, prices: Prices, path: Path) -> None:
        self._prices = prices
        self._path = path
        self._written = 0.0

    async def first(self) -> None:
        try:
            await self._look()
        except OSError as error:
            raise Complaint(f"{self._path}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise Complaint(f"{self._path}: this is no price file: {error}") from None

    async def on(self) -> None:
        while True:
            await asyncio.sleep(SOON)
            try:
                await self._look()
            except (OSError, ValueError) as error:
                log.warning(
                    "the price file cannot be read; its old prices stay", path=str(self._path), error=str(error)
                )

    async def _look(self) -> None:
        written = (await asyncio.to_thread(self._path.stat)).st_mtime
        if written != self._written:
            content = await asyncio.to_thread(self._path.read_bytes)
            self._prices.renew(await asyncio.to_thread(Table.parse, content, self._path.name, _date(written)))
            self._written = written


class _Followed:
    """A URL."""

    def __init__(self, prices: Prices, url: str, reach: Reach) -> None:
        self._prices = prices
        self._url = url
        self._reach = reach
        self._pause = SOON

    async def first(self) -> None:
        """Ask for it, for as long as a fetch may take."""
        self._pause = SOON
        try:
            async with outbound(self._reach) as fetcher:
                _, content = await fetcher.fetch(self._url)
            now = _date(datetime.now(UTC).timestamp())
            table = await asyncio.to_thread(Table.parse, content, _named(self._url), now)
        except (ValueError, WarrenError) as error:
            log.warning("the price file cannot be fetched", url=_named(self._url), error=str(error))
        else:
            self._prices.renew(table)
            self._pause = AGAIN

    async def on(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            await self.first()


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _named(url: str) -> str:
    """Where it is, without what may be secret in it."""
    return url.partition("?")[0].rpartition("@")[2]
