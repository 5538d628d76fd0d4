"""Google's token endpoint, and credentials that ask there."""

import base64
import json
from functools import cache
from itertools import count
from time import time
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tests.rig.vendors import Fake

Json = dict[str, Any]
ACCOUNT = "warren@p.iam.gserviceaccount.com"
REFRESH = "1//refresh-token-of-ours"
TOKEN = "ya29.fake-"
"""How every access token begins; its number follows."""
_AUDIENCE = "https://oauth2.googleapis.com/token"
_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def google_credentials(url: str) -> Json:
    """A service account's key file; its tokens come from the fake at this address."""
    key = _key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": ACCOUNT,
        "client_id": "1",
        "token_uri": f"{url}/google/token",
        "universe_domain": "googleapis.com",
    }


def user_credentials() -> Json:
    """What `gcloud auth application-default login` writes: Google's library asks Google for its tokens."""
    return {
        "type": "authorized_user",
        "client_id": "client.apps.googleusercontent.com",
        "client_secret": "d-FL95Q19q7MQmFpd7hHD0Ty",
        "refresh_token": REFRESH,
        "quota_project_id": "paying",
    }


def mount(fake: Fake, lifetime: int = 3599) -> APIRouter:
    """Tokens live for so many seconds."""
    router = APIRouter()
    numbers = count(1)

    @router.post("/google/token")
    async def token(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if (wrong := _wrong(form)) is not None:
            return JSONResponse({"error": "invalid_grant", "error_description": wrong}, 400)
        answer = {"access_token": f"{TOKEN}{next(numbers)}", "expires_in": lifetime, "token_type": "Bearer"}
        return JSONResponse(answer)

    return router


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _wrong(form: dict[str, str]) -> str | None:
    match form:
        case {"grant_type": grant, "assertion": assertion} if grant == _BEARER:
            return _wrong_claims(assertion)
        case {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": _, "client_secret": _}:
            return None if refresh == REFRESH else "Token has been expired or revoked."
        case _:
            return "Unknown grant."


def _wrong_claims(assertion: str) -> str | None:
    """What is wrong with this JWT."""
    head, body, signature = assertion.split(".")
    try:
        _key().public_key().verify(_decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return "Invalid JWT Signature."
    claims = json.loads(_decoded(body))
    assert json.loads(_decoded(head))["alg"] == "RS256"
    if not (claims["iss"] == ACCOUNT and claims["aud"] == _AUDIENCE and "cloud-platform" in claims["scope"]):
        return "Invalid JWT: claims."
    return None if claims["iat"] - 30 <= time() < claims["exp"] <= claims["iat"] + 3600 else "Invalid JWT: time."


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
