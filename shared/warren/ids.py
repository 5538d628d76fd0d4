"""Ids: when something was made, at least 80 random bits, and whose it is.

`resp_` and `conv_` ids end in a tag over the account, so a forged or foreign id is refused without a look-up.
All ids sort by the time they were made: base32hex, lower case, of a 48-bit time in milliseconds and the rest.
"""

import hashlib
import hmac
import secrets
import time
from base64 import b32hexdecode, b32hexencode
from collections.abc import Sequence

_TIME = 6
_TAG = 7


def new(prefix: str) -> str:
    """An id without an owner: items, attempts, processes."""
    return f"{prefix}_{_text(_now() + secrets.token_bytes(14))}"


def derived(prefix: str, of: str, number: int) -> str:
    """The id of what has none of its own, always the same: item `number` of that which has the id `of`."""
    return f"{prefix}_{of.partition('_')[2]}{number:04x}"


def origin(id_: str, prefix: str) -> tuple[str, int] | None:
    """What `derived` made this id of, if it is one: an id with this prefix, and the number."""
    text = id_.partition("_")[2]
    try:
        return f"{prefix}_{text[:-4]}", int(text[-4:], 16)
    except ValueError:
        return None


class Signer:
    """Makes and checks the ids of what belongs to an account.

    `keys` is the rotation list: the first signs, all are accepted.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("a signer needs a key")
        self._keys = tuple(keys)

    def new(self, prefix: str, account: str) -> str:
        body = _now() + secrets.token_bytes(12)
        return f"{prefix}_{_text(body + _tag(self._keys[0], prefix, account, body))}"

    def owns(self, account: str, id_: str) -> bool:
        """Whether this account was given this id by us. What the id names may be gone all the same."""
        prefix, _, text = id_.partition("_")
        try:
            raw = b32hexdecode(text.upper())
        except ValueError:
            return False
        if len(raw) != _TIME + 12 + _TAG or _text(raw) != text:
            return False
        body, tag = raw[:-_TAG], raw[-_TAG:]
        return any(hmac.compare_digest(tag, _tag(key, prefix, account, body)) for key in self._keys)


def born(id_: str) -> float:
    """When an id was made, in seconds since the epoch; 0.0 for what is not an id of ours."""
    text = id_.partition("_")[2][:16]
    try:
        return int.from_bytes(b32hexdecode(text.upper())[:_TIME]) / 1000
    except ValueError:
        return 0.0


def _now() -> bytes:
    return int(time.time() * 1000).to_bytes(_TIME)


def _text(raw: bytes) -> str:
    return b32hexencode(raw).decode().rstrip("=").lower()


def _tag(key: bytes, prefix: str, account: str, body: bytes) -> bytes:
    return hmac.digest(key, b"\0".join((prefix.encode(), account.encode(), body)), hashlib.sha256)[:_TAG]
