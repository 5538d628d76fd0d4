"""What all of AWS has in common: signatures, which are checked here by its documentation and not by its library, the
frames of an event stream, and who gives out keys for a while.
"""

import hashlib
import hmac
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote
from zlib import crc32

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tests.rig.vendors import Call, Fake

Json = dict[str, Any]

KEYS = {"AKIDEXAMPLE": "secretEXAMPLE", "ASIAROLE": "secretROLE"}
TOKENS = {"ASIAROLE": "token-of-the-role"}
BEARER = "sk-of-ours"


def frame(name: str, payload: Json, kind: str = "event") -> bytes:
    """A message of an event stream: an event, or an exception."""
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    head = b"".join(_header(key, value) for key, value in headers.items())
    body = json.dumps(payload, ensure_ascii=False).encode()
    prelude = struct.pack("!II", 16 + len(head) + len(body), len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + body
    return message + struct.pack("!I", crc32(message))


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()


def unaccepted(request: Request, body: bytes) -> tuple[str, str] | None:
    """What is wrong with who asks: the exception and its words; None if nothing is."""
    given = request.headers.get("authorization", "")
    if given.startswith("Bearer "):
        return (
            None
            if given == f"Bearer {BEARER}"
            else ("AccessDeniedException", "Authentication failed: no such API key.")
        )
    if not given.startswith("AWS4-HMAC-SHA256 "):
        return "MissingAuthenticationTokenException", "Missing Authentication Token"
    parts = dict(part.strip().split("=", 1) for part in given.partition(" ")[2].split(","))
    access, date, region, service, _ = parts["Credential"].split("/")
    if access not in KEYS or request.headers.get("x-amz-security-token") != TOKENS.get(access):
        return "UnrecognizedClientException", "The security token included in the request is invalid."
    stamp = request.headers["x-amz-date"]
    if abs(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) - datetime.now(UTC)) > timedelta(minutes=15):
        return "InvalidSignatureException", "Signature expired"
    names = parts["SignedHeaders"].split(";")
    headers = {name: request.headers.get(name, "") for name in names}
    path = request.scope["raw_path"].decode().partition("?")[0]
    wanted = signature(KEYS[access], (date, region, service), stamp, path, request.url.query, headers, body)
    if "host" not in names or not hmac.compare_digest(wanted, parts["Signature"]):
        return "InvalidSignatureException", "The request signature we calculated does not match the one you provided."
    return None


def signature(
    secret: str, scope: tuple[str, str, str], stamp: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> str:
    """Signature Version 4 of a POST to this path, as it is on the wire."""
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    canonical = [
        "POST",
        quote(path, safe="/-_.~"),
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{' '.join(value.split())}" for name, value in sorted(headers.items())),
        "",
        ";".join(sorted(headers)),
        hashlib.sha256(body).hexdigest(),
    ]
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, "/".join([*scope, "aws4_request"]), digest])
    key = f"AWS4{secret}".encode()
    for step in (*scope, "aws4_request"):
        key = hmac.new(key, step.encode(), "sha256").digest()
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest()


_ROLE = "arn:aws:iam::123456789012:role/warren"
_XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"


def sts(fake: Fake, life: timedelta = timedelta(hours=1)) -> APIRouter:
    """The Security Token Service: keys of the one role there is, for those that may have them."""
    router = APIRouter()

    async def act(request: Request) -> Response:
        raw = await request.body()
        body = dict(parse_qsl(raw.decode()))
        headers = dict(request.headers)
        fake.calls.append(Call(request.method, request.url.path, request.url.query, headers, body, body["Action"]))
        wrong = _refusal(request, raw, body)
        return _xml(_error(*wrong), 403) if wrong else _xml(_given(body["Action"], life), 200)

    router.post("/")(act)
    router.post("/sts/")(act)
    router.post("/sts")(act)
    return router


def _refusal(request: Request, raw: bytes, body: Json) -> tuple[str, str] | None:
    if body["RoleArn"] != _ROLE:
        return "AccessDenied", "User is not authorized to perform: sts:AssumeRole on resource"
    if body["Action"] == "AssumeRoleWithWebIdentity":
        good = body["WebIdentityToken"] == "a.web.token" and "authorization" not in request.headers
        return None if good else ("InvalidIdentityToken", "No OpenIDConnect provider found")
    if body.get("ExternalId") not in (None, "outside"):
        return "AccessDenied", "The external id is another one"
    return unaccepted(request, raw)


def _given(action: str, life: timedelta) -> str:
    until = (datetime.now(UTC) + life).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = (
        f"<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>{KEYS['ASIAROLE']}</SecretAccessKey>"
        f"<SessionToken>{TOKENS['ASIAROLE']}</SessionToken><Expiration>{until}</Expiration>"
    )
    user = "<Arn>arn:aws:sts::123456789012:assumed-role/warren/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId>"
    inside = f"<Credentials>{keys}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"
    return f'<{action}Response xmlns="{_XMLNS}"><{action}Result>{inside}</{action}Result></{action}Response>'


def _error(code: str, message: str) -> str:
    inside = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    return f'<ErrorResponse xmlns="{_XMLNS}"><Error>{inside}</Error><RequestId>r</RequestId></ErrorResponse>'


def _xml(text: str, status: int) -> Response:
    return Response(text, status, media_type="text/xml")


def pieces(text: str) -> Iterator[str]:
    return (text[at : at + 7] for at in range(0, len(text), 7))
