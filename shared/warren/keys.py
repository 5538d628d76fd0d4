"""Virtual keys: how they are made, recognised and remembered. Pure.

A key has 256 random bits, so a fast hash hides it well: HMAC-SHA-256 under WARREN_SECRET. Whoever has read the database
can neither use a key nor tell whether a guess is one.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from secrets import token_urlsafe

SHORTEST, LONGEST = 20, 255
FORM = rf"^sk-[A-Za-z0-9._-]{{{SHORTEST - 3},{LONGEST - 3}}}$"
_FORM = re.compile(FORM)
_DOMAIN = b"warren key\0"


def new() -> str:
    return f"sk-{token_urlsafe(32)}"


def well_formed(key: str) -> bool:
    """Whether this may be a key. Nobody is asked about anything else."""
    return _FORM.fullmatch(key) is not None


def digest(key: str, secret: bytes) -> str:
    """What a key is found by."""
    return hmac.digest(secret, _DOMAIN + key.encode(), hashlib.sha256).hex()


def digests(key: str, secrets: Sequence[bytes]) -> tuple[str, ...]:
    """What a key may be found by while secrets change."""
    return tuple(digest(key, secret) for secret in secrets)


def hint(key: str) -> str:
    """What people recognise a key by."""
    return f"sk-...{key[-4:]}"
