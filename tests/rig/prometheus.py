"""A private Prometheus, as Debian packages it, on a free port and in a temporary directory."""

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.rig.promql import RULES
from tests.rig.rabbitmq import _die_with_parent, free_ports

_UNPACKED = Path(__file__).parents[2] / ".venv" / "prometheus"
OFTEN = "2s"

Job = dict[str, Any]


class Prometheus:
    """Scrapes these jobs every other second, and goes by the rules of `deploy/`. Start it from the main thread."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._dir = Path(tempfile.mkdtemp(prefix="warren-prometheus-"))
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        config = {
            "global": {"scrape_interval": OFTEN, "evaluation_interval": OFTEN},
            "rule_files": [str(RULES / "*.yml")],
            "scrape_configs": list(jobs),
        }
        (self._dir / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            str(binary("prometheus")), f"--config.file={self._dir}/prometheus.yml",
            f"--storage.tsdb.path={self._dir}/data", f"--web.listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        with (self._dir / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )
        atexit.register(self.stop)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 30
        while True:
            try:
                if httpx.get(f"{self.url}/-/ready").status_code == 200:
                    return self
            except httpx.HTTPError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Prometheus did not start:\n{(self._dir / 'output').read_text()[-2000:]}")
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that it has at this moment, each with its labels and its value.

        Raises:
            ValueError: what Prometheus says against the expression.
        """
        answer = httpx.post(f"{self.url}/api/v1/query", data={"query": expression}, timeout=30).json()
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def targets(self) -> dict[str, str]:
        """How each scrape went, by its URL."""
        answer = httpx.get(f"{self.url}/api/v1/targets").json()
        return {one["scrapeUrl"]: one["lastError"] or one["health"] for one in answer["data"]["activeTargets"]}

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._dir, ignore_errors=True)
        atexit.unregister(self.stop)


@cache
def binary(name: str) -> Path:
    """`prometheus` or `promtool`: one that is installed, or Debian's, unpacked under .venv.

    Raises:
        RuntimeError: there is none.
    """
    if (installed := shutil.which(name)) is not None:
        return Path(installed)
    unpacked = _UNPACKED / "usr" / "bin" / name
    if not unpacked.exists() and shutil.which("apt-get") and shutil.which("dpkg"):
        _unpack()
    if not unpacked.exists():
        raise RuntimeError(f"There is no {name}. Install Prometheus (Debian: apt-get install prometheus).")
    return unpacked


def _unpack() -> None:
    with tempfile.TemporaryDirectory() as folder:

        def apt_get(*command: str) -> bool:
            return not subprocess.run(["apt-get", *command], cwd=folder, check=False, capture_output=True).returncode

        if not apt_get("download", "prometheus") and os.geteuid() == 0:
            _ = apt_get("update") and apt_get("download", "prometheus")
        for package in Path(folder).glob("prometheus_*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(_UNPACKED)], check=True)
