"""What turns of a conversation are made of."""

import mimetypes
from dataclasses import dataclass, field
from typing import Any, Literal

from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker.asked.unsaid import unsupported

SYSTEM = frozenset({"input_text"})
USER = frozenset({"input_text", "input_image", "input_file", "input_audio"})
ASSISTANT = frozenset({"output_text", "refusal"})
RESULT = frozenset({"input_text", "input_image", "input_file"})

_PDF = "JVBERi"
"""How base64 of a PDF begins."""


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    breakpoint: Any = None
    """The part's `prompt_cache_breakpoint`."""
    path: str = field(default="", compare=False)
    """Where it stands in the request, if it is a part."""
    kept: tuple[Item, ...] = field(default=(), compare=False)
    """With the last part of what the assistant said: what the provider wants to see again with the message."""


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, a document or a recording; `path` is where it stands in the request.

    One of `data` (base64), `url` and `file_id` is there.
    """

    kind: Literal["input_image", "input_file", "input_audio"]
    path: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    detail: str | None = None
    breakpoint: Any = None


@dataclass(frozen=True, slots=True)
class Called:
    """A call of what the model was shown as a function; `arguments` is its JSON text, never empty."""

    item_id: str | None
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave back, and what was called; `name` is empty where the call is not in the conversation."""

    call_id: str
    name: str
    content: tuple[Said | Media, ...]
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Thought:
    """Reasoning: its text as far as it was shown, and what the provider wants to see again of it."""

    item_id: str | None
    text: str
    kept: tuple[Item, ...] = ()
    raw: bool = True
    """It is as the model wrote it, and no summary."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """What a hosted tool did. `told` says it in words and pictures to a provider that cannot be shown it itself."""

    item: Item
    path: str
    told: tuple[Said | Media, ...]
    kept: tuple[Item, ...] = ()


Block = Said | Media | Called | Result | Thought | Hosted


def content(given: Any, path: str, allowed: frozenset[str]) -> tuple[Said | Media, ...]:
    """A message's content, or what a tool gave back. Empty text is no part."""
    if isinstance(given, str):
        return (Said(given),) if given else ()
    if not isinstance(given, list):
        raise InvalidRequest(f"Invalid '{path}'.", param=path, code="invalid_type")
    parts = (_part(part, f"{path}[{at}]", allowed) for at, part in enumerate(given))
    return tuple(part for part in parts if not (isinstance(part, Said) and not part.text))


def image(url: str, path: str, detail: Any = None, marked: Any = None) -> Media:
    media_type, data = _data(url)
    if data is not None:
        return Media("input_image", path, media_type=media_type, data=data, detail=detail, breakpoint=marked)
    return Media("input_image", path, url=url, detail=detail, breakpoint=marked)


def unmarked(path: str) -> None:
    """Refuse a cache breakpoint in the part at this path; one of an earlier turn was for another provider's cache."""
    if path.startswith("input["):
        raise unsupported(f"{path}.prompt_cache_breakpoint")


def _part(part: Any, path: str, allowed: frozenset[str]) -> Said | Media:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in allowed:
        known = ", ".join(repr(name) for name in sorted(allowed))
        raise InvalidRequest(
            f"Invalid value: {kind!r}. Supported values are: {known}.", param=f"{path}.type", code="invalid_value"
        )
    marked, detail = part.get("prompt_cache_breakpoint"), part.get("detail")
    match part:
        case {"type": "input_text" | "output_text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return Said(text, marked, path)
        case {"type": "input_image", "image_url": str(url)}:
            return image(url, path, detail, marked)
        case {"type": "input_image", "file_id": str(id_)}:
            return Media("input_image", path, file_id=id_, detail=detail, breakpoint=marked)
        case {"type": "input_file", "file_data": str(data)}:
            return _file(part, path, data, marked)
        case {"type": "input_file", "file_url": str(url)}:
            return Media("input_file", path, url=url, filename=part.get("filename"), detail=detail, breakpoint=marked)
        case {"type": "input_file", "file_id": str(id_)}:
            name = part.get("filename")
            return Media("input_file", path, file_id=id_, filename=name, detail=detail, breakpoint=marked)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(format_)}}:
            return Media("input_audio", path, media_type=f"audio/{format_}", data=data, breakpoint=marked)
        case _:
            raise unsupported(path, f"this form of {kind!r} is not supported with this model")


def _file(part: Item, path: str, given: str, marked: Any) -> Media:
    """A file in the request: base64, with or without a `data:` in front."""
    filename = part.get("filename")
    media_type, data = _data(given)
    if media_type is None and data is None:
        data = given
    if media_type is None and filename:
        media_type = mimetypes.guess_type(filename)[0]
    if media_type is None and data is not None and data.startswith(_PDF):
        media_type = "application/pdf"
    return Media(
        "input_file",
        path,
        media_type=media_type,
        data=data,
        filename=filename,
        detail=part.get("detail"),
        breakpoint=marked,
    )


def _data(url: str) -> tuple[str | None, str | None]:
    """Type and base64 of a data URL (RFC 2397); (None, None) of any other."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None, None
    return head[5:-7].partition(";")[0] or None, data
