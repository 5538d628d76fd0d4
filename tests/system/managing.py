"""What the tests of keys, end users and budgets do with a gateway."""

import asyncio
from typing import Any

import httpx

from tests.rig.services import KEY

Json = dict[str, Any]


class Manager:
    """Whoever has the master key."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def post(self, path: str, **body: Any) -> Json:
        answer = await self.send("POST", path, json=body)
        assert answer.status_code == 200, answer.text
        made: Json = answer.json()
        return made

    async def get(self, path: str, **query: Any) -> Json:
        answer = await self.send("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        made: Json = answer.json()
        return made

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with client(self.url, KEY) as http:
            return await http.request(method, path, **more)

    async def key(self, **terms: Any) -> str:
        """A new key."""
        return str((await self.post("/key/generate", **terms))["key"])


def client(url: str, key: str | None, **headers: str) -> httpx.AsyncClient:
    given = headers if key is None else {"authorization": f"Bearer {key}", **headers}
    return httpx.AsyncClient(base_url=url, headers=given, timeout=30, transport=_Patient())


class _Patient(httpx.AsyncHTTPTransport):
    """Asks again when a ledger is not sure yet whether something is there."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        while True:
            answer = await super().handle_async_request(request)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer
            if b"ledger is behind" not in await answer.aread():
                return answer
            await asyncio.sleep(float(answer.headers["retry-after"]))


async def respond(url: str, key: str | None, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    async with client(url, key, **(headers or {})) as http:
        return await http.post("/v1/responses", json={"model": "words-3", "input": "hello", **body})


def code(answer: httpx.Response) -> tuple[int, str | None]:
    """The status of an answer, and the code of its error if it is one."""
    error = answer.json().get("error") or {}
    if error:
        assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error.get("code")
