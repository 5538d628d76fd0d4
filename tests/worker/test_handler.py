"""What a worker does when its configuration is older than a job's plan."""

import pytest

from warren import config
from warren.bus.memory import MemoryBroker
from warren.errors import UpstreamAuth
from warren_worker.handler import Worker
from warren_worker.upstream import Patience, connect

pytestmark = pytest.mark.anyio


def configuration(*names: str, key: str = "k") -> config.Config:
    entries = [
        f"  - {{model_name: m, model_info: {{id: {name}}}, litellm_params: {{model: openai/m, api_key: {key}}}}}"
        for name in names
    ]
    return config.parse("\n".join(["model_list:", *entries]))


async def test_an_unknown_deployment_is_looked_for_once_in_the_file() -> None:
    read = 0

    def reload() -> config.Config:
        nonlocal read
        read += 1
        return configuration("old", "new")

    async with MemoryBroker().open() as bus, connect(Patience(), 1) as upstream:
        worker = Worker(bus, upstream, configuration("old"), {}, reload)
        assert worker._router(["old"]).groups.find("new") is None
        assert read == 0
        (new,) = worker._router(["new"]).known("new").deployments
        assert worker._router(["new"]).groups.find("new") is not None
        assert (await worker._find(new)).deployment == "new"
        assert read == 1
        assert worker._router(["never"]).groups.find("never") is None
        assert read == 2


async def test_a_key_that_is_not_set_is_named() -> None:
    async with MemoryBroker().open() as bus, connect(Patience(), 1) as upstream:
        current = configuration("d", key="os.environ/NOWHERE")
        worker = Worker(bus, upstream, current, {}, lambda: current)
        with pytest.raises(UpstreamAuth, match="NOWHERE"):
            await worker._find(current.deployments["d"])
