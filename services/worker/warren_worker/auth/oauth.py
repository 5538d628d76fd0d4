"""Tokens of OAuth clients (RFC 6749, 4.4)."""

from time import time
from typing import Any

import httpx
from pydantic_core import from_json

from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren_worker.auth.kept import Lease
from warren_worker.credentials import ClientCredentials

_LIFE = 300.0
"""Seconds, of a token that does not say how long it lives."""
_LARGEST = 64 * 1024


async def obtain(client: httpx.AsyncClient, credential: ClientCredentials) -> Lease:
    """The headers that a request with these credentials has, for as long as its token lives.

    Raises:
        UpstreamAuth: they are not accepted.
        UpstreamUnreachable: who would give a token for them cannot be reached, or has none at the moment.
    """
    asked = {
        "grant_type": "client_credentials",
        "client_id": credential.client_id,
        "client_secret": credential.client_secret,
        **({"scope": credential.scope} if credential.scope else {}),
    }
    since = time()
    try:
        async with client.stream(
            "POST", credential.token_url, data=asked, headers={"accept": "application/json"}
        ) as response:
            body = await _bounded(response)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise UpstreamUnreachable("The server that gives tokens for this provider cannot be reached.") from None
    if response.status_code == 429 or response.status_code >= 500:
        raise UpstreamUnreachable("The server that gives tokens for this provider has none at the moment.")
    if not 200 <= response.status_code < 300:
        raise UpstreamAuth("The client that Warren is for this provider gets no token.")
    return _lease(body, since)


async def _bounded(response: httpx.Response) -> bytes:
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > _LARGEST:
            return b""
    return body


def _lease(body: bytes, since: float) -> Lease:
    match _json(body):
        case {"access_token": str(token), **more} if token and token.isascii() and token.isprintable():
            return Lease({"authorization": f"Bearer {token}"}, since + _life(more))
        case _:
            raise UpstreamUnreachable("The server that gives tokens for this provider gave none.")


def _json(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return None


def _life(token: Any) -> float:
    """Old servers write the number as text."""
    try:
        life = float(token.get("expires_in") or _LIFE)
    except (TypeError, ValueError):
        return _LIFE
    return life if 0 < life < 10**9 else _LIFE
