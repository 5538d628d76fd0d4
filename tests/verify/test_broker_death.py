"""The broker dies and comes back; the database is away for a while."""

import asyncio

import httpx
import pytest

from tests.rig.scraped import Scraped
from tests.verify.conftest import Fleet, client, crowd, stored, under_way

pytestmark = pytest.mark.anyio
WORDS = 250


async def test_streams_go_on_over_a_broker_that_is_killed_and_started_again(fleet: Fleet) -> None:
    async with client() as http:
        streams = await crowd(http, fleet.urls, f"words-{WORDS}-40", 25, stream=True)
        wholes = await crowd(http, fleet.urls, f"words-{WORDS}-40", 25, stream=False)
        await under_way(fleet.upstream, 50)
        fleet.broker.kill()
        await asyncio.sleep(1)
        await asyncio.to_thread(fleet.broker.start)
        fleet.database.kill()
        await asyncio.sleep(1)
        answers = await asyncio.gather(*await crowd(http, fleet.urls, "words-3", 10, stream=False))
        assert [answer.status for answer in answers] == [200] * 10, "answers go on without the database"
        for url in fleet.urls:
            unstored = await http.get(f"{url}/v1/responses/{answers[0].final['id']}")
            assert unstored.status_code == 503
            assert unstored.json()["error"]["code"] == "ledger_unavailable"
            readiness = await http.get(f"{url}/health/readiness")
            assert (readiness.status_code, readiness.json()["status"]) == (200, "degraded")
        await asyncio.sleep(15)
        await asyncio.to_thread(fleet.database.start)
        ended = await asyncio.gather(*streams, *wholes)
        for asked in ended:
            assert asked.status == 200, asked.body
            assert asked.final["status"] == "completed", asked.final
            assert asked.whole(WORDS)
        for asked in (*ended, *answers):
            await _soon(http, fleet.urls[0], asked.final["id"])
            await stored(http, fleet.urls[1], asked)
    print(f"{len(ended)} requests completed with {len(fleet.upstream.calls) - 10} upstream calls")


async def _soon(http: httpx.AsyncClient, url: str, response_id: str) -> None:
    """Wait for the ledger to be back."""
    for _ in range(100):
        if (await http.get(f"{url}/v1/responses/{response_id}")).status_code == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{response_id} was never stored")


async def test_connections_that_are_closed_time_and_again_lose_nothing(fleet: Fleet) -> None:
    async with client() as http:
        for round_ in range(5):
            streams = await crowd(http, fleet.urls, "words-40-50", 20, stream=True)
            wholes = await crowd(http, fleet.urls, "words-40-50", 20, stream=False)
            await asyncio.sleep(0.5 + 0.5 * round_)
            await asyncio.to_thread(fleet.broker.ctl, "close_all_connections", "a test")
            for asked in await asyncio.gather(*streams, *wholes):
                assert asked.status == 200, asked.body
                assert asked.final["status"] == "completed", asked.final
                assert asked.whole(40)
                await stored(http, fleet.urls[0], asked)
                assert asked.ended - asked.began < 15
    told = [await Scraped.of(await service.metrics()) for service in (*fleet.gateways, *fleet.workers)]
    assert [seen.value("warren_bus_connected") for seen in told] == [1] * 4
    assert sum(seen.value("warren_redeliveries_total") for seen in told) > 0
