"""What the tests of keys, end users and budgets do with a gateway."""

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
    return httpx.AsyncClient(base_url=url, headers=given, timeout=30)


async def respond(url: str, key: str | None, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    async with client(url, key, **(headers or {})) as http:
        return await http.post("/v1/responses", json={"model": "words-3", "input": "hello", **body})


def code(answer: httpx.Response) -> tuple[int, str | None]:
    """The status of an answer, and the code of its error if it is one."""
    error = answer.json().get("error") or {}
    if error:
        assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error.get("code")
