"""A private RabbitMQ node: own name, ports, cookie and epmd, all in a temporary directory.

Used by the tests, the benchmarks and `make verify`. Start it from the main thread: the kernel ends the node when
the thread that started it ends, however that happens.
"""

import atexit
import base64
import ctypes
import hashlib
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

CONFIG = """\
loopback_users.guest = true
consumer_timeout = 7200000
raft.wal_max_size_bytes = 33554432
log.console = false
"""
_CLUSTER = """\
cluster_formation.classic_config.nodes.1 = {}
cluster_partition_handling = pause_minority
"""


class RabbitMQ:
    """A broker that can be stopped, killed, frozen and started again on the same data and ports; or a node in the
    cluster of the one `beside` it, whose epmd it uses."""

    def __init__(self, *, config: str = "", beside: Self | None = None) -> None:
        self._sbin = sbin()
        self._dir = Path(tempfile.mkdtemp(prefix="warren-rabbitmq-"))
        self.port, self._dist, self._epmd_port = free_ports(3)
        self.name = f"warren{self.port}@localhost"
        self._beside = beside
        self._cookie: str = beside._cookie if beside else secrets.token_hex(16)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None
        if beside:
            self._epmd_port = beside._epmd_port
            config += f"cluster_formation.peer_discovery_backend = classic_config\n{_CLUSTER.format(beside.name)}"
        self._write("rabbitmq.conf", CONFIG + config)
        self._write("enabled_plugins", "[].\n")
        self._write(".erlang.cookie", self._cookie).chmod(0o400)
        atexit.register(self.stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """Process id of the Erlang machine."""
        assert self._node is not None, "not started"
        return self._node.pid

    @property
    def running(self) -> bool:
        return self._node is not None and self._node.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start the node, again if it was killed, and wait until it speaks AMQP."""
        if self._beside is None and (self._epmd is None or self._epmd.poll() is not None):
            command = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd = self._spawn(command)
        # Anything in `detached` makes the script become the Erlang machine instead of watching over it.
        self._node = self._spawn([str(self._sbin / "rabbitmq-server")], detached="yes")
        if wait:
            self.ready()

    def ready(self, timeout: float = 240) -> None:
        """Wait until the broker answers the protocol header; it opens its port when it has booted."""
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self._node is None or self._node.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ did not start:\n{self._output()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut would: kill -9. The data stays."""
        self._end(self._node)

    def suspend(self) -> None:
        """Freeze the node: connections stay open and nothing answers."""
        freeze(self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def ctl(self, *command: str) -> str:
        """What `rabbitmqctl` prints. Takes a second or two, most of it its own start."""
        done = subprocess.run(
            [str(self._sbin / "rabbitmqctl"), "-q", *command],
            env=self._environment(), capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def define(self, definitions: Mapping[str, Any]) -> None:
        """Import users, permissions and the like."""
        self.ctl("import_definitions", str(self._write("definitions.json", json.dumps(definitions))))

    def stop(self) -> None:
        """End the node and remove its data. Does nothing the second time."""
        self._end(self._node)
        self._end(self._epmd)
        shutil.rmtree(self._dir, ignore_errors=True)
        atexit.unregister(self.stop)

    def _environment(self, **more: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return {
            **inherited,
            "HOME": str(self._dir),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self._dir / "data"),
            "RABBITMQ_LOG_BASE": str(self._dir / "log"),
            "RABBITMQ_PID_FILE": str(self._dir / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._dir / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self._dir / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            **more,
        }

    def _spawn(self, command: list[str], **more: str) -> subprocess.Popen[bytes]:
        with (self._dir / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                env=self._environment(**more),
                cwd=self._dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\0\0\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def _output(self) -> str:
        files = [self._dir / "output", *(self._dir / "log").glob("*.log")]
        return "\n".join(file.read_text(errors="replace")[-2000:] for file in files if file.exists())

    def _write(self, name: str, text: str) -> Path:
        path = self._dir / name
        path.write_text(text)
        return path

    @staticmethod
    def _end(process: "subprocess.Popen[Any] | None") -> None:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class ExternalRabbitMQ:
    """Somebody else's broker."""

    url: str


def user(name: str, password: str) -> dict[str, Any]:
    """Somebody, as definitions have it."""
    salt = secrets.token_bytes(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    return {"name": name, "password_hash": digest, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}


def sbin() -> Path:
    """Where RabbitMQ's own scripts are. Installs the Debian package when it may.

    The wrappers in /usr/sbin change to the user `rabbitmq`; these do not.

    Raises:
        RuntimeError: there is no RabbitMQ.
    """
    if (found := _installed()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install("rabbitmq-server")
        found = _installed()
    if found is None:
        raise RuntimeError("Install RabbitMQ (Debian: apt-get install rabbitmq-server) or set WARREN_TEST_AMQP_URL.")
    return found


def freeze(pid: int) -> None:
    """Stop a process, and wait until none of its threads runs any more."""
    os.kill(pid, signal.SIGSTOP)
    for _ in range(1000):
        with suppress(OSError):  # a thread has just ended
            if all(") T " in one.read_text() for one in Path(f"/proc/{pid}/task").glob("*/stat")):
                return
        time.sleep(0.001)
    raise RuntimeError(f"process {pid} cannot be frozen")


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, below those the kernel hands out: they must be free again after a kill."""
    holders: list[socket.socket] = []
    try:
        while len(holders) < count:
            holder = socket.socket()
            try:
                holder.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
                holders.append(holder)
            except OSError:
                holder.close()
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def _installed() -> Path | None:
    return max(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"), default=None)


def install(package: str) -> None:
    """Install one of Debian's packages, and leave no service of it running."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    policy = Path("/usr/sbin/policy-rc.d")
    forbids = None if policy.exists() else policy
    if forbids:
        forbids.write_text("#!/bin/sh\nexit 101\n")
        forbids.chmod(0o755)
    try:
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-q", *command], env=environment, check=True, stdout=sys.stderr)
    finally:
        if forbids:
            forbids.unlink()


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
