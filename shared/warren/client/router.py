"""LiteLLM's Router: deployments given in code, and calls that are spread over them, inside of this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from warren.client.asynchronous import AsyncClient
from warren.client.source import host, text
from warren.client.sync import Client


class Router:
    """A configuration in code: `model_list` as in its file, everything else as in its `router_settings`.

    Its methods are a `Client`'s, and with an `a` in front an `AsyncClient`'s; `model` is a name in the list. Routers of
    one process, and of several, share what they remember.
    """

    def __init__(self, model_list: Sequence[Any], *, data: Path | str | None = None, **settings: Any) -> None:
        """
        Raises:
            APIError: it cannot be used, and why.
        """
        config = {"model_list": list(model_list)} | ({"router_settings": settings} if settings else {})
        host().check(text(config))
        self._client = Client(config=config, data=data)
        self._async_client = AsyncClient(config=config, data=data)

        self.responses = self._client.responses
        self.get_responses = self._client.get_responses
        self.delete_responses = self._client.delete_responses
        self.cancel_responses = self._client.cancel_responses
        self.list_input_items = self._client.list_input_items
        self.compact_responses = self._client.compact_responses

        self.aresponses = self._async_client.responses
        self.aget_responses = self._async_client.get_responses
        self.adelete_responses = self._async_client.delete_responses
        self.acancel_responses = self._async_client.cancel_responses
        self.alist_input_items = self._async_client.list_input_items
        self.acompact_responses = self._async_client.compact_responses

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        self._client.close()
        await self._async_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
