"""A configuration that changes while it is used."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from warren import config
from warren.config import Config
from warren.reloading import Enact, Reloader
from warren.settings import Complaint

pytestmark = pytest.mark.anyio
REFUSED = "the new configuration cannot be used, the old one stays in force"


def text(*names: str) -> str:
    return "\n".join(["model_list:", *(f"  - {{model_name: {n}, litellm_params: {{model: openai/m}}}}" for n in names)])


class Service:
    """Somebody who goes by a configuration, and cannot stand some."""

    def __init__(self) -> None:
        self.models: list[str] = []

    def prepare(self, new: Config) -> Enact:
        if "bad" in new.models():
            raise Complaint("I cannot work with that")
        return lambda: setattr(self, "models", new.models())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text("a"))
    return path


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries


@asynccontextmanager
async def reloading(file: Path, *services: Service) -> AsyncIterator[Reloader]:
    read = partial(config.load, file)
    reloader = Reloader(read, read(), structlog.get_logger("test"))
    for service in services:
        reloader.follow(service.prepare)
    async with reloader.open():
        yield reloader


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_changed_file_comes_into_force_everywhere(file: Path, logged: list[Any]) -> None:
    one, two = Service(), Service()
    async with reloading(file, one, two):
        file.write_text(text("a", "b"))
        await until(lambda: two.models)
        assert one.models == two.models == ["a", "b"]
        file.rename(file.with_name("old"))  # as editors and mounted secrets do it
        file.write_text(text("c"))
        await until(lambda: two.models == ["c"])


async def test_a_file_that_is_included_counts_as_well(tmp_path: Path, file: Path, logged: list[Any]) -> None:
    more, service = tmp_path / "more.yaml", Service()
    more.write_text(text("b"))
    file.write_text("include: [more.yaml]\n" + text("a"))
    async with reloading(file, service):
        more.write_text(text("c"))
        await until(lambda: service.models)
        assert set(service.models) == {"a", "c"}


@pytest.mark.parametrize("broken", ["model_list: [", "model_list: 7", "", text("bad"), None])
async def test_what_cannot_be_used_leaves_the_old_one_in_force_and_is_told(
    file: Path, logged: list[Any], broken: str | None
) -> None:
    one, two = Service(), Service()
    async with reloading(file, one, two) as reloader:
        file.write_text(text("b"))
        await until(lambda: two.models)
        if broken is None:
            file.unlink()
        else:
            file.write_text(broken)
        await until(lambda: any(entry["event"] == REFUSED for entry in logged))
        assert one.models == two.models == ["b"]
        assert reloader.refresh().models() == ["b"]
        (told,) = [entry for entry in logged if entry["event"] == REFUSED]
        assert "config.yaml" in told["complaint"] or "work with" in told["complaint"]
        file.write_text(text("c"))
        await until(lambda: one.models == two.models == ["c"])


async def test_a_signal_reads_it_at_once(file: Path, logged: list[Any]) -> None:
    service = Service()
    async with reloading(file, service):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: any(entry["event"] == "the configuration is the same" for entry in logged))
        file.write_text(text("b"))
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(0.9):
            while not service.models:
                await asyncio.sleep(0.01)


async def test_who_needs_it_now_does_not_wait_for_a_look(file: Path, logged: list[Any]) -> None:
    service = Service()
    async with reloading(file, service) as reloader:
        first = reloader.refresh()
        assert reloader.refresh() is first
        file.write_text(text("b"))
        assert reloader.refresh().models() == service.models == ["b"]
