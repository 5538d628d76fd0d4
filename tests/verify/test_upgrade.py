"""From an earlier version to this one and back, process by process, while requests are made."""

import asyncio
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import Service, Stack, models, stack
from tests.rig.upstream import FakeProvider
from tests.verify.asking import Load
from tests.verify.conftest import client

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
PREVIOUS = os.environ.get("WARREN_TEST_UPGRADE_FROM", "c616d5c")
"""The commit to upgrade from."""
MEMBERS = ("shared", "services/gateway", "services/worker", "services/ledger")
MODELS = ("words-20", "words-40-50")
CLIENTS = 6


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The code as it was."""
    archive = subprocess.run(["git", "archive", PREVIOUS, *MEMBERS], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"{PREVIOUS} is not in this clone")
    folder = tmp_path / "previous"
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.fixture
def stacks(
    broker: RabbitMQ, database: Mongod, upstream: FakeProvider, previous: Path, tmp_path: Path
) -> Iterator[tuple[Stack, Stack]]:
    """Services of the earlier version, and of this one, on one broker and one database."""
    config = models(upstream.url, *MODELS)
    with ExitStack() as opened:
        made = []
        for name, code in (("old", previous), ("new", ROOT)):
            (folder := tmp_path / name).mkdir()
            paths = os.pathsep.join(str(code / member) for member in MEMBERS)
            url = f"{database.url}upgrade"
            made.append(
                opened.enter_context(stack(broker.url, url, config, folder, PYTHONPATH=paths, WARREN_DRAIN="20"))
            )
        yield made[0], made[1]
        for one in made:
            assert not one.errors()


class Fleet:
    """Two of each service, one after the other replaced."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._here: dict[str, list[Service]] = {"ledger": [], "worker": [], "gateway": []}

    async def roll(self, stack: Stack, *, back: bool = False) -> None:
        """Replace each by one of this stack: first the new one, then the old one goes. No ledger is ever older than
        those who tell it something.
        """
        kinds = ("ledger", "worker", "gateway")
        for kind in reversed(kinds) if back else kinds:
            for place in range(2):
                match kind:
                    case "ledger":
                        began = await stack.ledger()
                    case "worker":
                        began = await stack.worker()
                    case _:
                        began, url = await stack.gateway()
                        self._load.urls[place : place + 1] = [url]
                        await asyncio.sleep(1)  # as long as a balancer takes
                await self._replace(kind, place, began)

    async def _replace(self, kind: str, place: int, began: Service) -> None:
        here = self._here[kind]
        if len(here) > place:
            assert await here[place].stop(timeout=60) == 0
            here[place] = began
        else:
            here.append(began)


async def test_from_the_earlier_version_to_this_one_and_back(
    stacks: tuple[Stack, Stack], upstream: FakeProvider, database: Mongod
) -> None:
    old, new = stacks
    load = Load([], MODELS)
    fleet = Fleet(load)
    await fleet.roll(old)
    async with client() as http, asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(load.ask(http))
        await asyncio.sleep(5)
        await fleet.roll(new)
        await asyncio.sleep(5)
        await fleet.roll(old, back=True)
        await asyncio.sleep(5)
        load.over()
    async with client() as http:
        await load.kept(http)
    print(f"{load}; {len(upstream.calls)} calls")
    assert load.statuses == {"completed": len(load.ended)}
    assert not load.refused
    with MongoClient[dict[str, Any]](database.url) as mongo:
        kept = mongo["upgrade"]
        assert kept["charges"].count_documents({}) == len(load.ended)
        assert kept["costs"].count_documents({}) == len(upstream.calls) == len(load.ended)
