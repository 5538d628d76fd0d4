"""Pictures, documents and recordings. They go out as bytes, or are in S3 already."""

import re
from base64 import b64decode
from binascii import Error

from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker.asked.blocks import Media
from warren_worker.asked.unsaid import unsupported

_PICTURES = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_OFFICE = "application/vnd.openxmlformats-officedocument"
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/csv": "csv",
    "application/msword": "doc",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/markdown": "md",
    "text/x-markdown": "md",
    "application/json": "txt",
    "application/xml": "txt",
    "application/yaml": "txt",
    "application/javascript": "txt",
    "application/x-sh": "txt",
}
_VIDEOS = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_AUDIO = {"mpeg": "mp3", "mp3": "mp3", "wav": "wav", "x-wav": "wav", "opus": "opus", "aac": "aac", "flac": "flac",
          "ogg": "ogg", "mp4": "mp4", "m4a": "m4a", "webm": "webm", "pcm": "pcm"}  # fmt: skip
_ENDINGS = {**dict.fromkeys(("jpg", "jpeg"), "image/jpeg"), "png": "image/png", "gif": "image/gif",
            "webp": "image/webp", "pdf": "application/pdf", "csv": "text/csv", "html": "text/html",
            "md": "text/markdown", "txt": "text/plain", "doc": "application/msword",
            "docx": f"{_OFFICE}.wordprocessingml.document", "xls": "application/vnd.ms-excel",
            "xlsx": f"{_OFFICE}.spreadsheetml.sheet", "mp4": "video/mp4", "mov": "video/quicktime",
            "mkv": "video/x-matroska", "webm": "video/webm"}  # fmt: skip
"""What something in S3 is, by its name."""

_UNNAMABLE = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_LONGEST_NAME = 150


class Medley:
    """The media of one request. Each document in it has a name of its own, the same in every request that goes on."""

    def __init__(self) -> None:
        self._documents = 0

    def block(self, given: Media) -> Item:
        """Its block. How closely to look at it (`detail`) nobody can say: the model always sees all of it.

        Raises:
            InvalidRequest: it is of no kind that Bedrock takes; `param` is where it stands.
        """
        where = f"{given.path}.{_FIELDS[given.kind]}"
        kind = _kind(given)
        match given.kind:
            case "input_image" if kind in _PICTURES:
                return {"image": {"format": _PICTURES[kind], "source": _source(given, where)}}
            case "input_image":
                raise unsupported(where, f"pictures of type {kind or 'unknown'!r} are not supported with this model")
            case "input_audio":
                return {"audio": {"format": _audio(kind, where), "source": _source(given, where)}}
            case "input_file" if kind in _VIDEOS:
                return {"video": {"format": _VIDEOS[kind], "source": _source(given, where)}}
            case "input_file" if kind in _PICTURES:
                return {"image": {"format": _PICTURES[kind], "source": _source(given, where)}}
            case _:
                return self._document(given, kind, where)

    def _document(self, given: Media, kind: str, where: str) -> Item:
        format_ = _DOCUMENTS.get(kind) or ("txt" if kind.startswith("text/") else None)
        if format_ is None:
            raise unsupported(where, f"files of type {kind or 'unknown'!r} are not supported with this model")
        self._documents += 1
        return {
            "document": {"format": format_, "name": self._name(given.filename), "source": _source(given, where)},
        }

    def _name(self, filename: str | None) -> str:
        """No two may be the same, and the letters are few."""
        stem = _UNNAMABLE.sub(" ", (filename or "document").rpartition(".")[0] or filename or "document")
        return f"{stem[:_LONGEST_NAME].strip() or 'document'} {self._documents}"


_FIELDS = {"input_image": "image_url", "input_file": "file_data", "input_audio": "input_audio"}


def _kind(given: Media) -> str:
    if given.media_type is not None:
        return given.media_type.lower()
    return _ENDINGS.get((given.filename or given.url or "").rpartition(".")[2].lower(), "")


def _audio(kind: str, where: str) -> str:
    format_ = _AUDIO.get(kind.removeprefix("audio/"))
    if format_ is None:
        raise unsupported(f"{where}.format", "this format is not supported with this model")
    return format_


def _source(given: Media, where: str) -> Item:
    if given.url is not None and given.url.startswith("s3://"):
        return {"s3Location": {"uri": given.url}}
    if given.data is None:
        raise unsupported(where, "this model takes bytes, or what is in S3")
    data = "".join(given.data.split())
    try:
        b64decode(data, validate=True)
    except (Error, ValueError):
        raise InvalidRequest(f"Invalid '{where}': this is no base64.", param=where, code="invalid_value") from None
    return {"bytes": data}
