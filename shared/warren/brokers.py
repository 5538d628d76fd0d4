"""Where RabbitMQ is: one URL, which may name several nodes of a cluster."""

from urllib.parse import urlsplit, urlunsplit

_EXAMPLE = "amqp://user:password@host:5672/, or amqp://user:password@one:5672,two:5672/ for the nodes of a cluster"


def nodes(url: str) -> list[str]:
    """A URL for each node that this one names.

    Raises:
        ValueError: it is none of AMQP's.
    """
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    each = [urlunsplit(parts._replace(netloc=f"{user}{at}{host.strip()}")) for host in hosts.split(",")]
    if parts.scheme not in ("amqp", "amqps") or not all(_names_a_host(one) for one in each):
        raise ValueError(f"it must look like {_EXAMPLE}")
    return each


def host_and_port(url: str) -> tuple[str, int]:
    """Of one node, without the user and the password."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (5671 if parts.scheme == "amqps" else 5672)


def place(url: str) -> str:
    """Host and port of one node, for people."""
    host, port = host_and_port(url)
    return f"{host}:{port}"


def _names_a_host(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
