"""The services as the processes that they are, on a broker and a database that somebody else has started."""

import asyncio
import atexit
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.rig.rabbitmq import _die_with_parent, free_ports, freeze

KEY = "sk-test"


class Service:
    """One process of Warren. Start it from the main thread: it ends with that thread."""

    def __init__(self, name: str, command: list[str], environ: dict[str, str], folder: Path) -> None:
        self.name = name
        self._command = command
        self._environ = {**os.environ, "WARREN_LOG_FORMAT": "json", **environ}
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{name}-", suffix=".log", delete=False) as file:
            self.log = Path(file.name)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def says(self, text: str, timeout: float = 90) -> None:
        """Wait until its log holds this."""
        deadline = time.monotonic() + timeout
        while text not in self.log.read_text():
            if not self.running or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} never said {text!r}:\n{self.log.read_text()[-3000:]}")
            await asyncio.sleep(0.05)

    async def metrics(self) -> str:
        """Where it serves its metrics, if it was told to serve them at some port (0)."""
        await self.says('"event": "metrics"')
        found = re.search(r'"url": "(http://127[^"]+/metrics)"', self.log.read_text())
        assert found is not None
        return found[1]

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def suspend(self) -> None:
        freeze(self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def stop(self, timeout: float = 30) -> int:
        """SIGTERM; gives the exit code."""
        assert self._process is not None
        self._process.terminate()
        deadline = time.monotonic() + timeout
        while (code := self._process.poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.name} did not stop:\n{self.log.read_text()[-3000:]}")
            await asyncio.sleep(0.02)
        return code


class Stack:
    """Gateways, workers and ledgers on one broker and one database."""

    def __init__(
        self, amqp_url: str | Mapping[str, str], mongo_url: str, config: dict[str, Any], folder: Path, **environ: str
    ) -> None:
        self._folder = folder
        self._amqp_url = amqp_url
        path = folder / "config.yaml"
        path.write_text(json.dumps(config))
        self._environ = {
            "WARREN_MONGO_URL": mongo_url,
            "WARREN_CONFIG": str(path),
            "WARREN_MASTER_KEY": KEY,
            "WARREN_SECRET": "a secret of the tests",
            "WARREN_DRAIN": "5",
            "WARREN_LAME_DUCK": "0",
            **environ,
        }
        self.services: list[Service] = []

    async def gateway(self) -> tuple[Service, str]:
        """A gateway, ready, and its URL."""
        (port,) = free_ports(1)
        service = self._add("gateway", WARREN_PORT=str(port))
        url = f"http://127.0.0.1:{port}"
        await ready(url)
        return service, url

    async def worker(self, *arguments: str) -> Service:
        service = self._add("worker", *arguments)
        await service.says('"working"')
        return service

    async def ledger(self) -> Service:
        service = self._add("ledger")
        await service.says('"recording"')
        return service

    def close(self) -> None:
        for service in self.services:
            if service.running:
                service.resume()
            service.kill()

    def errors(self) -> list[str]:
        """What the services complained of, with tracebacks: bugs, whatever the client saw."""
        return [line for service in self.services for line in service.log.read_text().splitlines() if _complains(line)]

    def _add(self, name: str, *arguments: str, **environ: str) -> Service:
        command = [sys.executable, "-m", f"warren_{name}", *arguments]
        amqp_url = self._amqp_url if isinstance(self._amqp_url, str) else self._amqp_url[name]
        environ = {"WARREN_AMQP_URL": amqp_url, **self._environ, **environ}
        service = Service(name, command, environ, self._folder)
        self.services.append(service)
        return service


def _complains(line: str) -> bool:
    try:
        said = json.loads(line)
    except ValueError:
        return "Traceback" in line
    return isinstance(said, dict) and (said.get("level") in ("error", "critical") or "exception" in said)


@contextmanager
def stack(
    amqp_url: str | Mapping[str, str], mongo_url: str, config: dict[str, Any], folder: Path, **environ: str
) -> Iterator[Stack]:
    """`amqp_url` may be one for each kind of service."""
    made = Stack(amqp_url, mongo_url, config, folder, **environ)
    try:
        yield made
    finally:
        made.close()


def embedded(config: dict[str, Any], folder: Path, port: int, **more: str) -> Service:
    """`warren up`: all of it in one process."""
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))
    command = [str(Path(sys.executable).with_name("warren")), "up", "--config", str(path), "--port", str(port)]
    environ = {"WARREN_MASTER_KEY": KEY, "WARREN_DRAIN": "3", "WARREN_DATA": str(folder / "data"), **more}
    return Service("up", command, environ, folder)


async def ready(url: str, timeout: float = 90) -> None:
    """Wait until this gateway takes requests and can reach all that stands behind it."""
    deadline = time.monotonic() + timeout
    async with httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/health/readiness")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not get ready")
            await asyncio.sleep(0.05)


def models(base_url: str, *names: str, **params: Any) -> dict[str, Any]:
    """A configuration in which each of these models exists by its own name, by Chat Completions, and by the name
    `native-…` by the Responses API."""
    entries = []
    for name in names:
        for prefix, chat in (("", True), ("native-", False)):
            litellm_params = {
                "model": f"openai/{name}", "api_base": base_url, "api_key": "upstream-key",
                "use_chat_completions_api": chat, **params,
            }  # fmt: skip
            entries.append({"model_name": f"{prefix}{name}", "litellm_params": litellm_params})
    return {"model_list": entries}
