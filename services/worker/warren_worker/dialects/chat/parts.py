"""What is said as the content of a message, and what tools gave back."""

from collections.abc import Iterable

from warren.objects import Item
from warren_worker.asked.blocks import Media, Result, Said, unmarked
from warren_worker.asked.unsaid import unsupported


def content(said: Iterable[Said | Media], *, caches: bool = False) -> str | list[Item]:
    """Text alone stays text: servers that know no parts understand it, and no parts at all many refuse."""
    made = [_part(block, caches=caches) for block in said]
    match made:
        case []:
            return ""
        case [{"type": "text", "text": str(text), **more}] if not more:
            return text
        case _:
            return made


def output(result: Result, call_id: str, *, caches: bool = False) -> tuple[Item, Item | None]:
    """A tool's result. It can be text only; what else it holds a user must show."""
    texts = [block for block in result.content if isinstance(block, Said)]
    parts = [_part(block, caches=caches) for block in texts]
    marked = any("cache_control" in part for part in parts)
    others = [_part(block, caches=caches) for block in result.content if isinstance(block, Media)]
    said = parts if marked else "".join(block.text for block in texts)
    message: Item = {"role": "tool", "tool_call_id": call_id, "content": said}
    if not others:
        return message, None
    message["content"] = message["content"] or "The output follows in a message of the user's."
    lead = {"type": "text", "text": f"The output of tool call {result.call_id}:"}
    return message, {"role": "user", "content": [lead, *others]}


def _part(block: Said | Media, *, caches: bool) -> Item:
    made: Item = {"type": "text", "text": block.text} if isinstance(block, Said) else _media(block)
    if block.breakpoint is not None and caches:
        made["cache_control"] = {"type": "ephemeral"}
    elif block.breakpoint is not None:
        unmarked(block.path)
    return made


def _media(media: Media) -> Item:
    match media:
        case Media("input_image", file_id=None):
            shown = "high" if media.detail == "original" else media.detail or "auto"
            return {"type": "image_url", "image_url": {"url": media.url or _data_url(media), "detail": shown}}
        case Media("input_file", url=None):
            if media.detail not in (None, "auto"):
                raise unsupported(f"{media.path}.detail")
            if media.file_id is not None:
                return {"type": "file", "file": {"file_id": media.file_id}}
            return {"type": "file", "file": {"filename": media.filename or "file", "file_data": _data_url(media)}}
        case Media("input_audio", data=str(data), media_type=str(kind)):
            return {"type": "input_audio", "input_audio": {"data": data, "format": kind.removeprefix("audio/")}}
        case _:
            raise unsupported(media.path, f"this form of {media.kind!r} is not supported with this model")


def _data_url(media: Media) -> str:
    """Bytes whose type nobody knows stay bare."""
    return f"data:{media.media_type};base64,{media.data}" if media.media_type else str(media.data)
