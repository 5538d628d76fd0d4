"""Pictures, documents and recordings."""

import mimetypes
from urllib.parse import urlsplit

from warren.objects import Item
from warren_worker.asked.blocks import Media
from warren_worker.asked.unsaid import unsupported
from warren_worker.dialects.gemini.manner import Manner

_FILES = "https://generativelanguage.googleapis.com/v1beta/"
"""What names from the Files API are below of."""
_VIDEOS = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})
_RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH", "original": "MEDIA_RESOLUTION_HIGH"}


def reached(url: str) -> bool:
    """Whether Google itself gets what is at this URL, and nobody else can."""
    return url.startswith(("gs://", _FILES)) or _host(url) in _VIDEOS


def part(media: Media, manner: Manner) -> Item:
    """The part of a turn that shows this."""
    made = data(media, manner)
    if manner.combines and (resolution := _RESOLUTIONS.get(media.detail or "")) is not None:
        made["mediaResolution"] = {"level": resolution}
    return made


def data(media: Media, manner: Manner) -> Item:
    """The same, without how closely it is to be looked at: as a function may give it back, too."""
    if media.data is not None:
        if media.media_type is None:
            raise unsupported(media.path, "its media type must be known: give a data URL, or a filename")
        return {"inlineData": {"mimeType": media.media_type, "data": media.data}}
    uri = media.url if media.url is not None else _named(media, manner)
    kind = _kind(uri, media.filename)
    if kind is None and manner.vertex:
        raise unsupported(media.path, "its media type must be known: give a filename")
    return {"fileData": {"fileUri": uri, **({"mimeType": kind} if kind is not None else {})}}


def _named(media: Media, manner: Manner) -> str:
    """The URI of a file that was uploaded to Google before."""
    name = media.file_id or ""
    if "://" in name:
        return name
    if name.startswith("files/") and not manner.vertex:
        return _FILES + name
    raise unsupported(f"{media.path}.file_id", "only files that are at Google are supported with this model")


def _kind(uri: str, filename: str | None) -> str | None:
    if _host(uri) in _VIDEOS:
        return "video/mp4"
    return mimetypes.guess_type(filename or uri.partition("?")[0])[0]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
