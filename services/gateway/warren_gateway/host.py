"""Warren inside of somebody's program: services in a thread of their own, for the SDK.

Each configuration has services of its own, and all have one folder of data. They start when they are first asked for;
the last of the process's acts is to end them, so that everything that was said is on disk.
"""

import asyncio
import atexit
import importlib.util
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

from warren import config as configuration
from warren import log
from warren.config import Config
from warren.exceptions import APIError, BadRequestError
from warren.settings import Complaint
from warren_gateway import inside
from warren_gateway.embedded import UpSettings, embedded

MOST = 64
"""Configurations served at a time. Beyond, the one that was asked for longest ago ends when what runs there has."""
_LEAVING = 2.0
"""Seconds that what still runs has to end with the process."""

Key = tuple[str | Path, Path | None]
Address = tuple[str, str]
"""A URL, and the key that opens it."""


class Host:
    """See `warren.client.source.Host`. Any thread may call it, and any loop."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Leave what there is to the process that this one was forked from: its threads are not here."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._served: dict[Key, Services] = {}

    def place(self, config: str | Path, data: Path | None) -> Address:
        return self._services(config, data).address.result()

    async def aplace(self, config: str | Path, data: Path | None) -> Address:
        address = self._services(config, data).address
        return address.result() if address.done() else await asyncio.wrap_future(address)

    def check(self, config: str | Path) -> None:
        _read(config)

    def close(self) -> None:
        """End everything; what is asked for afterwards starts anew."""
        with self._lock:
            loop, thread, served = self._loop, self._thread, list(self._served.values())
            self._loop = self._thread = None
            self._served.clear()
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_end(served), loop).add_done_callback(
            lambda _: loop.call_soon_threadsafe(loop.stop)
        )
        thread.join()

    def _services(self, config: str | Path, data: Path | None) -> "Services":
        key = config, data
        with self._lock:
            found = self._served.pop(key, None)
            if found is None or found.failed:
                found = Services(config, data)
                self._running().call_soon_threadsafe(found.start)
            self._served[key] = found
            if len(self._served) > MOST:
                oldest = self._served.pop(next(iter(self._served)))
                self._running().call_soon_threadsafe(oldest.stop)
            return found

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = _new_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="warren", daemon=True)
            self._thread.start()
            log.inside()
            _at_exit(self.close)
        return self._loop


class Services:
    """Those of one configuration. Only the loop that they run in may start and stop them."""

    def __init__(self, config: str | Path, data: Path | None) -> None:
        self.address: Future[Address] = Future()
        self._config = config
        self._data = data
        self._settings: UpSettings | None = None
        self._stopped = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def failed(self) -> bool:
        return self.address.done() and self.address.exception() is not None

    def start(self) -> None:
        self.task = asyncio.create_task(self._serve())

    def stop(self, drain: float | None = None) -> None:
        """`drain`: seconds that what runs may go on; by default as the settings say."""
        if self._settings is not None and drain is not None:
            self._settings.drain = drain
        self._stopped.set()

    async def _serve(self) -> None:
        try:
            config, given = _read(self._config), inside.settings(self._data)
            self._settings = given
            assert given.master_key is not None
            async with embedded(config, given) as url:
                self.address.set_result((url, given.master_key.get_secret_value()))
                await self._stopped.wait()
        except Exception as error:
            if self.address.done():
                raise
            self.address.set_exception(_told(error))


async def _end(served: list[Services]) -> None:
    for services in served:
        services.stop(_LEAVING)
    if tasks := [services.task for services in served if services.task is not None]:
        await asyncio.wait(tasks)


def _read(config: str | Path) -> Config:
    """What has no effect in it is told; of a text once."""
    return _usable(partial(configuration.load, config)) if isinstance(config, Path) else _parsed(config)


@lru_cache(MOST)
def _parsed(text: str) -> Config:
    return _usable(partial(configuration.parse, text), whole=False)


def _usable(read: Callable[[], Config], *, whole: bool = True) -> Config:
    try:
        return inside.reported(read(), whole=whole)
    except Complaint as complaint:
        raise BadRequestError(str(complaint), code="invalid_configuration") from None


def _told(error: Exception) -> Exception:
    return APIError(str(error), code="not_configured") if isinstance(error, Complaint) else error


def _new_loop() -> asyncio.AbstractEventLoop:
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415  # there is none for Windows

    return uvloop.new_event_loop()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # which also ends what is left
        runner.get_loop().run_forever()


def _at_exit(work: Callable[[], None]) -> None:
    """Have this done while there are threads to write with: `atexit` comes when executors take no more work, and not
    at all in the children of `multiprocessing`.
    """
    register = getattr(threading, "_register_atexit", atexit.register)
    with suppress(RuntimeError):  # the process is ending already
        register(work)


HOST = Host()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=HOST.forget)
