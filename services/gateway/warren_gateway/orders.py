"""What a client asks for, however it came. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from warren import requests
from warren.contracts import Knobs
from warren.requests import CreateResponse
from warren.routing import knobs as steering
from warren.routing.knobs import UNSAID


@dataclass(frozen=True, slots=True)
class Order:
    """A request, and what it says about its own way."""

    wanted: CreateResponse
    body: bytes
    """What of it a worker is to read."""
    generate: bool = True
    knobs: Knobs = UNSAID

    @property
    def stored(self) -> bool:
        return self.wanted.store is not False


def order(body: bytes, headers: Mapping[str, str] | None = None) -> Order:
    """What the body of a request, and its headers, ask for.

    Raises:
        InvalidRequest: it is no request.
    """
    given = requests.read(body)
    knobs, changed = steering.taken(given, headers)
    return Order(requests.checked(given), to_json(given) if changed else body, knobs=knobs)
