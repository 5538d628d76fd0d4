"""Take the picture of a trace: a request with a retry and a fallback, through all services, as Phoenix shows it.

Phoenix is no dependency of anything; it gets an environment of its own, below `.venv`. It is Arize's, under the Elastic
License 2.0.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from playwright.async_api import async_playwright

from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ, free_ports
from tests.rig.services import KEY, Service, stack
from tests.rig.upstream import provider
from tests.system.test_traces import config

VERSION = "20.26.1"
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "trace.png"
LARGEST = 300_000
PROJECT = "warren"
_PATIENCE = 600.0
_CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]


async def main(program: Path) -> None:
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with phoenix(program, Path(folder)) as ui:
            response = await asked(ui, Path(folder))
            await taken(await address(ui, response))
    if PICTURE.stat().st_size > LARGEST:
        raise SystemExit(f"{PICTURE}: {PICTURE.stat().st_size} bytes are too many")
    print(f"{PICTURE.name}: {PICTURE.stat().st_size} bytes")


def installed() -> Path:
    """The program, which is installed when it is first wanted."""
    here = Path(sys.prefix) / "phoenix" / "bin"
    if not (here / "phoenix").exists():
        print("installing Phoenix (some minutes, 850 MB)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(here.parent)], check=True)
        subprocess.run([str(here / "pip"), "install", "-q", f"arize-phoenix=={VERSION}"], check=True)
    return here / "phoenix"


@asynccontextmanager
async def phoenix(program: Path, folder: Path) -> AsyncIterator[str]:
    """Phoenix, ready, and its URL."""
    port, grpc_port = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    environ = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc_port),
        "PHOENIX_WORKING_DIR": str(program.parents[1] / "data"),  # making its database takes a minute
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    service = Service("phoenix", [str(program), "serve"], environ, folder)
    try:
        deadline = time.monotonic() + _PATIENCE
        async with httpx.AsyncClient() as http:
            while not await _up(http, url):
                if not service.running or time.monotonic() > deadline:
                    raise SystemExit(service.log.read_text()[-2000:])
                await asyncio.sleep(0.5)
        yield url
    finally:
        service.kill()


async def _up(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/healthz")).status_code == 200
    except httpx.HTTPError:
        return False


async def asked(ui: str, folder: Path) -> str:
    """Ask for a stream that takes a retry and a fallback; the response's id, once its spans have left."""
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": ui,
        "OTEL_RESOURCE_ATTRIBUTES": f"openinference.project.name={PROJECT}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    with RabbitMQ() as broker, Mongod() as database:
        async with provider() as upstream:
            with stack(broker.url, f"{database.url}trace", config(upstream.url), folder, **environ) as services:
                await services.ledger()
                await services.worker()
                _, url = await services.gateway()
                async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=_PATIENCE) as http:
                    for _ in range(3):  # the first take their time: all is new
                        await _ask(http, url, "plain")
                    said = await _ask(http, url, "first")
                await asyncio.sleep(2)
    return said.split('"id":"')[1].split('"')[0]


async def _ask(http: httpx.AsyncClient, url: str, model: str) -> str:
    body = {"model": model, "input": "Who was Michael Jordan?", "stream": True}
    return (await http.post(f"{url}/v1/responses", json=body)).text


async def address(ui: str, response: str) -> str:
    """Where the trace of a response is shown."""
    async with httpx.AsyncClient(base_url=ui) as http:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            projects = (await http.get("/v1/projects")).json()["data"]
            for project in (one for one in projects if one["name"] == PROJECT):
                spans = (await http.get(f"/v1/projects/{project['id']}/spans", params={"limit": 200})).json()["data"]
                mine = [one for one in spans if _response(one["attributes"]) == response]
                if len({one["name"] for one in mine}) >= 3:
                    return f"{ui}/projects/{project['id']}/traces/{mine[0]['context']['trace_id']}"
            await asyncio.sleep(0.5)
    raise SystemExit("the trace never came")


def _response(attributes: dict[str, object]) -> object:
    return attributes.get("gen_ai.response.id")


async def taken(url: str) -> None:
    if (path := shutil.which("chromium")) is None:
        raise SystemExit("Install Chromium (Debian: apt-get install chromium).")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_CHROMIUM)
        page = await browser.new_page(
            viewport={"width": 1440, "height": 860}, color_scheme="light", reduced_motion="reduce"
        )
        page.set_default_timeout(_PATIENCE * 1000)
        await page.goto(url)
        await page.get_by_text("chat words-3").first.wait_for()
        await asyncio.sleep(3)
        await page.get_by_text("chat words-3").first.click()
        await page.get_by_role("tab", name="Attributes").first.click()
        await asyncio.sleep(2)
        await page.screenshot(path=PICTURE)
        await browser.close()


if __name__ == "__main__":
    os.environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
    asyncio.run(main(installed()))
