"""Warren as a whole, in both of its forms: one process, and three on RabbitMQ and MongoDB."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from openai import AsyncOpenAI

from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ, free_ports
from tests.rig.scripts import SCRIPTS
from tests.rig.services import KEY, embedded, models, ready, stack
from tests.rig.tap import tapped
from tests.rig.upstream import FakeProvider, provider

MODELS = (
    "words-3", "words-20", "words-200", "words-40-50", "words-200-20", "think-1500", "status-429-1", "status-500-999",
    "status-401-999", "status-400-999", "status-404-999", "cut-3", "fail-3", "drip", "tool", "short-3",
    *SCRIPTS,
)  # fmt: skip


@dataclass
class System:
    """A running Warren and the provider behind it."""

    url: str
    upstream: FakeProvider

    def client(self, **options: object) -> AsyncOpenAI:
        given: Any = {"max_retries": 0, **options}
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=KEY, **given)


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[FakeProvider]:
    async with provider() as fake:
        yield fake


@pytest.fixture(scope="module", params=["embedded", "services"])
async def system(
    request: pytest.FixtureRequest, upstream: FakeProvider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("system")
    config = models(upstream.url, *MODELS)
    lenient = {"model": "openai/words-3", "api_base": upstream.url, "api_key": "k", "use_chat_completions_api": True}
    config["model_list"].append({"model_name": "lenient", "litellm_params": {**lenient, "drop_params": True}})
    if request.param == "embedded":
        (port,) = free_ports(1)
        service = embedded(config, folder, port)
        try:
            await ready(f"http://127.0.0.1:{port}")
            with tapped(f"http://127.0.0.1:{port}") as url:
                yield System(url, upstream)
        finally:
            service.kill()
        return
    rabbitmq: RabbitMQ | ExternalRabbitMQ = request.getfixturevalue("rabbitmq")
    mongod: Mongod | ExternalMongod = request.getfixturevalue("mongod")
    with stack(rabbitmq.url, f"{mongod.url}system_{uuid4().hex[:8]}", config, folder) as services:
        await services.ledger()
        await services.worker()
        _, address = await services.gateway()
        with tapped(address) as url:
            yield System(url, upstream)
