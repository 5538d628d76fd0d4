"""Every call as a value: what to ask of which address, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from warren.client import schema
from warren.client.arguments import Input, parted, plain
from warren.client.items import Json
from warren.exceptions import BadRequestError

TextFormat = type[BaseModel] | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a gateway."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Json | None = field(default=None, repr=False)
    stream: bool = False
    kind: type[BaseModel] | None = None
    """What the text of the answer is to be read as."""
    upstream: Json = field(default_factory=dict, repr=False)
    """How the provider is to be reached."""
    timeout: float | None = None
    """Seconds that its caller wants to wait."""

    @property
    def model(self) -> str | None:
        return None if self.body is None else self.body.get("model")


def create(given: Input, model: str | None, stream: bool | None, kind: TextFormat, options: Mapping[str, Any]) -> Call:
    """`POST /responses`.

    Raises:
        BadRequestError: there is no model, or two formats.
    """
    body, upstream = parted({"model": _named(model), "input": given, "stream": stream, **options})
    if kind is not None:
        if "format" in (text := dict(body.get("text", {}))):
            raise BadRequestError("'text_format' and 'text.format' exclude each other.", param="text_format")
        text["format"] = schema.text_format(kind) if isinstance(kind, type) else plain(kind)
        body["text"] = text
    return Call(
        method="POST",
        path="/responses",
        body=body,
        stream=bool(stream),
        kind=kind if isinstance(kind, type) else None,
        upstream=upstream,
        timeout=body.get("timeout"),
    )


def compact(given: Input, model: str | None, options: Mapping[str, Any]) -> Call:
    body, upstream = parted({"model": _named(model), "input": given, **options})
    timeout = body.pop("timeout", None)
    return Call(method="POST", path="/responses/compact", body=body, upstream=upstream, timeout=timeout)


def retrieve(
    response_id: str, stream: bool | None, after: int | None, include: list[str] | None, options: Mapping[str, Any]
) -> Call:
    query = {"stream": "true" if stream else None, "starting_after": after, "include[]": include}
    return _about(response_id, "GET", "", options, query, stream=bool(stream))


def delete(response_id: str, options: Mapping[str, Any]) -> Call:
    return _about(response_id, "DELETE", "", options)


def cancel(response_id: str, options: Mapping[str, Any]) -> Call:
    return _about(response_id, "POST", "/cancel", options)


def input_items(response_id: str, query: Mapping[str, Any], options: Mapping[str, Any]) -> Call:
    return _about(response_id, "GET", "/input_items", options, query)


def listed(query: Mapping[str, Any]) -> Call:
    """`GET /responses`; `metadata` is a mapping."""
    wanted = dict(query)
    metadata = wanted.pop("metadata", None) or {}
    wanted |= {f"metadata[{name}]": value for name, value in metadata.items()}
    return Call(method="GET", path="/responses", query=_given(wanted))


def models() -> Call:
    return Call(method="GET", path="/models")


def _about(
    response_id: str,
    method: str,
    behind: str,
    options: Mapping[str, Any],
    query: Mapping[str, Any] | None = None,
    *,
    stream: bool = False,
) -> Call:
    """A question about a stored response."""
    if not response_id:
        raise BadRequestError("Missing required parameter: 'response_id'.", param="response_id")
    rest, upstream = parted(options)
    timeout = rest.pop("timeout", None)
    if rest:
        name = next(iter(rest))
        raise BadRequestError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    return Call(
        method=method,
        path=f"/responses/{quote(response_id, safe='')}{behind}",
        query=_given(query or {}),
        stream=stream,
        upstream=upstream,
        timeout=timeout,
    )


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _named(model: str | None) -> str:
    if not model:
        raise BadRequestError("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
    return model
