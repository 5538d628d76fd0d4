"""RabbitMQ and MongoDB over TLS, as production has them: by URLs alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.making import ACCOUNT, outcome
from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ, free_ports
from tests.rig.tls import certificate
from warren.bus import jobs
from warren.bus.rabbit import RabbitBus
from warren.contracts import Ping
from warren.errors import LedgerUnavailable
from warren_ledger.store.mongo import MongoStore

pytestmark = pytest.mark.anyio


def made(folder: Path, name: str) -> Path:
    """A file with the key and the certificate of a server of this name; beside it `ca.pem`, which signed it."""
    folder.mkdir()
    certificate(name, folder)
    pem = folder / "pem"
    ca = pem.read_text()
    (folder / "ca.pem").write_text(ca[ca.index("-----BEGIN CERTIFICATE") :])
    return pem


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def pem(folder: Path) -> Path:
    made(folder / "other", "localhost")
    return made(folder / "ours", "localhost")


@pytest.fixture(scope="module")
def port(pem: Path) -> Iterator[int]:
    """That of a broker, for TLS alone."""
    (port,) = free_ports(1)
    files = "".join(f"ssl_options.{kind} = {pem}\n" for kind in ("cacertfile", "certfile", "keyfile"))
    with RabbitMQ(config=f"listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.versions.1 = tlsv1.3\n{files}"):
        yield port


async def test_the_bus_over_tls(port: int, folder: Path) -> None:
    url = f"amqps://guest:guest@localhost:{port}/?cafile={folder}/ours/ca.pem"
    async with RabbitBus.open(url) as bus:
        await bus.send(jobs("test"), Ping())
        assert (await bus.depth(jobs("test"))).ready == 1


@pytest.mark.parametrize(
    "at", ["localhost:{port}/", "localhost:{port}/?cafile={folder}/other/ca.pem",
           "127.0.0.1:{port}/?cafile={folder}/ours/ca.pem"],
    ids=["nobody vouches for it", "somebody else vouches for it", "it has another name"],
)  # fmt: skip
async def test_a_broker_that_is_somebody_else_is_not_talked_to(port: int, folder: Path, at: str) -> None:
    async with RabbitBus.open(f"amqps://guest:guest@{at.format(port=port, folder=folder)}") as bus:
        assert not bus.connected


async def test_the_store_over_tls(pem: Path, folder: Path) -> None:
    with Mongod("--tlsMode", "preferTLS", "--tlsCertificateKeyFile", str(pem)) as server:
        url = f"mongodb://localhost:{server.port}/warren?tls=true&tlsCAFile={folder}"
        async with MongoStore.open(f"{url}/ours/ca.pem") as store:
            await store.put([one := outcome()])
            assert await store.find(one.response_id, ACCOUNT) is not None
        async with MongoStore.open(f"{url}/other/ca.pem") as store:
            with pytest.raises(LedgerUnavailable):
                await store.ping()
