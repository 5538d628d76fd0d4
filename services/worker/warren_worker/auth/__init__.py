"""Credentials become headers: tokens are fetched, kept and renewed here, requests signed."""

import asyncio
import sys
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

import httpx

from warren.errors import UpstreamAuth
from warren_worker.auth.kept import Kept, Lease
from warren_worker.auth.oauth import obtain
from warren_worker.credentials import Aws, ClientCredentials, Credential, Google


class Authority:
    """For all calls of a process. Who needs the same token at the same time waits for one fetch of it."""

    def __init__(self, client: httpx.AsyncClient, kept: Kept | None = None) -> None:
        self._client = client
        self._kept = kept or Kept()

    async def headers(
        self, credential: Credential, url: str, data: bytes, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """What to add to the headers of a POST of `data` to this URL. `headers` are those that it has.

        Raises:
            UpstreamAuth: the credentials are not accepted, or not there.
            UpstreamUnreachable: who would give a token for them cannot be reached.
        """
        # A branch for each: `await self._kept.of(credential, partial(obtain, …))` gives what may be kept.
        match credential:
            case Google():
                google: Mapping[str, str] = await self._kept.of(credential, partial(_of_google, credential))
                return google
            case ClientCredentials():
                client: Mapping[str, str] = await self._kept.of(credential, partial(obtain, self._client, credential))
                return client
            case Aws():
                aws = await _of_aws()
                keys = await self._kept.of(credential, partial(aws.obtain, credential))
                made: Mapping[str, str] = await aws.signed(credential, keys, url, data, headers)
                return made

    def forget(self, credential: Credential) -> bool:
        """The provider does not accept what was made of this one. Gives whether another try may go better."""
        return self._kept.forget(credential)


async def _of_google(credential: Google) -> Lease:
    """Only who has Vertex AI needs Google's library."""
    try:
        google = await asyncio.to_thread(import_module, "warren_worker.auth.google")
    except ModuleNotFoundError:
        raise UpstreamAuth("Google's credentials need google-auth: install warren-worker[vertex].") from None
    lease: Lease = await google.obtain(credential)
    return lease


async def _of_aws() -> Any:
    """Only who signs requests needs AWS's library, and takes the time that it takes to read it."""
    name = "warren_worker.auth.aws"
    try:
        return sys.modules.get(name) or await asyncio.to_thread(import_module, name)
    except ModuleNotFoundError:
        raise UpstreamAuth("AWS's credentials need botocore: install warren-worker[bedrock].") from None
