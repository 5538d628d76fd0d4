"""A worker dies, or freezes, under streams that show text and under JSON requests."""

import asyncio
from time import monotonic

import pytest

from tests.verify.conftest import Fleet, client, crowd, stored, under_way

pytestmark = pytest.mark.anyio
WORDS = 100


async def test_a_killed_worker_costs_streams_their_end_and_json_requests_nothing(fleet: Fleet) -> None:
    async with client() as http:
        streams = await crowd(http, fleet.urls, f"words-{WORDS}-40", 25, stream=True)
        wholes = await crowd(http, fleet.urls, f"words-{WORDS}-40", 25, stream=False)
        await under_way(fleet.upstream, 50)
        fleet.workers[0].kill()
        killed = monotonic()
        await _checked(fleet, streams, wholes, killed + 4)


async def test_a_frozen_worker_costs_streams_their_end_and_json_requests_nothing(fleet: Fleet) -> None:
    async with client() as http:
        streams = await crowd(http, fleet.urls, "words-300-100", 25, stream=True)
        wholes = await crowd(http, fleet.urls, "words-300-100", 25, stream=False)
        await under_way(fleet.upstream, 50)
        fleet.workers[0].suspend()
        await asyncio.sleep(45)
        fleet.workers[0].resume()
        await _checked(fleet, streams, wholes, monotonic() + 40, words=300)


async def _checked(fleet: Fleet, streams: list, wholes: list, latest: float, words: int = WORDS) -> None:  # type: ignore[type-arg]
    ended = await asyncio.gather(*streams)
    answered = await asyncio.gather(*wholes)
    broken = 0
    async with client() as http:
        for asked in ended:
            if asked.final["status"] == "completed":
                assert asked.whole(words)
            else:
                broken += 1
                assert asked.final["error"]["code"] == "interrupted"
                assert asked.ended < latest
                call = asked.words[0].partition("w")[0]
                assert asked.words == [f"{call}w{number}" for number in range(len(asked.words))], "mixed"
                assert len(fleet.upstream.asked(asked.marker)) == 1, "called again for a stream that was lost"
            await stored(http, fleet.urls[0], asked)
        for asked in answered:
            assert asked.status == 200, asked.body
            assert asked.final["status"] == "completed"
            assert asked.whole(words)
            await stored(http, fleet.urls[1], asked)
    assert 0 < broken < len(ended), "both workers had streams"
    print(f"{broken} of {len(ended)} streams were interrupted, all {len(answered)} JSON requests completed; "
          f"{len(fleet.upstream.calls)} upstream calls")  # fmt: skip
