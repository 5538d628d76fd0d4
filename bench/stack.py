"""The systems that are measured, as real processes, gone with the benchmark."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import usage
from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ, _die_with_parent, free_ports

MODELS = ("words-16", "words-200", "words-200-every-10")
DIALECTS = ("native", "chat")
_READY = 60.0
_CALM = 0.1
"""Cores: what a system uses that has nothing to do, at most."""
_LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Stack:
    """Something that serves `/v1/responses`."""

    name: str
    port: int
    parts: dict[str, int] = field(default_factory=dict)
    """Its processes, by name; what is only there to be asked has none."""
    ports: dict[str, int] = field(default_factory=dict)
    """Where those listen that others connect to."""
    database: str = ""
    """The URL of what is stored."""

    def model(self, dialect: str, model: str) -> str:
        return f"{dialect}-{model}" if self.parts else model

    def cpu(self) -> dict[str, float]:
        return {name: usage.cpu(pid) for name, pid in self.parts.items()}

    def rss(self) -> dict[str, float]:
        return {name: usage.rss(pid) for name, pid in self.parts.items()}

    def traffic(self) -> dict[str, float]:
        return {name: usage.traffic(port) for name, port in self.ports.items()}

    def calm(self, patience: float = 60.0) -> float:
        """Wait until there is nothing left to do; the seconds that took."""
        started = time.monotonic()
        before = sum(self.cpu().values())
        while self.parts and time.monotonic() - started < patience:
            time.sleep(_LOOK)
            now = sum(self.cpu().values())
            if now - before < _CALM * _LOOK:
                break
            before = now
        return max(0.0, time.monotonic() - started - _LOOK)


class Processes:
    """Python programs, with their output in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str, **environment: str) -> int:
        """Start `python COMMAND`; the process's id."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("WARREN_", "OTEL_"))}
        with (self.folder / f"{name}.log").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )
        self._running[name] = process
        return process.pid

    def await_ready(self, url: str) -> None:
        """Wait until this answers 200 and says that it is healthy, or says nothing about it.

        Raises:
            RuntimeError: it does not, or a process has ended.
        """
        deadline = time.monotonic() + _READY
        while (state := _state(url)) not in ("", "healthy"):
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"not ready ({state}, ended: {ended})\n{self.said()}")
            time.sleep(0.05)

    def said(self) -> str:
        """The end of what each of them has printed."""
        texts = [(path.stem, path.read_text(errors="replace")[-2000:]) for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(f"[{name}]\n{text}" for name, text in texts if text)

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def processes() -> Iterator[Processes]:
    with tempfile.TemporaryDirectory(prefix="warren-bench-") as folder:
        running = Processes(Path(folder))
        try:
            yield running
        finally:
            running.stop()


@contextmanager
def direct() -> Iterator[Stack]:
    """The fake provider alone."""
    (port,) = free_ports(1)
    with processes() as running:
        running.start("upstream", "-m", "bench.upstream", str(port))
        running.await_ready(f"http://127.0.0.1:{port}/health")
        yield Stack("direct", port)


@contextmanager
def embedded(upstream: Stack) -> Iterator[Stack]:
    """Everything in one process: `warren up`."""
    (port,) = free_ports(1)
    with processes() as running:
        arguments = ("--config", str(_config(running.folder, upstream)), "--port", str(port))
        up = ("-c", "from warren.cli import main; main()", "up", "--data", str(running.folder / "data"))
        pid = running.start("embedded", *up, *arguments, WARREN_LOG_LEVEL="warning")
        stack = Stack("embedded", port, {"embedded": pid})
        _await_answer(running, stack)
        yield stack


@contextmanager
def services(upstream: Stack) -> Iterator[Stack]:
    """The three services on a RabbitMQ and a mongod of their own."""
    (port,) = free_ports(1)
    with ExitStack() as stack:
        rabbitmq, mongod = stack.enter_context(RabbitMQ()), stack.enter_context(Mongod())
        running = stack.enter_context(processes())
        environment = {
            "WARREN_CONFIG": str(_config(running.folder, upstream)),
            "WARREN_AMQP_URL": rabbitmq.url,
            "WARREN_MONGO_URL": f"{mongod.url}warren",
            "WARREN_PORT": str(port),
            "WARREN_LOG_LEVEL": "warning",
        }
        names = ("gateway", "worker", "ledger")
        parts = {name: running.start(name, "-m", f"warren_{name}", **environment) for name in names}
        whole = Stack(
            "services",
            port,
            {**parts, "rabbitmq": rabbitmq.pid, "mongod": mongod.pid},
            {"rabbitmq": rabbitmq.port, "mongod": mongod.port},
            environment["WARREN_MONGO_URL"],
        )
        _await_answer(running, whole)
        yield whole


def _config(folder: Path, upstream: Stack) -> Path:
    """A configuration with every model in both dialects, in JSON, which is YAML."""
    base = {"api_base": f"http://127.0.0.1:{upstream.port}/v1", "api_key": "bench"}
    entries: list[dict[str, Any]] = [
        {
            "model_name": f"{dialect}-{model}",
            "litellm_params": {"model": f"openai/{model}", "use_chat_completions_api": dialect == "chat", **base},
        }
        for dialect in DIALECTS
        for model in MODELS
    ]
    path = folder / "config.yaml"
    path.write_text(json.dumps({"model_list": entries}, indent=1))
    return path


def _await_answer(running: Processes, stack: Stack) -> None:
    """Wait until it is ready, and has answered: only that shows that there is a worker."""
    base = f"http://127.0.0.1:{stack.port}"
    running.await_ready(f"{base}/health/readiness")
    body = json.dumps({"model": stack.model("chat", "words-16"), "input": "case 0000000"}).encode()
    request = urllib.request.Request(f"{base}/v1/responses", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_READY) as answer:
            answer.read()
    except OSError as error:
        raise RuntimeError(f"{stack.name} does not answer: {error}\n{running.said()}") from None


def _state(url: str) -> str:
    """What a server says of its health: nothing when it serves no such thing."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(json.load(answer)["status"])
    except urllib.error.HTTPError as error:
        return "" if error.code == 404 else f"status {error.code}"
    except OSError as error:
        return f"unreachable: {error}"
