"""Pictures and documents."""

import binascii
from base64 import b64decode

from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker.asked.blocks import Media
from warren_worker.asked.unsaid import unsupported

_PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"
_TEXTS = ("application/json", "application/xml", "application/yaml", "application/javascript", "application/x-sh")


def media(given: Media) -> Item:
    """Its block. How closely to look at it (`detail`) nobody can say: the model always sees all of it."""
    match given.kind:
        case "input_image":
            return {"type": "image", "source": _picture(given)}
        case "input_file":
            named = {"title": given.filename} if given.filename else {}
            return {"type": "document", "source": _document(given), **named}
        case _:
            raise unsupported(given.path, f"{given.kind!r} is not supported with this model")


def _picture(given: Media) -> Item:
    if given.data is None:
        return _elsewhere(given)
    kind = "image/jpeg" if given.media_type == "image/jpg" else given.media_type
    if kind not in _PICTURES:
        raise unsupported(f"{given.path}.image_url", f"this model takes {', '.join(_PICTURES)} only")
    return {"type": "base64", "media_type": kind, "data": given.data}


def _document(given: Media) -> Item:
    """A PDF, or else text."""
    if given.data is None:
        return _elsewhere(given)
    kind = given.media_type or ""
    if kind == _PDF:
        return {"type": "base64", "media_type": kind, "data": given.data}
    if kind.startswith("text/") or kind in _TEXTS:
        return {"type": "text", "media_type": "text/plain", "data": _text(given)}
    raise unsupported(f"{given.path}.file_data", f"files of type {kind or 'unknown'!r} are not supported by this model")


def _elsewhere(given: Media) -> Item:
    if given.url is not None:
        return {"type": "url", "url": given.url}
    return {"type": "file", "file_id": given.file_id}


def _text(given: Media) -> str:
    try:
        return b64decode(given.data or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        where = f"{given.path}.file_data"
        raise InvalidRequest(f"Invalid '{where}': this is no base64 of UTF-8 text.", param=where) from None
