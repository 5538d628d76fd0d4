"""Whatever is sent to a route that is described, what comes back is described, too, and never a failure of ours."""

from pathlib import Path

import pytest

from tests.rig.rabbitmq import free_ports
from tests.rig.schema import tried_out
from tests.rig.services import embedded, models, ready
from tests.rig.upstream import FakeProvider

pytestmark = [pytest.mark.anyio, pytest.mark.long]
LARGE = (
    "/v1/responses",
    "/v1/responses/compact",
    "/v1/responses/input_tokens",
    "/v1/conversations",
    "/v1/conversations/{conversation_id}/items",
)
"""Tried out at random here, and to the end by `make verify`."""


@pytest.mark.parametrize("phase", ["coverage", "fuzzing"])
async def test_the_api_is_as_it_is_described(upstream: FakeProvider, tmp_path: Path, phase: str) -> None:
    (port,) = free_ports(1)
    service = embedded(models(upstream.url, "words-3"), tmp_path, port)
    url = f"http://127.0.0.1:{port}"
    arguments = ["--phases", phase, "--max-examples", "15"]
    if phase == "coverage":
        arguments += [word for path in LARGE for word in ("--exclude-path", path)]
    try:
        await ready(url)
        code, said = await tried_out(url, tmp_path, "words-3", *arguments)
        assert code == 0, said
        log = service.log.read_text()
        assert '"error"' not in log, log[-3000:]
    finally:
        service.kill()
