"""Ollama, on this machine or another, or its cloud."""

from warren_worker.dialects.ollama import Ollama as Dialect
from warren_worker.provider import Asked, Site

BASE_URL = "http://localhost:11434"
_PORT = 11434


class Ollama:
    def site(self, asked: Asked) -> Site:
        key = asked.key("OLLAMA_API_KEY", default="")
        return Site(
            base_url=_address(asked.base("OLLAMA_API_BASE", "OLLAMA_HOST", default=BASE_URL)),
            model=asked.model,
            dialect=Dialect(asked.facts),
            headers={"authorization": f"Bearer {key}"} if key else {},
        )


def _address(base: str) -> str:
    """Where a server listens is often given without scheme and port, as `OLLAMA_HOST`."""
    base = base.removesuffix("/chat").removesuffix("/api")
    if "://" in base:
        return base
    host, _, port = base.rpartition(":")
    return f"http://{base}" if host and port.isdigit() else f"http://{base}:{_PORT}"


PROVIDER = Ollama()
