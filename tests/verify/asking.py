"""Clients that ask all the time, and hold what they were shown against what is kept."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from time import monotonic
from typing import Any

import httpx

from tests.rig.legal import check_stream, parse_sse

ENDED = ("completed", "failed", "incomplete", "cancelled")


@dataclass
class Load:
    """Clients that ask, one request after the other, and what they saw."""

    urls: list[str]
    models: Sequence[str]
    more: dict[str, Any] = field(default_factory=dict)
    """What every request has beside its model and input."""
    refused: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    """Markers of what was answered by a 5xx that may have run all the same."""
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By their ids, the final objects that were shown."""
    open: list[str] = field(default_factory=list)
    """Ids of background responses."""
    good_at: list[float] = field(default_factory=list)
    """When requests ended well."""
    _numbers: Iterator[int] = field(default_factory=count)
    _over: bool = False

    async def ask(self, http: httpx.AsyncClient) -> None:
        previous: str | None = None
        for number in self._numbers:
            if self._over:
                return
            kind = ("json", "stream", "background", "follow-up")[number % 4]
            body: dict[str, Any] = {
                **self.more,
                "model": self.models[number // 4 % len(self.models)],
                "input": f"<{number}>",
            }
            body |= {"stream": True} if kind == "stream" else {"background": True} if kind == "background" else {}
            if kind == "follow-up" and previous:
                body["previous_response_id"] = previous
            try:
                answer = await http.post(f"{self.urls[number % len(self.urls)]}/v1/responses", json=body)
            except httpx.TransportError as error:  # an idle connection that is closed as it is used again
                self.refused[type(error).__name__] += 1
                self.unknown.append(body["input"])
                continue
            if answer.status_code != 200:
                code = answer.json()["error"]["code"]
                self.refused[f"{answer.status_code} {code}"] += 1
                if answer.status_code >= 500:
                    self.unknown.append(body["input"])
                await asyncio.sleep(0.2)
                continue
            response = check_stream(parse_sse(answer.content)) if kind == "stream" else answer.json()
            if kind == "background":
                self.open.append(response["id"])
                continue
            assert response["id"] not in self.ended
            self.ended[response["id"]] = response
            if response["status"] in ("completed", "incomplete"):
                self.good_at.append(monotonic())
                previous = response["id"]

    def over(self) -> None:
        self._over = True

    @property
    def longest_pause(self) -> float:
        times = sorted(self.good_at)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    @property
    def statuses(self) -> Counter[str]:
        return Counter(response["status"] for response in self.ended.values())

    async def kept(self, http: httpx.AsyncClient) -> None:
        """What was accepted has ended, and is kept as it was shown, through any gateway."""
        for number, id_ in enumerate([*self.ended, *self.open]):
            stored = await _kept(http, self.urls[number % len(self.urls)], id_)
            assert stored == self.ended.setdefault(id_, stored)

    def __str__(self) -> str:
        return (
            f"{len(self.ended)} accepted: {dict(self.statuses)}; refused: {dict(self.refused)}; "
            f"{len(self.unknown)} unknown; longest pause {self.longest_pause:.1f} s"
        )


async def _kept(http: httpx.AsyncClient, url: str, id_: str) -> dict[str, Any]:
    """The response, once it has ended and its record has arrived."""
    async with asyncio.timeout(120):
        while True:
            answer = await http.get(f"{url}/v1/responses/{id_}")
            if answer.status_code == 200 and answer.json()["status"] in ENDED:
                response: dict[str, Any] = answer.json()
                return response
            await asyncio.sleep(0.2)
