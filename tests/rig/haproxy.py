"""A load balancer as operators have one: HAProxy, by TCP, that leaves out who is not ready or refuses to connect."""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.rig.rabbitmq import _die_with_parent, free_ports, install

CONFIG = """\
defaults
    mode tcp
    timeout connect 2s
    timeout client 10m
    timeout server 10m
    retries 3
    option redispatch

frontend clients
    bind 127.0.0.1:{port}
    default_backend gateways

backend gateways
    balance leastconn
    option httpchk GET /health/readiness
    http-check expect status 200
    default-server check inter 500ms fall 2 rise 1
{servers}
"""


class Balancer:
    """In front of gateways at these ports. It takes a gateway for ready until it has looked twice."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._program = program()
        (self._port,) = free_ports(1)
        self._folder = Path(tempfile.mkdtemp(prefix="warren-haproxy-"))
        servers = "\n".join(f"    server gateway{at} 127.0.0.1:{port}" for at, port in enumerate(ports))
        (self._folder / "haproxy.cfg").write_text(CONFIG.format(port=self._port, servers=servers))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [self._program, "-db", "-f", str(self._folder / "haproxy.cfg")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock
            )
        atexit.register(self.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)


def program() -> str:
    """Where HAProxy is. Installs the Debian package when it may.

    Raises:
        RuntimeError: there is none.
    """
    places = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
    if (found := shutil.which("haproxy", path=places)) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install("haproxy")
        found = shutil.which("haproxy", path=places)
    if found is None:
        raise RuntimeError("Install HAProxy (Debian: apt-get install haproxy).")
    return found
