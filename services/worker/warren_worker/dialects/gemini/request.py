"""The body of a call."""

from collections.abc import Mapping
from typing import Any

from warren.objects import Item
from warren_worker.asked.dialogue import dialogue
from warren_worker.asked.form import Form, form, in_words
from warren_worker.asked.unsaid import unsupported
from warren_worker.dialect import Conversation
from warren_worker.dialects.gemini.contents import contents
from warren_worker.dialects.gemini.generation import generation
from warren_worker.dialects.gemini.manner import Manner
from warren_worker.dialects.gemini.tools import toolbox

_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}


def asked(conversation: Conversation, manner: Manner) -> tuple[Item, Item | None]:
    """The body, and the schema that the answer must be checked against if the model cannot be held to it."""
    request = conversation.request
    said = dialogue(conversation, marks=False)
    box = toolbox(request, manner)
    wanted = form(request)
    held = wanted is not None and manner.facts.schemas is not False
    if wanted is not None and held and box and not manner.combines:
        raise unsupported("text.format", "structured output together with tools is not supported with this model")
    words = [in_words(request, wanted)] if wanted is not None and not held else []
    system = [{"text": text} for text in (*(one.text for one in said.system), *words)]
    settings = generation(request, manner.facts, wanted if held else None)
    body: Item = {
        "contents": contents(said.turns, manner),
        **({"systemInstruction": {"parts": system}} if system else {}),
        **box,
        **({"generationConfig": settings} if settings else {}),
        **_tier(request),
    }
    return body, _checked(wanted) if words else None


def _checked(wanted: Form | None) -> Item | None:
    return wanted.schema if wanted is not None else None


def _tier(request: Mapping[str, Any]) -> Item:
    tier = request.get("service_tier")
    if tier in (None, "auto"):
        return {}
    if tier not in _TIERS:
        raise unsupported("service_tier", f"{tier!r} is not supported with this model")
    return {"serviceTier": _TIERS[tier]}
