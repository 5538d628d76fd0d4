"""OAuth clients against a token server, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren_gateway.server import listen, serving
from warren_worker.auth import Authority
from warren_worker.auth.kept import Kept
from warren_worker.auth.oauth import obtain
from warren_worker.credentials import ClientCredentials

pytestmark = pytest.mark.anyio


@dataclass
class Tokens:
    """Gives a new token for every request, or what it is told to."""

    url: str = ""
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    life: Any = 3600

    async def token(self, request: Request) -> Response:
        self.asked.append(parse_qs((await request.body()).decode()))
        await asyncio.sleep(0)
        if self.answers:
            return self.answers.pop()
        number = len(self.asked)
        return JSONResponse({"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": self.life})


@asynccontextmanager
async def tokens() -> AsyncIterator[Tokens]:
    made = Tokens()
    app = FastAPI()
    app.add_api_route("/token", made.token, methods=["POST"], response_model=None)
    socket = listen("127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{socket.getsockname()[1]}/token"
    async with serving(app, socket, drain=1):
        yield made


@pytest.fixture
async def server() -> AsyncIterator[Tokens]:
    async with tokens() as made:
        yield made


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def client(server: Tokens, secret: str = "s&cret", scope: str | None = "all") -> ClientCredentials:
    return ClientCredentials(server.url, "me", secret, scope)


async def headers(authority: Authority, credential: ClientCredentials) -> str:
    return (await authority.headers(credential, "http://p/", b"{}", {}))["authorization"]


async def test_a_client_gets_a_token(server: Tokens, http: httpx.AsyncClient) -> None:
    assert await headers(Authority(http), client(server)) == "Bearer token-1"
    assert server.asked == [
        {"grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": ["s&cret"], "scope": ["all"]}
    ]
    await headers(Authority(http), client(server, scope=None))
    assert "scope" not in server.asked[1]


async def test_a_token_is_kept_until_shortly_before_its_end(server: Tokens, http: httpx.AsyncClient) -> None:
    now = [0.0]
    lease = await obtain(http, client(server))
    now[0] = lease.until - 3600
    authority = Authority(http, Kept(lambda: now[0]))
    first = await headers(authority, client(server))
    now[0] += 3000
    assert await headers(authority, client(server)) == first
    now[0] += 590
    assert await headers(authority, client(server)) != first


async def test_all_wait_for_one_token(server: Tokens, http: httpx.AsyncClient) -> None:
    authority = Authority(http)
    got = await asyncio.gather(*(headers(authority, client(server)) for _ in range(20)))
    assert set(got) == {"Bearer token-1"}
    assert len(server.asked) == 1
    assert await headers(authority, client(server, "another")) == "Bearer token-2"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_client", "error_description": "AADSTS7000215: s&cret is no secret"}, UpstreamAuth),
        (401, {"error": "invalid_client"}, UpstreamAuth),
        (403, "no", UpstreamAuth),
        (302, "", UpstreamAuth),
        (429, {"error": "slow_down"}, UpstreamUnreachable),
        (500, "<html>", UpstreamUnreachable),
        (200, "<html>", UpstreamUnreachable),
        (200, {"access_token": ""}, UpstreamUnreachable),
        (200, {"access_token": "a\r\nb: c"}, UpstreamUnreachable),
        (200, {"access_token": 5}, UpstreamUnreachable),
        (200, ["access_token"], UpstreamUnreachable),
        (200, {"access_token": "x" * 70_000}, UpstreamUnreachable),
    ],
)
async def test_no_token_is_an_error_without_the_servers_words(
    status: int, body: Any, kind: type[Exception], server: Tokens, http: httpx.AsyncClient
) -> None:
    server.answers = [JSONResponse(body, status)]
    with pytest.raises(kind) as caught:
        await headers(Authority(http), client(server))
    assert "cret" not in str(caught.value).replace("credentials", "")
    assert await headers(Authority(http), client(server)) == "Bearer token-2"


@pytest.mark.parametrize(("life", "seconds"), [("3599", 3599), (None, 300), ("soon", 300), (-5, 300), (1e300, 300)])
async def test_a_life_that_nobody_can_read_is_a_short_one(
    life: Any, seconds: float, server: Tokens, http: httpx.AsyncClient
) -> None:
    server.life = 60
    short = await obtain(http, client(server))
    server.life = life
    other = await obtain(http, client(server))
    assert other.until - short.until == pytest.approx(seconds - 60, abs=30)


async def test_a_server_that_is_not_there_cannot_be_reached(http: httpx.AsyncClient) -> None:
    socket = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{socket.getsockname()[1]}/token"
    socket.close()
    with pytest.raises(UpstreamUnreachable):
        await headers(Authority(http), ClientCredentials(url, "me", "s"))
