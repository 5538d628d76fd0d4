"""What a gateway says of its health."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.rig.parts import Parts
from warren import config
from warren.bus.memory import MemoryBroker
from warren_ledger.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
CONFIG = config.parse('{"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/m", "api_key": "k"}}]}')


async def test_whoever_asks_while_the_ledger_is_asked_gets_an_answer(tmp_path: Path) -> None:
    parts = Parts(MemoryBroker(), lambda: SqliteStore.open(tmp_path / "warren.db"))
    async with parts.gateway(CONFIG) as url, httpx.AsyncClient(base_url=url) as http:
        answers = await asyncio.gather(*(http.get("/health/readiness") for _ in range(3)))
        assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "degraded")] * 3
        assert {answer.json()["ledger"] for answer in answers} == {"unknown", "down"}
