"""Credentials become headers: tokens are fetched, kept and renewed here, requests signed."""

from collections.abc import Mapping

import httpx

from warren_worker.credentials import Credential


class Authority:
    """For all calls of a process. Who needs the same token at the same time waits for one fetch of it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def headers(
        self, credential: Credential, url: str, data: bytes, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """What to add to the headers of a POST of `data` to this URL. `headers` are those that it has.

        Raises:
            UpstreamAuth: the credentials are not accepted, or not there.
            UpstreamUnreachable: who would give a token for them cannot be reached.
        """
        raise NotImplementedError(type(credential))
