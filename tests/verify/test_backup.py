"""A backup of the ledger, taken while it works, and what a new set of databases makes of it."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.rig.cluster import ReplicaSet
from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ
from tests.rig.services import KEY, models, stack
from tests.rig.upstream import FakeProvider
from tests.verify.asking import Load
from tests.verify.conftest import client

pytestmark = pytest.mark.anyio
MODELS = ("words-3", "words-20")


def back_up(member: Mongod, to: Path) -> None:
    """The files of a member that is kept from writing meanwhile."""
    with MongoClient[dict[str, Any]](member.url, directConnection=True) as mongo:
        mongo.admin.command("fsync", lock=True)
        try:
            shutil.copytree(member.data, to)
        finally:
            mongo.admin.command("fsyncUnlock")


def make_first(data: Path) -> None:
    """Let it forget which set it was a member of."""
    with Mongod(data=data) as alone:
        with MongoClient[dict[str, Any]](alone.url) as mongo:
            mongo.drop_database("local")
        alone.end()
        shutil.rmtree(data)
        shutil.copytree(alone.data, data)


async def spent(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await http.get(f"{url}/global/spend/report", params={"group_by": "model"})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_what_was_backed_up_is_there_again_and_work_goes_on(
    broker: RabbitMQ, upstream: FakeProvider, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    config = models(upstream.url, *MODELS)
    before, during = Load([], MODELS), Load([], MODELS)
    with ReplicaSet() as replicas, stack(broker.url, replicas.url("warren"), config, tmp_path) as services:
        await services.ledger()
        await services.worker()
        url = (await services.gateway())[1]
        before.urls = during.urls = [url]
        async with client() as http:
            await asked(http, before, seconds=8)
            await before.kept(http)
            await asyncio.sleep(5)  # until it is counted
            sums = await spent(http, url)
            async with asyncio.TaskGroup() as clients:
                clients.create_task(asked(http, during, seconds=8))
                await asyncio.to_thread(back_up, await asyncio.to_thread(replicas.secondary), backup)
            assert during.statuses == {"completed": len(during.ended)}, "nobody noticed"
    make_first(backup)
    with ReplicaSet(backup) as restored, stack(broker.url, restored.url("warren"), config, tmp_path) as services:
        await services.ledger()
        await services.worker()
        url = (await services.gateway())[1]
        before.urls = [url]
        async with client() as http:
            await before.kept(http)
            after = Load([url], MODELS)
            await asked(http, after, seconds=5)
            await after.kept(http)
            assert after.statuses == {"completed": len(after.ended)}
            listed = await http.get(f"{url}/key/list", headers={"authorization": f"Bearer {KEY}"})
            assert listed.status_code == 200
        with MongoClient[dict[str, Any]](restored.url("warren")) as mongo:
            charges = {one["_id"] for one in mongo["warren"]["charges"].find()}
        assert charges >= before.ended.keys() | after.ended.keys()
    kept = len(charges & during.ended.keys())
    print(f"{len(before.ended)} before the backup, all there; {kept} of {len(during.ended)} during it; sums {sums}")


async def asked(http: httpx.AsyncClient, load: Load, seconds: float) -> None:
    async with asyncio.TaskGroup() as clients:
        for _ in range(4):
            clients.create_task(load.ask(http))
        await asyncio.sleep(seconds)
        load.over()
