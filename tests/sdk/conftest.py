"""The SDK by both of its ways: a gateway that is another process, and services inside of this one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import MODEL, OTHERS, alone
from tests.rig.services import KEY, models
from tests.rig.upstream import FakeProvider, provider_in_thread
from warren import AsyncClient, Client
from warren_gateway.host import HOST


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeProvider]:
    with provider_in_thread() as fake:
        yield fake


@pytest.fixture(scope="session")
def gateway(upstream: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gateway; its key is `KEY`."""
    with alone(upstream, tmp_path_factory.mktemp("gateway")) as url:
        yield url


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where services inside of this process keep responses."""
    yield tmp_path_factory.mktemp("data")
    HOST.close()


@pytest.fixture(params=["gateway", "inside"])
def client(request: pytest.FixtureRequest, upstream: FakeProvider, gateway: str, data: Path) -> Iterator[Client]:
    if request.param == "gateway":
        made = Client(gateway, KEY)
    else:
        made = Client(config=models(upstream.url, MODEL, *OTHERS), data=data)
    with made:
        yield made


@pytest.fixture(params=["gateway", "inside"])
async def async_client(
    request: pytest.FixtureRequest, upstream: FakeProvider, gateway: str, data: Path
) -> AsyncIterator[AsyncClient]:
    if request.param == "gateway":
        made = AsyncClient(gateway, KEY)
    else:
        made = AsyncClient(config=models(upstream.url, MODEL, *OTHERS), data=data)
    async with made:
        yield made


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, upstream: FakeProvider, tmp_path: Path) -> Iterator[Path]:
    """An environment in which calls are answered inside, from a folder of their own, and OpenAI is the fake."""
    for name in ("WARREN_BASE_URL", "WARREN_API_KEY", "WARREN_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WARREN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    yield tmp_path / "data"
    HOST.close()
