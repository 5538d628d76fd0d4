"""What a worker does when its configuration is older than a job's plan."""

import pytest

from warren import config
from warren.errors import UpstreamAuth
from warren.routing.board import Board
from warren_worker.places import Places

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

    places = Places(configuration("old"), {}, reload, Board())
    assert places.router(["old"]).groups.find("new") is None
    assert read == 0
    (new,) = places.router(["new"]).known("new").deployments
    assert places.router(["new"]).groups.find("new") is not None
    assert (await places.find(new)).deployment == "new"
    assert read == 1
    assert places.router(["never"]).groups.find("never") is None
    assert read == 2


async def test_a_place_is_another_one_when_its_key_is() -> None:
    places = Places(configuration("d"), {}, lambda: places.config, Board())
    before = await places.find(places.config.deployments["d"])
    places.configure(configuration("d", key="other"))
    after = await places.find(places.config.deployments["d"])
    assert (before.headers["authorization"], after.headers["authorization"]) == ("Bearer k", "Bearer other")


async def test_a_key_that_is_not_set_is_named() -> None:
    current = configuration("d", key="os.environ/NOWHERE")
    places = Places(current, {}, lambda: current, Board())
    with pytest.raises(UpstreamAuth, match="NOWHERE"):
        await places.find(current.deployments["d"])
