"""What the tests of prices share: an excerpt of LiteLLM's price file, and deployments."""

from pathlib import Path
from typing import Any

from warren.config import Deployment, Info, Params
from warren.costs import Prices, Table

FILE = Path(__file__).with_name("prices.json")
TABLE = Table.parse(FILE.read_bytes(), "prices.json", "2026-11-20")


def deployment(model: str, info: dict[str, Any] | None = None, **params: Any) -> Deployment:
    """Of a provider that need not have an adapter."""
    provider, _, name = model.partition("/")
    return Deployment("m-1", "m", provider, name, Params(model=model, **params), Info(**info or {}))


def prices(**environ: str) -> Prices:
    return Prices(TABLE, environ)
