"""The ops page: files that hold no data. It asks for a key itself, and sends it with every question."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import PurePath
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

from warren.errors import NotFound
from warren_gateway.gateway import of

router = APIRouter(prefix="/ops")

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


class _File(NamedTuple):
    body: bytes
    type: str
    etag: str


@cache
def _files() -> dict[str, _File]:
    """All files of the page; read once, when somebody first looks at it."""
    found = (one for one in files("warren_gateway").joinpath("page").iterdir() if PurePath(one.name).suffix in _TYPES)
    return {one.name: _file(one.name, one.read_bytes()) for one in found}


def _file(name: str, body: bytes) -> _File:
    return _File(body, _TYPES[PurePath(name).suffix], f'"{sha256(body).hexdigest()[:20]}"')


@cache
def _index(*, locked: bool) -> _File:
    """The page; where a key is needed it says so, so that it need not be refused to find out."""
    file = _files()["index.html"]
    return _file("index.html", file.body.replace(b"<html", b"<html data-locked", 1)) if locked else file


def _answer(request: Request, file: _File | None) -> Response:
    if file is None:
        raise NotFound(f"Invalid URL (GET {request.scope['path']})")
    headers = {**_HEADERS, "etag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers=headers, media_type=file.type)


@router.get("")
async def page(request: Request) -> Response:
    return _answer(request, _index(locked=of(request).keys.needed))


@router.get("/page/{name}")
async def part(request: Request, name: str) -> Response:
    return _answer(request, _files().get(name))
