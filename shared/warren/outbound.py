"""The one fetcher of what a request names by URL: pictures, documents; and what is posted to where settings say.

Whoever writes a request would like to see what only we can reach. So a URL is parsed once, its host resolved once, all
its addresses are looked at, and one of just these is connected to; each redirect begins that anew. What goes wrong is
told without telling what there is in our network.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType

import httpx

import warren
from warren.errors import InvalidRequest

Address = IPv4Address | IPv6Address

_LARGEST = 20 * 1024 * 1024
_SECONDS = 10.0
_REDIRECTS = 3
_AT_ONCE = 8
"""Fetches of a process, so that what is fetched cannot fill its memory."""
_CANDIDATES = 4
"""Addresses of a host that are tried."""
_LONGEST_URL = 8192
_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?=[/?#]|$)", re.IGNORECASE | re.ASCII)
"""What every reader of URLs reads the same: nobody's name in it, no backslash, nothing that is not ASCII."""
_NEVER = re.compile(r"[\x00-\x20\x7f\\]")
_PORTS = (80, 443)
_GLOBAL = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (rb"\x89PNG\r\n\x1a\n", "image/png"),
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"GIF8[79]a", "image/gif"),
    (rb"RIFF[\s\S]{4}WEBP", "image/webp"),
    (rb"[\s\S]{4}ftyp(heic|heix|hevc|hevx)", "image/heic"),
    (rb"[\s\S]{4}ftyp(mif1|msf1|heif)", "image/heif"),
    (rb"[\s\S]{4}ftyp(avif|avis)", "image/avif"),
    (rb"%PDF-", "application/pdf"),
)
"""How files begin that providers look into."""
_UNKNOWN = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom an operator lets be asked beside the public internet: there, HTTP and any port will do."""

    names: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> "Reach":
        """Of names and of networks or single addresses, mixed."""
        names: set[str] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for entry in filter(None, map(str.strip, entries)):
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                names.add(entry.lower().rstrip("."))
        return cls(frozenset(names), tuple(networks))

    def holds(self, host: str, addresses: list[Address]) -> bool:
        return host in self.names or all(any(address in network for network in self.networks) for address in addresses)


PUBLIC = Reach()
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Place:
    """A URL, read."""

    url: httpx.URL
    host: str
    """In small letters, without brackets."""
    port: int


class Outbound:
    """Fetches for all requests of a process."""

    def __init__(self, client: httpx.AsyncClient, reach: Reach) -> None:
        self._client = client
        self._reach = reach
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Media type and bytes of what is there, 20 MB at most.

        The type is what the bytes are, where that shows; what claims to be a picture or a PDF must begin like one.

        Raises:
            InvalidRequest: it is not to be had. The message is made for whoever named the URL.
        """
        try:
            async with self._room, asyncio.timeout(_SECONDS):
                return await self._follow(_place(url))
        except TimeoutError:
            raise _no("it took too long") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise _no("its host cannot be reached") from None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send this, and give the status of the answer, of which nothing else is read. No redirect is followed.

        Raises:
            InvalidRequest: it cannot be sent.
        """
        try:
            async with self._room, asyncio.timeout(_SECONDS):
                response = await self._asked(_place(url), "POST", body, headers)
                await response.aclose()
                return response.status_code
        except TimeoutError:
            raise _no("it took too long") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise _no("its host cannot be reached") from None

    async def _follow(self, place: _Place) -> tuple[str, bytes]:
        for _ in range(_REDIRECTS + 1):
            response = await self._asked(place)
            try:
                if not response.has_redirect_location:
                    return await _read(response)
                place = _place(str(place.url.join(response.headers["location"])))
            finally:
                await response.aclose()
        raise _no("it is redirected too often")

    async def _asked(
        self, place: _Place, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] = NOTHING
    ) -> httpx.Response:
        """The answer of the first address that takes the connection."""
        failed: httpx.TransportError = httpx.ConnectError("no address")
        for address in (await self._addresses(place))[:_CANDIDATES]:
            request = self._client.build_request(
                method,
                place.url.copy_with(host=str(address)),
                content=body,
                headers={**headers, "host": place.url.netloc.decode()},
                extensions={"sni_hostname": place.host},
            )
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise failed

    async def _addresses(self, place: _Place) -> list[Address]:
        """Where the host is: none of it may be anywhere but in public, unless the operator says so."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
        except (OSError, ValueError):
            addresses = []
        if not addresses:
            raise _no("its host cannot be reached")
        if not self._reach.holds(place.host, addresses):
            if place.url.scheme != "https" or place.port not in _PORTS:
                raise _no("it must begin with https://, and name no unusual port")
            if not all(map(public, addresses)):
                raise _no("its host cannot be reached")
        return addresses


@asynccontextmanager
async def outbound(reach: Reach, context: ssl.SSLContext | None = None) -> AsyncIterator[Outbound]:
    """An `Outbound` without a memory: neither cookies nor connections are kept, as the next may be to another host."""
    async with httpx.AsyncClient(
        headers={"user-agent": f"warren/{warren.__version__}", "accept": "*/*", "accept-encoding": "identity"},
        cookies=no_cookies(),
        timeout=_SECONDS / 2,
        limits=httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=0),
        verify=context or True,
        trust_env=False,
        follow_redirects=False,
    ) as client:
        yield Outbound(client, reach)


def no_cookies() -> CookieJar:
    """A jar that takes none."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def public(address: Address) -> bool:
    """Whether anybody may ask there, also by way of what is mapped into IPv6."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return public(inner)
        if address not in _GLOBAL or address.teredo is not None:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_private)


def kind_of(content: bytes, declared: str) -> str | None:
    """The media type of this; None if it is not what it claims to be."""
    for start, kind in _MAGIC:
        if re.match(start, content):
            return kind
    declared = declared.partition(";")[0].strip().lower()
    if declared.startswith("image/") or declared == "application/pdf":
        return None
    return declared if re.fullmatch(r"[a-z]+/[a-z0-9.+_-]{1,100}", declared) else _UNKNOWN


def _place(url: str) -> _Place:
    found = _ORIGIN.match(url)
    if found is None or _NEVER.search(url) or len(url) > _LONGEST_URL:
        raise _no("it must be a plain https:// URL")
    read = httpx.URL(url)
    host = found[2].lower().strip("[]")
    if (read.scheme, read.raw_host) != (found[1].lower(), host.encode()):
        raise _no("it must be a plain https:// URL")
    return _Place(read, host.rstrip("."), read.port or (443 if read.scheme == "https" else 80))


async def _read(response: httpx.Response) -> tuple[str, bytes]:
    if response.status_code != 200:
        raise _no(f"its host answers with status {response.status_code}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise _no("it is compressed")
    content = bytearray()
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > _LARGEST:
            raise _no("it has more than 20 MB")
    kind = kind_of(bytes(content[:64]), response.headers.get("content-type", ""))
    if kind is None or not content:
        raise _no("it is no picture or PDF, as it claims to be" if content else "it is empty")
    return kind, bytes(content)


def _no(why: str) -> InvalidRequest:
    return InvalidRequest(f"Failed to download the URL: {why}.", code="failed_to_download")
