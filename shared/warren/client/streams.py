"""Streams of events, for threads and for loops. Leaving one early cancels what it shows."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from typing import Self

from warren.client.calls import Call
from warren.client.events import StreamEvent
from warren.client.reading import Script
from warren.client.types import Response
from warren.client.wire import AsyncOpened, Opened
from warren.exceptions import APIConnectionError


class _Told:
    _script: Script
    _opened: Opened | AsyncOpened

    @property
    def headers(self) -> Mapping[str, str]:
        """Who answers, by names in small letters."""
        return self._opened.response.headers

    @property
    def response(self) -> Response | None:
        """How it ended; None until then."""
        return self._script.response

    @property
    def last_sequence_number(self) -> int:
        """That of the last event that came: where `starting_after` would go on. -1 before the first."""
        return -1 if self._script.last is None else self._script.last.sequence_number

    def _ended(self) -> Response:
        if self._script.response is None:
            raise APIConnectionError("The stream was closed before its end.")
        return self._script.response


class Stream(_Told, Iterator[StreamEvent]):
    """The events of a response. A failure is raised; its `outcome` is the response as far as it got."""

    def __init__(self, opened: Opened, call: Call) -> None:
        self._opened: Opened = opened
        self._script = Script(call.kind, call.model, inside=opened.place.inside)
        self._events = self._all(opened)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamEvent:
        return next(self._events)

    def until_done(self) -> Response:
        """Read on to the end."""
        for _ in self:
            pass
        return self._ended()

    def close(self) -> None:
        self._opened.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _all(self, opened: Opened) -> Generator[StreamEvent]:
        try:
            for piece in opened.pieces():
                yield from self._script.feed(piece)
            self._script.end()
        finally:
            opened.close()


class AsyncStream(_Told, AsyncIterator[StreamEvent]):
    """The events of a response. A failure is raised; its `outcome` is the response as far as it got."""

    def __init__(self, opened: AsyncOpened, call: Call) -> None:
        self._opened: AsyncOpened = opened
        self._script = Script(call.kind, call.model, inside=opened.place.inside)
        self._events = self._all(opened)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        return await anext(self._events)

    async def until_done(self) -> Response:
        """Read on to the end."""
        async for _ in self:
            pass
        return self._ended()

    async def close(self) -> None:
        await self._opened.close()
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _all(self, opened: AsyncOpened) -> AsyncGenerator[StreamEvent]:
        try:
            async for piece in opened.pieces():
                for event in self._script.feed(piece):
                    yield event
            self._script.end()
        finally:
            await opened.close()
