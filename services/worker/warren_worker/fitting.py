"""Conversations that are too long for a model: refused, cut in the middle, or summarised."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from warren import ids, objects
from warren.errors import ContextLengthExceeded, UpstreamError
from warren.objects import Item
from warren_worker.assembler import Assembler
from warren_worker.conversation import compaction_item, shortened, summary_request, tokens
from warren_worker.dialect import Conversation
from warren_worker.exchange import Calls, text
from warren_worker.provider import Endpoint

_SHARES = (0.75, 0.5, 0.3, 0.2, 0.1, 0.05, 0.0)
"""What is tried to be left of a conversation that a provider finds too long."""
_FULL = 0.8
"""Of what a model takes: where to compact if the request does not say."""


def fitted(endpoint: Endpoint, conversation: Conversation) -> Conversation:
    """The conversation, within what the deployment is known to take.

    Raises:
        ContextLengthExceeded: it is too long, and may or can not be cut.
    """
    most = endpoint.most_input
    if most is None or conversation.upstream_previous is not None:
        return conversation
    count = tokens(conversation.request, conversation.items)
    if count <= most:
        return conversation
    if conversation.request.get("truncation") == "auto":
        for shorter in shorter_ones(conversation):
            if tokens(shorter.request, shorter.items) <= most:
                return shorter
    raise ContextLengthExceeded(
        "Your input exceeds the context window of this model. Please adjust your input and try again.", param="input"
    )


def overridden(conversation: Conversation, overrides: Mapping[str, Any]) -> Conversation:
    """The conversation, with these fields of the request in place of its own; null takes one out."""
    if not overrides:
        return conversation
    request = {**conversation.request, **overrides}
    request = {name: value for name, value in request.items() if value is not None or name not in overrides}
    own = len(objects.items(conversation.request.get("input")))
    before = conversation.items[: len(conversation.items) - own]
    items = [*before, *objects.items(request.get("input"))] if "input" in overrides else conversation.items
    return replace(conversation, request=request, items=items)


def shorter_ones(conversation: Conversation) -> Iterator[Conversation]:
    """The conversation with more and more left out, each time something is."""
    length = len(conversation.items)
    for share in _SHARES:
        items = shortened(conversation.items, share)
        if items is None:
            return
        if len(items) < length:
            length = len(items)
            yield replace(conversation, items=items)


def turn(conversation: Conversation) -> int:
    """Where what is asked now begins; 0 if there is nothing before it.

    With all in the input that is the last thing that the user says, or else what tools gave back at the end.
    """
    items = conversation.items
    own = len(objects.items(conversation.request.get("input")))
    if own < len(items):
        return len(items) - own
    asked = [at for at, item in enumerate(items) if item.get("role") == "user"]
    if asked and asked[-1] > 0:
        return asked[-1]
    at = len(items)
    while at and str(items[at - 1].get("type")).endswith("_output"):
        at -= 1
    return at if at < len(items) else 0


def threshold(endpoint: Endpoint, request: Mapping[str, Any]) -> int | None:
    """Tokens from which on we compact; None where that is not asked for, or the provider's own affair."""
    if endpoint.dialect.compacts:
        return None
    for rule in request.get("context_management") or ():
        if rule.get("type") == "compaction":
            most = endpoint.max_input_tokens
            given: int | None = rule.get("compact_threshold")
            return given if given is not None or most is None else int(most * _FULL)
    return None


async def summarised(
    calls: Calls, endpoint: Endpoint, conversation: Conversation, seal: Callable[[bytes], str]
) -> tuple[Item, Assembler]:
    """A compaction item that stands for this conversation, and the answer that it was made of."""
    refused: ContextLengthExceeded | None = None
    for told in (conversation, *shorter_ones(conversation)):
        asked = {**summary_request(told.request, told.items), "model": conversation.request.get("model", "")}
        blank = objects.blank(asked, response_id="", created_at=0)
        assembler = Assembler(blank, request=asked)
        try:
            await calls.ask(endpoint, Conversation(asked, asked["input"]), assembler)
        except ContextLengthExceeded as error:
            refused = error
            continue
        if summary := text(assembler.response):
            return compaction_item(summary, seal, ids.new), assembler
        raise UpstreamError("The provider gave no summary of the conversation.")
    assert refused is not None
    raise refused
