"""Reasoning that must be shown again as it was: as Converse has it, and as it is kept.

Claude's is kept as Anthropic writes it, for it is good wherever Claude is. Of others it is kept only if there is
something to it that they alone can read, and for their own models.
"""

from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from typing import Any

from warren.objects import Item
from warren_worker.asked.blocks import Thought

CLAUDE = "anthropic"
BY = "bedrock"


def kept(vendor: str, text: str, signature: str, redacted: str) -> Item | None:
    """What of a block of reasoning is to be kept; None if it is only text."""
    if vendor == CLAUDE:
        if redacted:
            return {"by": CLAUDE, "block": {"type": "redacted_thinking", "data": redacted}}
        return (
            {"by": CLAUDE, "block": {"type": "thinking", "thinking": text, "signature": signature}}
            if signature
            else None
        )
    if redacted:
        return {"by": BY, "vendor": vendor, "block": {"redactedContent": redacted}}
    block = {"reasoningText": {"text": text, "signature": signature}}
    return {"by": BY, "vendor": vendor, "block": block} if signature else None


def shown(vendor: str, thought: Thought) -> Iterator[Item]:
    """The blocks that show this vendor's model what it thought; nothing of what others did."""
    for data in thought.kept:
        match data:
            case {"by": "anthropic", "block": dict(block)} if vendor == CLAUDE:
                yield from _claude(block)
            case {"by": "bedrock", "vendor": str(whose), "block": dict(block)} if whose == vendor:
                yield {"reasoningContent": dict(block)}


def _claude(block: Item) -> Iterator[Item]:
    match block:
        case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
            yield {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
        case {"type": "redacted_thinking", "data": str(data)} if _is_base64(data):
            yield {"reasoningContent": {"redactedContent": data}}


def _is_base64(data: Any) -> bool:
    try:
        b64decode(data, validate=True)
    except (Error, ValueError):
        return False
    return True
