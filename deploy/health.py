"""`health.py http PORT PATH` or `health.py bus`: exit code 0 when the service in this container is well.

`http`: it answers that path with 200.
`bus`: it is connected to the broker of WARREN_AMQP_URL. This says that it lives, too: the broker drops a connection
whose other side sends no heartbeats. Nobody has to be asked, so it costs next to nothing.
"""

import os
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

ESTABLISHED = "01"


def answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def connected(url: str, tables: tuple[Path, ...] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))) -> bool:
    """Whether the kernel's tables (number, local address:port, remote address:port, state …) hold such a connection."""
    parts = urlsplit(url)
    usual = 5671 if parts.scheme == "amqps" else 5672
    hosts = parts.netloc.rpartition("@")[2].split(",")  # the nodes of a cluster
    ports = {urlsplit(f"//{host.strip()}").port or usual for host in hosts}
    lines = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    there = (int(remote.rpartition(":")[2], 16) for _, _, remote, state, *_ in lines if state == ESTABLISHED)
    return any(port in ports for port in there)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http", port, path]:
            well = answers(int(port), path)
        case ["bus"]:
            well = connected(os.environ["WARREN_AMQP_URL"])
        case _:
            sys.exit(__doc__)
    sys.exit(not well)
