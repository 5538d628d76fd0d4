"""The examples, run as programs. Addresses that no test can reach are replaced; a slow model is asked to be brief."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from tests.rig.rabbitmq import free_ports
from tests.rig.services import Service, ready
from tests.rig.upstream import FakeProvider, provider_in_thread
from tests.rig.vendors import Fake, fake
from tests.rig.vendors.messages import mount as messages
from tests.rig.vendors.script import script
from warren import local_model

EXAMPLES = Path(__file__).parents[2] / "examples"
WARREN = str(Path(sys.executable).with_name("warren"))
ADDRESSES = (
    "http://localhost:4000", "https://endpoint1.openai.azure.com", "https://endpoint2.openai.azure.com",
)  # fmt: skip


@dataclass(frozen=True)
class OpenAI:
    """Who answers in OpenAI's place."""

    url: str
    fake: FakeProvider | None = None

    @property
    def environ(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": "sk-of-openai", "OPENAI_BASE_URL": self.url}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeProvider]:
    with provider_in_thread() as made:
        yield made


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """The base URL of a real model, which is brief: the examples set it no limit."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(local_model.serving(most=20)) as url:
        yield url


@pytest.fixture(scope="module", params=["fake", "real"])
def openai(request: pytest.FixtureRequest) -> OpenAI:
    if request.param == "fake":
        upstream: FakeProvider = request.getfixturevalue("upstream")
        return OpenAI(upstream.url, upstream)
    return OpenAI(request.getfixturevalue("model"))


def run(example: str, folder: Path, environ: dict[str, str], url: str | None = None, *, brief: bool = False) -> str:
    """What an example prints, with this address in it for those that it has; `brief`, with limits in its requests."""
    text = (EXAMPLES / example).read_text()
    for address in ADDRESSES:
        text = text.replace(address, url or address)
    if brief:
        text = text.replace('"input":', '"max_output_tokens": 20, "input":')
    path = folder / Path(example).name
    path.write_text(text)
    command = ["bash", str(path)] if path.suffix == ".sh" else [sys.executable, "-W", "error", str(path)]
    own = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
    own |= {"WARREN_DATA": str(folder / "data"), **environ}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=own)
    complaints = [line for line in ended.stderr.splitlines() if not line.endswith(" has no effect")]
    assert (ended.returncode, complaints) == (0, [])
    return ended.stdout


@contextmanager
def serving(config: str, folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """`warren up` with one of the examples' configurations."""
    (port,) = free_ports(1)
    command = [WARREN, "up", "--config", str(EXAMPLES / config), "--port", str(port)]
    service = Service("up", command, {"WARREN_DATA": str(folder / "up"), "WARREN_DRAIN": "1", **environ}, folder)
    try:
        asyncio.run(ready(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"
    finally:
        service.kill()


@pytest.mark.parametrize("example", ["create", "stream", "get", "delete", "twins"])
def test_the_sdks(example: str, openai: OpenAI, tmp_path: Path) -> None:
    told = run(f"sdk/{example}.py", tmp_path, openai.environ)
    _check(example, told)
    if openai.fake is not None:
        call = openai.fake.calls[-1]
        assert (call.model, call.path) == ("o1-pro", "/v1/responses")
        assert call.headers["authorization"] == "Bearer sk-of-openai"


def test_the_router_keeps_a_session_where_it_began(upstream: FakeProvider, tmp_path: Path) -> None:
    keys = set()
    for _ in range(6):
        calls = len(upstream.calls)
        told = run("sdk/router.py", tmp_path, {}, upstream.url.removesuffix("/v1"))
        assert "status='completed'" in told
        first, second = upstream.calls[calls:]
        assert first.path == second.path == "/openai/v1/responses"
        assert first.headers["api-key"] == second.headers["api-key"]
        assert "Hello, who are you?" in str(second.said)
        keys.add(first.headers["api-key"])
    assert keys <= {"your-api-key-1", "your-api-key-2"}


@pytest.fixture(scope="module")
def proxy(openai: OpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("proxy/config.yaml", tmp_path_factory.mktemp("proxy"), openai.environ) as url:
        yield url


@pytest.mark.parametrize("example", ["create", "stream", "get", "delete"])
def test_openais_sdk(example: str, proxy: str, tmp_path: Path) -> None:
    told = run(f"proxy/{example}.py", tmp_path, {}, proxy)
    if example == "delete":  # OpenAI's SDK gives nothing
        assert told.strip() == "None"
    else:
        _check(example, told)


def _check(example: str, told: str) -> None:
    lines = told.strip().splitlines()
    if example == "delete":
        assert re.search(r"id='resp_\w+'.* deleted=True", told)
        return
    if example in ("stream", "twins"):
        assert "type='response.created'" in lines[0]
        assert sum("type='response.output_text.delta'" in line for line in lines) > 2
        assert re.search(r"type='response\.(completed|incomplete)'", told)
    if example == "twins":
        assert "deleted=True" in lines[-1]
    elif example != "stream":
        assert re.search(r"id='resp_\w+'", told)
        assert re.search(r"status='(completed|incomplete)'", told)
        assert re.search(r"text=['\"]\s*\S", told)


@pytest.fixture(scope="module")
def anthropic() -> Iterator[Fake]:
    """It says all that it was told."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(fake(messages)) as made:
        made.play = lambda model, asked: script("remember", asked)  # type: ignore[method-assign]
        yield made


@pytest.mark.parametrize("who", ["fake", "real"])
def test_conversations_by_curl(who: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    vendor: Fake | None = request.getfixturevalue("anthropic") if who == "fake" else None
    url = vendor.url if vendor is not None else request.getfixturevalue("model").removesuffix("/v1")
    environ = {"ANTHROPIC_API_KEY": "sk-of-anthropic", "ANTHROPIC_BASE_URL": url}
    with serving("sessions/config.yaml", tmp_path, environ) as gateway:
        told = run("sessions/sessions.sh", tmp_path, {}, gateway, brief=vendor is None)
    first, second, third = told.strip().splitlines()
    ids = [re.search(r'"id":"(resp_\w+)"', line) for line in (first, second, third)]
    assert all(ids)
    assert ids[0] is not None
    assert f'"previous_response_id":"{ids[0][1]}"' in second
    assert '"previous_response_id":null' in third
    if vendor is not None:
        assert "who is Michael Jordan" in second
        assert "Michael Jordan" not in third
        assert [len(call.body["messages"]) for call in vendor.calls] == [1, 3, 1]


def test_no_example_is_forgotten() -> None:
    there = {str(path.relative_to(EXAMPLES).with_suffix("")) for path in EXAMPLES.glob("*/*") if path.suffix != ".yaml"}
    run_here = {f"sdk/{name}" for name in ("create", "stream", "get", "delete", "twins", "router")}
    run_here |= {f"proxy/{name}" for name in ("create", "stream", "get", "delete")} | {"sessions/sessions"}
    assert there == run_here
