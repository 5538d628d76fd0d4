"""Google's access tokens, by Google's library, from a token endpoint that checks what it is sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest

from tests.rig.rabbitmq import free_ports
from tests.rig.vendors import Fake, fake, google
from tests.rig.vendors.google import TOKEN, google_credentials, user_credentials
from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren_worker.auth import Authority
from warren_worker.auth.kept import Kept
from warren_worker.credentials import Google

pytestmark = pytest.mark.anyio


@pytest.fixture
async def vendor() -> AsyncIterator[Fake]:
    async with fake(google.mount) as made:
        yield made


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    async with httpx.AsyncClient() as client:
        yield Authority(client)


async def headers(authority: Authority, credentials: dict[str, Any] | str | None) -> dict[str, str]:
    given = json.dumps(credentials) if isinstance(credentials, dict) else credentials
    return dict(await authority.headers(Google(given), "https://x/", b"{}", {}))


async def test_a_service_account_signs_for_its_token(authority: Authority, vendor: Fake) -> None:
    made = await headers(authority, google_credentials(vendor.url))
    assert made == {"authorization": f"Bearer {TOKEN}1"}


@pytest.fixture
def _users_ask_the_fake(vendor: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{vendor.url}/google/token")


@pytest.mark.usefixtures("_users_ask_the_fake")
async def test_a_users_token_is_refreshed(authority: Authority) -> None:
    made = await headers(authority, user_credentials())
    assert made == {"authorization": f"Bearer {TOKEN}1", "x-goog-user-project": "paying"}


async def test_credentials_may_be_in_a_file(authority: Authority, vendor: Fake, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(google_credentials(vendor.url)))
    assert await headers(authority, str(path)) == {"authorization": f"Bearer {TOKEN}1"}


async def test_those_of_the_environment_are_found(
    authority: Authority, vendor: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(google_credentials(vendor.url)))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert (await headers(authority, None))["authorization"] == f"Bearer {TOKEN}1"


async def test_who_needs_a_token_at_the_same_time_gets_the_same(authority: Authority, vendor: Fake) -> None:
    credentials = google_credentials(vendor.url)
    made = await asyncio.gather(*(headers(authority, credentials) for _ in range(10)))
    assert {one["authorization"] for one in made} == {f"Bearer {TOKEN}1"}
    assert (await headers(authority, credentials))["authorization"] == f"Bearer {TOKEN}1"


async def test_a_token_is_renewed_before_its_end(vendor: Fake) -> None:
    ahead = 0.0

    def clock() -> float:
        return time() + ahead

    async with httpx.AsyncClient() as client:
        authority = Authority(client, Kept(clock))
        credentials = google_credentials(vendor.url)
        assert (await headers(authority, credentials))["authorization"] == f"Bearer {TOKEN}1"
        ahead = 3000.0
        assert (await headers(authority, credentials))["authorization"] == f"Bearer {TOKEN}1"
        ahead = 3590.0
        assert (await headers(authority, credentials))["authorization"] == f"Bearer {TOKEN}2"


@pytest.mark.usefixtures("_users_ask_the_fake")
@pytest.mark.parametrize("wrong", [{"refresh_token": "another"}, {"type": "news"}, {"client_secret": None}])
async def test_what_google_does_not_accept_is_our_affair(authority: Authority, wrong: dict[str, Any]) -> None:
    with pytest.raises(UpstreamAuth) as caught:
        await headers(authority, {**user_credentials(), **wrong})
    assert "revoked" not in caught.value.message


@pytest.mark.parametrize("wrong", ["{", '{"type": "service_account"}', "/nowhere/key.json", ""])
async def test_what_are_no_credentials_is_told(authority: Authority, wrong: str) -> None:
    with pytest.raises(UpstreamAuth, match="credentials"):
        await headers(authority, wrong)


async def test_an_endpoint_that_is_not_there_cannot_be_reached(authority: Authority) -> None:
    (port,) = free_ports(1)
    with pytest.raises(UpstreamUnreachable):
        await headers(authority, google_credentials(f"http://127.0.0.1:{port}"))
