"""What all tests share: one event loop library, and the real parts, started when the first test asks."""

import asyncio
import functools
import inspect
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ

OWN_BROKER = "own_broker"
AMQP_URL = "WARREN_TEST_AMQP_URL"
MONGO_URL = "WARREN_TEST_MONGO_URL"

# A busy machine is no bug, and a run leaves nothing behind.
settings.register_profile("warren", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("warren")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{OWN_BROKER}: kills or freezes the broker; not run with {AMQP_URL}")
    config.addinivalue_line("markers", "long: takes minutes; `make verify` runs it, `make test` does not")


def pytest_report_header() -> str | None:
    if AMQP_URL in os.environ:
        return f"broker: that of {AMQP_URL}; tests marked {OWN_BROKER} would kill it and are deselected"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if AMQP_URL in os.environ:
        theirs = [item for item in items if item.get_closest_marker(OWN_BROKER)]
        config.hook.pytest_deselected(items=theirs)
        items[:] = [item for item in items if item not in theirs]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """End a coroutine that takes too long from within, somewhat before pytest-timeout would end the process for it:
    this way one test fails, and its fixtures are torn down."""
    if inspect.iscoroutinefunction(test := pyfuncitem.obj):
        config, marker = pyfuncitem.config, pyfuncitem.get_closest_marker("timeout")
        allowed = marker.args[0] if marker else config.getoption("timeout") or config.getini("timeout")

        @functools.wraps(test)
        async def in_time(**arguments: object) -> None:
            async with asyncio.timeout(0.8 * float(allowed)):
                await test(**arguments)

        pyfuncitem.obj = in_time
    return (yield)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ | ExternalRabbitMQ]:
    """A broker, by its `url`. Only tests marked `own_broker` may do it harm."""
    if url := os.environ.get(AMQP_URL):
        yield ExternalRabbitMQ(url)
        return
    with RabbitMQ() as broker:
        yield broker


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod | ExternalMongod]:
    """A MongoDB server, by its `url`, to which a test adds a database of its own. Who kills one starts it himself."""
    if url := os.environ.get(MONGO_URL):
        yield ExternalMongod(url.rstrip("/") + "/")
        return
    with Mongod() as server:
        yield server
