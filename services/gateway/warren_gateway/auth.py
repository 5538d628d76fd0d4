"""Who is asking."""

import hmac

from starlette.requests import HTTPConnection

from warren.errors import Unauthorized

ACCOUNT = "default"


class Keys:
    """The keys that open this gateway."""

    def __init__(self, master_key: str | None) -> None:
        self._master_key = master_key.encode() if master_key is not None else None

    def account(self, connection: HTTPConnection) -> str:
        """The account that the request's bearer key belongs to. Without a master key every key does.

        Raises:
            Unauthorized: there is no key, or it is none of ours.
        """
        scheme, _, key = connection.headers.get("authorization", "").partition(" ")
        if self._master_key is None:
            return ACCOUNT
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthorized("You didn't provide an API key: send it as 'Authorization: Bearer KEY'.")
        if not hmac.compare_digest(key.strip().encode(), self._master_key):
            raise Unauthorized("Incorrect API key provided.")
        return ACCOUNT
