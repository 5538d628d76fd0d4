"""One Warren with a deployment of every provider for every script, and the fake vendors behind it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from openai import AsyncOpenAI

from tests.providers.cases import CASES, SCRIPTS
from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, embedded, ready
from tests.rig.tap import tapped
from tests.rig.vendors import Fake, fake
from tests.rig.vendors.chat import mount as chat
from tests.rig.vendors.cohere import mount as cohere
from tests.rig.vendors.converse import mount as converse
from tests.rig.vendors.gemini import mount as gemini
from tests.rig.vendors.google import google_credentials
from tests.rig.vendors.messages import mount as messages
from tests.rig.vendors.ollama import mount as ollama
from tests.rig.vendors.responses import mount as responses


@dataclass
class Providers:
    url: str
    vendors: Fake

    def client(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=0)


@pytest.fixture(scope="session")
async def vendors() -> AsyncIterator[Fake]:
    async with fake(chat, responses, messages, gemini, converse, cohere, ollama) as made:
        yield made


@pytest.fixture(scope="session")
async def providers(vendors: Fake, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Providers]:
    (port,) = free_ports(1)
    google = json.dumps(google_credentials(vendors.url))
    config = {"model_list": [case.entry(script, vendors.url, google) for case in CASES for script in SCRIPTS]}
    service = embedded(config, tmp_path_factory.mktemp("providers"), port)
    try:
        await ready(f"http://127.0.0.1:{port}")
        with tapped(f"http://127.0.0.1:{port}") as url:
            yield Providers(url, vendors)
    finally:
        service.kill()
