"""A limit over minutes: in no 60 seconds does a provider get more than it may, whichever process asks."""

import asyncio
from bisect import bisect_left
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.system.test_fleet import fleet

pytestmark = pytest.mark.anyio
RPM = 60


async def test_in_any_minute_a_deployment_gets_what_it_may(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async with fleet(request, tmp_path, {"words-3": {"rpm": RPM}}) as all_:
        until, asked = monotonic() + 200, list[asyncio.Task[httpx.Response]]()
        while monotonic() < until:
            asked.append(asyncio.create_task(all_.ask()))
            await asyncio.sleep(0.1)
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
        assert set(statuses) == {200, 429}
        times = all_.times("words-3")
        most = max(bisect_left(times, at + 60) - number for number, at in enumerate(times))
        assert most == RPM
        assert len(times) == statuses.count(200) >= 3 * RPM
