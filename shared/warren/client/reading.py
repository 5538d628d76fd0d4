"""What an answer says: an object, an exception, or the events of a stream."""

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from warren import exceptions, sse
from warren.client import events
from warren.client.calls import Call
from warren.client.events import ENDS, ErrorEvent, ResponseEvent, StreamEvent
from warren.client.types import Answered, Response
from warren.client.wire import Answer
from warren.exceptions import APIConnectionError, APIError

A = TypeVar("A", bound=Answered)
_LONGEST = 64 * 1024 * 1024
"""Bytes of an event: the last one holds the whole response."""


def read(kind: type[A], answer: Answer, call: Call) -> A:
    """
    Raises:
        APIError: the answer says that it failed; or it is something else, and whoever answered is no gateway.
    """
    if answer.response.status_code != 200:
        raise failure(answer, call)
    try:
        return kind.model_validate_json(answer.body).told(answer.response.headers)
    except ValidationError:
        raise APIError(f"The answer is no {kind.__name__}: {_beginning(answer.body)}", model=call.model) from None


def failure(answer: Answer, call: Call) -> APIError:
    """The exception for an answer that is none."""
    response = answer.response
    try:
        detail = from_json(answer.body)["error"]
        detail["message"]
    except (ValueError, LookupError, TypeError):
        detail = {"message": f"HTTP status {response.status_code}: {_beginning(answer.body)}"}
    after = response.headers.get("retry-after", "")
    return exceptions.of(
        detail,
        response.status_code,
        inside=answer.place.inside,
        retry_after=float(after) if after.isdecimal() else None,
        model=call.model,
        response=response,
    )


def _beginning(body: bytes) -> str:
    return body[:200].decode(errors="replace")


class Script:
    """A stream: fed bytes, it gives events, and ends in a response or an exception."""

    def __init__(self, kind: type[BaseModel] | None, model: str | None, *, inside: bool) -> None:
        self._reader = sse.Reader(_LONGEST)
        self._kind = kind
        self._model = model
        self._inside = inside
        self._error: ErrorEvent | None = None
        self.last: StreamEvent | None = None
        self.response: Response | None = None
        """How it ended."""

    def feed(self, piece: bytes) -> Iterator[StreamEvent]:
        """
        Raises:
            APIError: it failed; `outcome` is the response.
        """
        for one in self._reader.feed(piece):
            if one.data == b"[DONE]":
                continue
            event = self.last = events.read(one.data)
            if isinstance(event, ErrorEvent):
                self._error = event  # the response comes behind it
                continue
            if isinstance(event, ResponseEvent) and event.type in ENDS:
                if event.type == "response.failed":
                    raise self._failed(event.response)
                self.response = event.response.parsed(self._kind)
            yield event

    def end(self) -> None:
        """There are no more bytes.

        Raises:
            APIError: something is missing.
        """
        if self._error is not None:
            raise self._failed(None)
        if self.response is None:
            raise APIConnectionError("The stream was cut off.", model=self._model)

    def _failed(self, response: Response | None) -> APIError:
        detail: dict[str, Any] = {"message": "The response failed."}
        if response is not None and response.error is not None:
            detail = response.error.to_dict()
        if self._error is not None:
            told = self._error
            detail = (told.model_extra or {}).get("error") or {
                "message": told.message, "code": told.code, "param": told.param,
            }  # fmt: skip
        return exceptions.of(detail, inside=self._inside, model=self._model, outcome=response)
