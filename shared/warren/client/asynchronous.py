"""A client whose calls are awaited: `Client`, word for word, but for what must be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar, Unpack, overload

from warren.client import calls, reading
from warren.client.arguments import Input, Options, Upstream
from warren.client.calls import Call, TextFormat
from warren.client.source import Config, Source, source
from warren.client.streams import AsyncStream
from warren.client.types import Answered, CompactedResponse, DeletedResponse, Page, Response
from warren.client.wire import AsyncOpened, AsyncWire

A = TypeVar("A", bound=Answered)


class AsyncClient:
    """The Responses API: at `base_url` with `api_key`, or inside of this process with `config` and `data`.

    Without either, as the environment says: WARREN_BASE_URL and WARREN_API_KEY, or inside with WARREN_CONFIG, or inside
    with nothing but the models that calls name. What is stored is found by its id alone: where a call about it says how
    to reach a provider, as LiteLLM's must, that has no effect inside, and is refused by a gateway. `timeout`: seconds
    without a byte until an answer is given up. Any number of loops may share it, one after the other or in threads.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        config: Config | None = None,
        data: Path | str | None = None,
        timeout: float | None = None,
    ) -> None:
        self._source: Source = source(base_url, api_key, config, data)
        self._wire = AsyncWire(timeout)

    @overload
    async def responses(
        self,
        input: Input = None,
        model: str | None = None,
        *,
        stream: Literal[False] | None = None,
        text_format: TextFormat = None,
        **options: Unpack[Options],
    ) -> Response: ...

    @overload
    async def responses(
        self,
        input: Input = None,
        model: str | None = None,
        *,
        stream: Literal[True],
        text_format: TextFormat = None,
        **options: Unpack[Options],
    ) -> AsyncStream: ...

    @overload
    async def responses(
        self,
        input: Input = None,
        model: str | None = None,
        *,
        stream: bool | None,
        text_format: TextFormat = None,
        **options: Unpack[Options],
    ) -> Response | AsyncStream: ...

    async def responses(
        self,
        input: Input = None,
        model: str | None = None,
        *,
        stream: bool | None = None,
        text_format: TextFormat = None,
        **options: Unpack[Options],
    ) -> Response | AsyncStream:
        """Ask a model. `text_format`, a Pydantic class, has the answer in that form: `output_parsed`.

        Raises:
            APIError: in the form that says why.
        """
        call = calls.create(input, model, stream, text_format, options)
        return await self._stream(call) if call.stream else (await self._read(call, Response)).parsed(call.kind)

    @overload
    async def get_responses(
        self,
        response_id: str,
        *,
        stream: Literal[False] | None = None,
        starting_after: int | None = None,
        include: list[str] | None = None,
        timeout: float | None = None,
        **upstream: Unpack[Upstream],
    ) -> Response: ...

    @overload
    async def get_responses(
        self,
        response_id: str,
        *,
        stream: Literal[True],
        starting_after: int | None = None,
        include: list[str] | None = None,
        timeout: float | None = None,
        **upstream: Unpack[Upstream],
    ) -> AsyncStream: ...

    async def get_responses(
        self,
        response_id: str,
        *,
        stream: bool | None = None,
        starting_after: int | None = None,
        include: list[str] | None = None,
        timeout: float | None = None,
        **upstream: Unpack[Upstream],
    ) -> Response | AsyncStream:
        """A stored response; or the stream of one that was made in the background, behind an event's number."""
        options = {"timeout": timeout, **upstream}
        call = calls.retrieve(response_id, stream, starting_after, include, options)
        return await self._stream(call) if call.stream else await self._read(call, Response)

    async def delete_responses(
        self, response_id: str, *, timeout: float | None = None, **upstream: Unpack[Upstream]
    ) -> DeletedResponse:
        """Forget a response; what it said is gone from conversations, too."""
        return await self._read(calls.delete(response_id, {"timeout": timeout, **upstream}), DeletedResponse)

    async def cancel_responses(
        self, response_id: str, *, timeout: float | None = None, **upstream: Unpack[Upstream]
    ) -> Response:
        """End a response that runs in the background."""
        return await self._read(calls.cancel(response_id, {"timeout": timeout, **upstream}), Response)

    async def list_input_items(
        self,
        response_id: str,
        *,
        after: str | None = None,
        include: list[str] | None = None,
        limit: int | None = None,
        order: Literal["asc", "desc"] | None = None,
        timeout: float | None = None,
        **upstream: Unpack[Upstream],
    ) -> Page:
        """What a response was asked with, the newest first."""
        query = {"after": after, "include[]": include, "limit": limit, "order": order}
        return await self._read(calls.input_items(response_id, query, {"timeout": timeout, **upstream}), Page)

    async def compact_responses(
        self, input: Input = None, model: str | None = None, **options: Unpack[Options]
    ) -> CompactedResponse:
        """A conversation in fewer tokens."""
        return await self._read(calls.compact(input, model, options), CompactedResponse)

    async def list_responses(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        order: Literal["asc", "desc"] | None = None,
        model: str | None = None,
        status: str | None = None,
        conversation: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Page:
        """Stored responses, the newest first."""
        return await self._read(
            calls.listed(
                {
                    "after": after, "limit": limit, "order": order, "model": model, "status": status,
                    "conversation": conversation, "metadata": metadata,
                }
            ),
            Page,
        )  # fmt: skip

    async def list_models(self) -> list[str]:
        """What can be asked for."""
        return [model["id"] for model in (await self._read(calls.models(), Page)).data]

    async def close(self) -> None:
        """Close its connections in this loop. What runs inside of this process goes on to the process's end."""
        await self._wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self, call: Call, kind: type[A]) -> A:
        place = await self._source.aplace(call)
        return reading.read(kind, await self._wire.send(place, call), call)

    async def _stream(self, call: Call) -> AsyncStream:
        opened: AsyncOpened = await self._wire.open(await self._source.aplace(call), call)
        if opened.response.status_code != 200:
            raise reading.failure(await self._wire.rest(opened), call)
        return AsyncStream(opened, call)
