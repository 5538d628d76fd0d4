"""Who is asking, and what he may ask for.

Every route but health and the description needs a key: `authenticated` runs before it, or `mastered` where only the
master key will do, or `operating`. They are the only places where that is decided; a route that none of them has seen
has no caller, and `account` refuses.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import time
from urllib.parse import urlsplit

from fastapi import Request
from starlette.requests import HTTPConnection

from warren import keys, scopes
from warren.contracts import Identified, Party
from warren.errors import AccountBlocked, Forbidden, KeyBlocked, KeyExpired, Unauthorized
from warren_gateway.parties import Parties
from warren_gateway.settings import loopback

ACCOUNT = "default"
"""Of the master key, and of everybody where none is needed."""
_CALLER = "warren.caller"
_HEADERS = ("x-litellm-api-key", "authorization", "api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key")
"""Where clients of LiteLLM, OpenAI, Azure, Anthropic and Google put their keys; the first that is there counts."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    account: str = ACCOUNT
    key: Party | None = None
    """The virtual key; None is the master key, or that none is needed."""
    holder: Party | None = None
    """What is known of the account, if anything is."""


class Keys:
    """The keys that open this gateway: the master key, and those that were made with it."""

    def __init__(self, master_key: str | None, parties: Parties | None = None) -> None:
        self._master_key = master_key.encode() if master_key is not None else None
        self._parties = parties

    @property
    def needed(self) -> bool:
        """Whether nothing can be had without a key."""
        return self._master_key is not None

    def account(self, connection: HTTPConnection) -> str:
        """The account of who asks, once it is known who does."""
        return self.caller(connection).account

    def caller(self, connection: HTTPConnection) -> Caller:
        """
        Raises:
            Unauthorized: nobody has looked at the key.
        """
        caller = connection.scope.get(_CALLER)
        if not isinstance(caller, Caller):
            raise _missing()
        return caller

    async def authenticate(self, connection: HTTPConnection, route: str) -> Caller:
        """Find out whose key this is, and that it may use this route. Without a master key, every key is good, and so
        is none: from this machine only, and not from a page of another site in somebody's browser.

        Raises:
            Unauthorized: there is no key, it is none of ours, or no more.
            Forbidden: it may not do this.
            LedgerUnavailable: it cannot be found out at the moment whether it is one of ours.
        """
        key = presented(connection.headers)
        caller = Caller()
        if self._master_key is None:
            _at_home(connection.headers)
        else:
            if key is None:
                raise _missing()
            if not self._is_master(key):
                caller = await self._known(key, route)
        connection.scope[_CALLER] = caller
        return caller

    def require_master(self, connection: HTTPConnection) -> None:
        """
        Raises:
            Forbidden: it is another key, or there is no master key.
        """
        if self._master_key is None:
            raise Forbidden("Keys can be managed where there is a master key only: set WARREN_MASTER_KEY.")
        if self.caller(connection).key is not None:
            raise Forbidden("Only the master key may do this.")

    def _is_master(self, key: str) -> bool:
        return self._master_key is not None and hmac.compare_digest(key.encode(), self._master_key)

    async def _known(self, key: str, route: str) -> Caller:
        if self._parties is None or not keys.well_formed(key):
            raise Unauthorized("Incorrect API key provided.")
        return _admitted(await self._parties.key(key), route)


def presented(headers: Mapping[str, str]) -> str | None:
    """The key that a request brings."""
    for name in _HEADERS:
        given = headers.get(name, "").strip()
        scheme, _, rest = given.partition(" ")
        if scheme.lower() == "bearer":
            given = rest.strip()
        elif name == "authorization":
            continue
        if given:
            return given
    return None


def _at_home(headers: Mapping[str, str]) -> None:
    """What any page may make a browser send is told by these two: a name that is made to lead here (DNS rebinding) is
    in the one, and whose page it is in the other.

    Raises:
        Forbidden: it was sent to, or by, another site.
    """
    for name in ("host", "origin"):
        if (value := headers.get(name)) and not _here(value):
            raise Forbidden(
                f"The header {name!r} does not name this machine. Without a key only this machine may ask: send it to "
                "localhost, or set WARREN_MASTER_KEY."
            )


@lru_cache(maxsize=64)
def _here(address: str) -> bool:
    """Whether this is an address of this machine, with or without a scheme and a port."""
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname
    except ValueError:
        return False
    return host is not None and (loopback(host) or host.endswith(".localhost"))


async def authenticated(request: Request) -> None:
    """Runs before every route that needs a key."""
    keys_: Keys = request.app.state.gateway.keys
    await keys_.authenticate(request, request.scope["route"].path)


async def mastered(request: Request) -> None:
    """Runs before every route that needs the master key."""
    keys_: Keys = request.app.state.gateway.keys
    await keys_.authenticate(request, scopes.MANAGEMENT)
    keys_.require_master(request)


async def operating(request: Request) -> None:
    """Runs before what is told to operators: to who has the master key, or to everybody where none is needed."""
    keys_: Keys = request.app.state.gateway.keys
    caller = await keys_.authenticate(request, scopes.MANAGEMENT)
    if caller.key is not None:
        raise Forbidden("Only the master key may do this.")


def _admitted(known: Identified, route: str) -> Caller:
    key, account = known.key, known.account
    if key is None:
        raise Unauthorized("Incorrect API key provided.")
    if key.blocked:
        raise KeyBlocked("This API key is blocked.")
    if key.expires is not None and key.expires <= time():
        raise KeyExpired("This API key has expired.")
    if account is not None and account.blocked:
        raise AccountBlocked("The account of this API key is blocked.")
    if route != scopes.MANAGEMENT and not scopes.allows_route(key.routes, route):
        raise Forbidden(f"This API key may not use {scopes.bare(route)}.")
    return Caller(key.account, key, account)


def _missing() -> Unauthorized:
    return Unauthorized("You didn't provide an API key: send it as 'Authorization: Bearer KEY'.")
