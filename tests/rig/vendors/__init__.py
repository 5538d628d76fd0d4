"""Fake vendors: real HTTP servers, a module for each dialect, that say what a script says in their vendor's own words.

The vendors' official SDKs hold them to that: each talks to its fake and parses every scripted answer. A fake refuses,
as its vendor does, a request that the vendor's SDK could not have sent.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI

from tests.rig.vendors.script import Asked, Script, script
from warren_gateway.server import listen, serving

Json = dict[str, Any]
_DECORATION = re.compile(r"^.*/|^([a-z]+\.)+|@.*$|-v\d+:\d+$|claude-|gpt-")


@dataclass
class Call:
    """One entry of the journal: a request as it came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Json
    model: str


@dataclass
class Fake:
    """A vendor, or several, at one address."""

    calls: list[Call] = field(default_factory=list)
    url: str = ""
    refused: list[str] = field(default_factory=list)
    """What was wrong with requests that no SDK would have sent."""

    def asked(self, marker: str) -> list[Call]:
        """The calls whose path, headers or body hold this text."""
        return [call for call in self.calls if marker in json.dumps([call.path, call.headers, call.body])]

    def play(self, model: str, asked: Asked) -> Script:
        """What this model says to that: its name is the script's, whatever else its vendor wants in it
        (`us.anthropic.claude-text-v1:0`, `accounts/fireworks/models/text`, `claude-text@20250929`).
        """
        return script(_DECORATION.sub("", model), asked)


Mount = Callable[[Fake], APIRouter]
"""What a vendor's module has, `mount`: its routes."""


@asynccontextmanager
async def fake(*mounts: Mount) -> AsyncIterator[Fake]:
    """These vendors at one address of this machine."""
    made = Fake()
    app = FastAPI()
    for mount in mounts:
        app.include_router(mount(made))
    socket = listen("127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
    async with serving(app, socket, drain=1):
        yield made


def sse(events: Iterable[tuple[str | None, Json]]) -> Iterable[bytes]:
    """Server-sent events: names, where there are any, and JSON."""
    for name, data in events:
        head = f"event: {name}\n" if name is not None else ""
        yield f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
