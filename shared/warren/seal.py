"""Sealing: what a client carries for us and must neither read nor change.

AES-256-GCM under a key derived from `WARREN_SECRET`, bound to the account and to what it is for.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MARK = "wsl1."
_NONCE = 12


class Sealer:
    """Seals and opens. `keys` is the rotation list: the first seals, all open."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("a sealer needs a key")
        self._ciphers = [AESGCM(sha256(b"warren.seal\0" + key).digest()) for key in keys]

    def seal(self, data: bytes, *, account: str, purpose: str) -> str:
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[0].encrypt(nonce, data, _bound(account, purpose))
        return _MARK + urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, text: str, *, account: str, purpose: str) -> bytes | None:
        """What was sealed; None for what is not ours, or was sealed for another account or purpose."""
        if not text.startswith(_MARK):
            return None
        body = text.removeprefix(_MARK)
        try:
            raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
        except ValueError:
            return None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _bound(account, purpose))
            except (InvalidTag, ValueError):
                continue
        return None


def ours(text: str) -> bool:
    """Whether this looks sealed by us, for whomever."""
    return text.startswith(_MARK)


def _bound(account: str, purpose: str) -> bytes:
    return f"{purpose}\0{account}".encode()
