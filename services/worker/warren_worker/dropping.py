"""`drop_params`: what a model cannot take is left out of the request, and told, instead of being refused.

Only where the configuration says so. What the conversation is made of is never left out, nor what decides whose it is.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from warren.errors import InvalidRequest
from warren.responses import Item
from warren_worker.dialect import Call, Conversation
from warren_worker.provider import Endpoint

_KEPT = frozenset({"model", "input", "instructions", "previous_response_id", "conversation"})
_PLACE = re.compile(r"(?P<name>\w+)(?:\[(?P<number>\d+)\]|\.(?P<key>\w+))?")


def call(endpoint: Endpoint, conversation: Conversation) -> tuple[Call, Conversation, tuple[str, ...]]:
    """The call that asks for this, of what conversation, and what had to be left out of the request.

    Raises:
        InvalidRequest: as `Dialect.call`, for what must not be left out.
    """
    asked = conversation.request
    places = {name: list(range(len(value))) for name, value in asked.items() if isinstance(value, list)}
    dropped: list[str] = []
    while True:
        try:
            return endpoint.dialect.call(conversation, endpoint.model), conversation, tuple(dropped)
        except InvalidRequest as refused:
            if not endpoint.drops or refused.code != "unsupported_parameter" or refused.param is None:
                raise
            left = _without(conversation.request, refused.param, places, dropped)
            if left is None:
                raise
            conversation = replace(conversation, request=left)


def _without(request: Mapping[str, Any], param: str, places: dict[str, list[int]], dropped: list[str]) -> Item | None:
    """The request without what this path is in; `places` are where the elements of its lists once stood."""
    place = _PLACE.match(param)
    if place is None or (name := place["name"]) in _KEPT or name not in request:
        return None
    value = request[name]
    if place["number"] is not None and isinstance(value, list):
        at = int(place["number"])
        dropped.append(f"{name}[{places[name].pop(at)}]")
        value = [element for number, element in enumerate(value) if number != at]
    elif place["key"] is not None and isinstance(value, dict):
        dropped.append(f"{name}.{place['key']}")
        value = {key: inner for key, inner in value.items() if key != place["key"]}
    else:
        dropped.append(name)
        value = None
    return {key: inner for key, inner in {**request, name: value}.items() if inner or key != name}
