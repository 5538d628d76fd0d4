"""A client whose calls block."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar, Unpack, overload

from warren.client import calls, reading
from warren.client.arguments import Input, Options, Upstream
from warren.client.calls import Call, TextFormat
from warren.client.source import Config, Source, source
from warren.client.streams import Stream
from warren.client.types import Answered, CompactedResponse, DeletedResponse, Page, Response
from warren.client.wire import Opened, Wire

A = TypeVar("A", bound=Answered)


class Client:
    """The Responses API: at `base_url` with `api_key`, or inside of this process with `config` and `data`.

    Without either, as the environment says: WARREN_BASE_URL and WARREN_API_KEY, or inside with WARREN_CONFIG, or inside
    with nothing but the models that calls name. What is stored is found by its id alone: where a call about it says how
    to reach a provider, as LiteLLM's must, that has no effect inside, and is refused by a gateway. `timeout`: seconds
    without a byte until an answer is given up. Threads may share it, and calls block inside of a running loop as
    anywhere else.
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
        self._wire = Wire(timeout)

    @overload
    def responses(
        self,
        input: Input = None,
        model: str | None = None,
        *,
        stream: Literal[False] | None = None,
        text_format: TextFormat = None,
        **options: Unpack[Options],
    ) -> Response: ...

    @overload
    def responses(
        self,
        input: Input = None,
        model: str | None = None,
        *,
        stream: Literal[True],
        text_format: TextFormat = None,
        **options: Unpack[Options],
    ) -> Stream: ...

    @overload
    def responses(
        self,
        input: Input = None,
        model: str | None = None,
        *,
        stream: bool | None,
        text_format: TextFormat = None,
        **options: Unpack[Options],
    ) -> Response | Stream: ...

    def responses(
        self,
        input: Input = None,
        model: str | None = None,
        *,
        stream: bool | None = None,
        text_format: TextFormat = None,
        **options: Unpack[Options],
    ) -> Response | Stream:
        """Ask a model. `text_format`, a Pydantic class, has the answer in that form: `output_parsed`.

        Raises:
            APIError: in the form that says why.
        """
        call = calls.create(input, model, stream, text_format, options)
        return self._stream(call) if call.stream else self._read(call, Response).parsed(call.kind)

    @overload
    def get_responses(
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
    def get_responses(
        self,
        response_id: str,
        *,
        stream: Literal[True],
        starting_after: int | None = None,
        include: list[str] | None = None,
        timeout: float | None = None,
        **upstream: Unpack[Upstream],
    ) -> Stream: ...

    def get_responses(
        self,
        response_id: str,
        *,
        stream: bool | None = None,
        starting_after: int | None = None,
        include: list[str] | None = None,
        timeout: float | None = None,
        **upstream: Unpack[Upstream],
    ) -> Response | Stream:
        """A stored response; or the stream of one that was made in the background, behind an event's number."""
        options = {"timeout": timeout, **upstream}
        call = calls.retrieve(response_id, stream, starting_after, include, options)
        return self._stream(call) if call.stream else self._read(call, Response)

    def delete_responses(
        self, response_id: str, *, timeout: float | None = None, **upstream: Unpack[Upstream]
    ) -> DeletedResponse:
        """Forget a response; what it said is gone from conversations, too."""
        return self._read(calls.delete(response_id, {"timeout": timeout, **upstream}), DeletedResponse)

    def cancel_responses(
        self, response_id: str, *, timeout: float | None = None, **upstream: Unpack[Upstream]
    ) -> Response:
        """End a response that runs in the background."""
        return self._read(calls.cancel(response_id, {"timeout": timeout, **upstream}), Response)

    def list_input_items(
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
        return self._read(calls.input_items(response_id, query, {"timeout": timeout, **upstream}), Page)

    def compact_responses(
        self, input: Input = None, model: str | None = None, **options: Unpack[Options]
    ) -> CompactedResponse:
        """A conversation in fewer tokens."""
        return self._read(calls.compact(input, model, options), CompactedResponse)

    def list_responses(
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
        return self._read(
            calls.listed(
                {
                    "after": after, "limit": limit, "order": order, "model": model, "status": status,
                    "conversation": conversation, "metadata": metadata,
                }
            ),
            Page,
        )  # fmt: skip

    def list_models(self) -> list[str]:
        """What can be asked for."""
        return [model["id"] for model in self._read(calls.models(), Page).data]

    def close(self) -> None:
        """Close its connections. What runs inside of this process goes on to the process's end."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, call: Call, kind: type[A]) -> A:
        return reading.read(kind, self._wire.send(self._source.place(call), call), call)

    def _stream(self, call: Call) -> Stream:
        opened: Opened = self._wire.open(self._source.place(call), call)
        if opened.response.status_code != 200:
            raise reading.failure(self._wire.rest(opened), call)
        return Stream(opened, call)
