"""Clients of every kind, some of whom leave."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

Json = dict[str, Any]
_KINDS = ("json", "stream", "json that leaves", "stream that leaves", "background", "cancelled", "keyed")
_SHARES = (32, 32, 6, 12, 6, 6, 6)
_ENDED = ("completed", "incomplete", "failed", "cancelled")


@dataclass
class Traffic:
    """So many requests, so many at a time; the same ones in every run."""

    urls: Sequence[str]
    keys: Sequence[str]
    models: Sequence[str]
    count: int
    at_once: int
    done: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    """What clients saw, by kind and end."""

    async def run(self) -> None:
        numbers = iter(range(self.count))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        async with httpx.AsyncClient(timeout=120, limits=limits) as http:
            await asyncio.gather(*(self._client(http, numbers) for _ in range(self.at_once)))

    async def _client(self, http: httpx.AsyncClient, numbers: Any) -> None:
        for number in numbers:
            random = Random(number)
            kind = random.choices(_KINDS, _SHARES)[0]
            try:
                end = await self._ask(http, kind, number, random)
            except httpx.HTTPError:
                end = "broken"
            self.seen[f"{kind}: {end}"] += 1
            self.done += 1

    async def _ask(self, http: httpx.AsyncClient, kind: str, number: int, random: Random) -> str:
        url = f"{random.choice(self.urls)}/v1/responses"
        headers = {"authorization": f"Bearer {random.choice(self.keys)}"}
        body: Json = {
            "model": random.choice(self.models),
            "input": f"<{number}> " + "say it again. " * random.randrange(100),
            "user": f"user-{number % 7}",
        }
        match kind:
            case "json" | "stream":
                return await _answered(http, url, headers, {**body, "stream": kind == "stream"})
            case "json that leaves" | "stream that leaves":
                try:
                    async with asyncio.timeout(random.uniform(0.02, 1.2)):
                        return await _answered(http, url, headers, {**body, "stream": kind == "stream that leaves"})
                except TimeoutError:
                    return "left"
            case "background" | "cancelled":
                stop = random.uniform(0, 1) if kind == "cancelled" else None
                return await _background(http, url, headers, {**body, "background": True}, stop)
        keyed = {**headers, "idempotency-key": f"key-{number}"}
        try:
            async with asyncio.timeout(random.uniform(0.05, 0.5)):
                await _answered(http, url, keyed, body)
        except TimeoutError:
            pass
        return await _answered(http, url, keyed, body)


async def _answered(http: httpx.AsyncClient, url: str, headers: dict[str, str], body: Json) -> str:
    async with http.stream("POST", url, headers=headers, json=body) as answer:
        data = await answer.aread()
    if answer.status_code != 200:
        return f"{answer.status_code}"
    if not body.get("stream"):
        return str(answer.json()["status"])
    return next((end for end in _ENDED if f"event: response.{end}".encode() in data), "cut")


async def _background(
    http: httpx.AsyncClient, url: str, headers: dict[str, str], body: Json, stop: float | None
) -> str:
    begun = await http.post(url, headers=headers, json=body)
    if begun.status_code != 200:
        return str(begun.status_code)
    id_ = begun.json()["id"]
    if stop is not None:
        await asyncio.sleep(stop)
        await http.post(f"{url}/{id_}/cancel", headers=headers)
    for _ in range(600):
        answer = await http.get(f"{url}/{id_}", headers=headers)
        if answer.status_code == 200 and answer.json()["status"] in _ENDED:
            return str(answer.json()["status"])
        await asyncio.sleep(0.2)
    return "never ended"
