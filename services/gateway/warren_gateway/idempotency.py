"""The Idempotency-Key: what the same key stands for."""

import json
from hashlib import sha256

from pydantic_core import from_json
from starlette.requests import Request

from warren.errors import InvalidRequest

HEADER = "idempotency-key"
LONGEST = 255
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def key(request: Request) -> str | None:
    """The hash of the client's key, if it sent one.

    Raises:
        InvalidRequest: it is no key.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not 0 < len(given) <= LONGEST or not all("!" <= character <= "~" for character in given):
        raise InvalidRequest(
            f"An Idempotency-Key has 1 to {LONGEST} visible ASCII characters.",
            param="Idempotency-Key",
            code="invalid_value",
        )
    return sha256(given.encode()).hexdigest()


def fingerprint(body: bytes) -> str:
    """A hash of what is asked, however it is written: the order of keys and the white space do not matter."""
    made = sha256()
    for piece in _CANONICAL.iterencode(from_json(body)):  # in steps, so that a large one is no single long one
        made.update(piece.encode())
    return made.hexdigest()
