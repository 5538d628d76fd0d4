"""What clients do all day, at a rate: streams, JSON, background work, follow-ups, conversations, WebSockets.

They keep connections as their libraries do and try nothing twice: whatever goes wrong counts.
"""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.rig.legal import check_stream, parse_sse
from tests.rig.services import KEY
from tests.rig.upstream import FakeProvider

Json = dict[str, Any]

SHORT, LONG, BRIEF = "words-10-100", "words-40-200", "words-3"
MODELS = (SHORT, LONG, BRIEF)
MARKER = re.compile(r"<\w+ \d+>")
HEADERS = {"authorization": f"Bearer {KEY}"}
_GOING_AWAY = 1001
_SOCKETS = 4
_CLIENTS = 24
"""What a pool of httpx does for a request grows with the number of its connections."""


@dataclass
class Asked:
    """One request: what it says, so that its call is found in the provider's journal, and what came back."""

    kind: str
    marker: str
    model: str
    began: float = field(default_factory=monotonic)
    ended: float = 0.0
    wrong: str = ""
    final: Json = field(default_factory=dict)
    body: bytes = b""
    before: str = ""
    """What was said before it, and must have been told to the provider."""

    def check(self) -> None:
        """Whether its stream was legal to its end, and it shows all words of one call."""
        if self.body and not self.wrong:
            try:
                self.final = check_stream(parse_sse(self.body))
            except AssertionError as error:
                self.wrong = f"illegal stream: {error}"
        if not self.wrong and self.final["status"] != "completed":
            self.wrong = f"{self.final['status']}: {self.final['error']}"
        if not self.wrong:
            said = [word for item in self.final["output"] for part in item["content"] for word in part["text"].split()]
            call = said[0].partition("w")[0]
            if said != [f"{call}w{number}" for number in range(int(self.model.split("-")[1]))]:
                self.wrong = f"mixed or incomplete: {said[:5]} … {said[-1]}"


class Traffic:
    """Requests to one address, as long as it is open."""

    def __init__(self, url: str, rate: float, seed: int = 1) -> None:
        self.asked: list[Asked] = []
        self.closings = 0
        """How often a WebSocket was told to come again elsewhere."""
        self._url = url
        self._rate = rate
        self._chance = random.Random(seed)
        self._numbers = count()
        self._stopping = asyncio.Event()
        self._clients = [
            httpx.AsyncClient(
                base_url=f"{url}/v1",
                headers=HEADERS,
                timeout=120,
                limits=httpx.Limits(max_connections=2000, max_keepalive_connections=500),  # the expiry is httpx's own
            )
            for _ in range(_CLIENTS)
        ]

    @property
    def _http(self) -> httpx.AsyncClient:
        return self._chance.choice(self._clients)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Ask while open; leaving waits for all answers."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for one in self._clients:
                await stack.enter_async_context(one)
            for _ in range(_SOCKETS):
                group.create_task(self._socket())
            group.create_task(self._arrive(group))
            try:
                yield
            finally:
                self._stopping.set()

    def failures(self) -> Counter[str]:
        return Counter(f"{one.kind}: {one.wrong}" for one in self.asked if one.wrong)

    async def _arrive(self, group: asyncio.TaskGroup) -> None:
        """Requests come when they come, whether or not earlier ones are answered."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            self._stream, self._json, self._background, self._follow_up, self._conversation
        ]  # fmt: skip
        started, made = monotonic(), 0.0
        while not self._stopping.is_set():
            await asyncio.sleep(max(0.0, started + made / self._rate - monotonic()))
            (kind,) = self._chance.choices(kinds, [50, 30, 8, 4, 2])
            group.create_task(self._whole(kind))
            made += 1 if kind in kinds[:3] else 2

    async def _whole(self, kind: Callable[[], Awaitable[None]]) -> None:
        await kind()

    def _new(self, kind: str, model: str) -> Asked:
        asked = Asked(kind, f"<{kind} {next(self._numbers)}>", model)
        self.asked.append(asked)
        return asked

    async def _post(self, asked: Asked, **more: Any) -> Json | None:
        """Ask, and keep what is wrong; the answer if it is right."""
        body = {"model": asked.model, "input": asked.marker, **more}
        try:
            answer = await self._http.post("/responses", json=body)
        except httpx.HTTPError as error:
            asked.wrong = f"{type(error).__name__} {error}"
            return None
        finally:
            asked.ended = monotonic()
        if answer.status_code != 200:
            asked.wrong = f"{answer.status_code} {answer.text[:200]}"
            return None
        if more.get("stream"):
            asked.body = answer.content
        else:
            asked.final = answer.json()
        return asked.final

    async def _stream(self) -> None:
        model = LONG if self._chance.random() < 0.1 else SHORT
        await self._post(self._new("stream", model), stream=True)

    async def _json(self) -> None:
        await self._post(self._new("json", BRIEF))

    async def _follow_up(self) -> None:
        first = self._new("first", BRIEF)
        if (answer := await self._post(first)) is not None:
            second = self._new("second", BRIEF)
            second.before = first.marker
            await self._post(second, previous_response_id=answer["id"])

    async def _conversation(self) -> None:
        first = self._new("opening", BRIEF)
        try:
            made = await self._http.post("/conversations", json={})
            conversation = made.raise_for_status().json()["id"]
        except httpx.HTTPError as error:
            first.wrong = f"{type(error).__name__} {error}"
            return
        if await self._post(first, conversation=conversation) is not None:
            second = self._new("reply", BRIEF)
            second.before = first.marker
            await self._post(second, conversation=conversation)

    async def _background(self) -> None:
        """Half of them are followed as a stream, half are polled."""
        asked = self._new("background", SHORT)
        streamed = self._chance.random() < 0.5
        if streamed:
            await self._post(asked, background=True, stream=True)
            return
        made = await self._post(asked, background=True)
        while made is not None and made["status"] in ("queued", "in_progress"):
            await asyncio.sleep(0.5)
            try:
                made = (await self._http.get(f"/responses/{made['id']}")).raise_for_status().json()
            except httpx.HTTPError as error:
                asked.wrong = f"{type(error).__name__} {error}"
                return
            asked.ended = monotonic()
            asked.final = made

    async def _socket(self) -> None:
        """One request after the other; who is told that this gateway goes away connects again."""
        while not self._stopping.is_set():
            try:
                async with connect(
                    f"ws{self._url.removeprefix('http')}/v1/responses", additional_headers=HEADERS
                ) as ws:
                    while not self._stopping.is_set():
                        if not await self._say(ws):
                            break
            except (OSError, ConnectionClosed) as error:
                self._new("socket", SHORT).wrong = f"{type(error).__name__} {error}"
                return

    async def _say(self, socket: ClientConnection) -> bool:
        """One request and its answer; False if the gateway went away before it took the request."""
        asked = self._new("socket", SHORT)
        events: list[Json] = []
        try:
            await socket.send(json.dumps({"type": "response.create", "model": SHORT, "input": asked.marker}))
            while not events or events[-1]["type"] not in ("response.completed", "response.failed", "error"):
                events.append(json.loads(await socket.recv()))
        except ConnectionClosed as closed:
            code = None if closed.rcvd is None else closed.rcvd.code
            if code == _GOING_AWAY and not events:
                self.asked.remove(asked)
                self.closings += 1
                return False
            asked.wrong = f"closed with {code} after {len(events)} events"
            raise
        asked.ended = monotonic()
        try:
            asked.final = check_stream(events)
        except AssertionError as error:
            asked.wrong = f"illegal: {error}"
        await asyncio.sleep(0.2)
        return True


def calls(upstream: FakeProvider) -> dict[str, list[str]]:
    """For each request, by its marker, what each of its calls was asked with."""
    made: dict[str, list[str]] = {}
    for call in upstream.calls:
        said = json.dumps(call.said)
        if found := MARKER.findall(said):
            made.setdefault(found[-1], []).append(said)
    return made
