"""The body of a request."""

from collections.abc import Mapping
from typing import Any

from warren.objects import Item
from warren_worker.asked.dialogue import dialogue
from warren_worker.asked.unsaid import unsupported
from warren_worker.dialect import Conversation
from warren_worker.dialects.messages.caching import caching
from warren_worker.dialects.messages.output import output
from warren_worker.dialects.messages.thinking import thinking
from warren_worker.dialects.messages.tools import toolbox
from warren_worker.dialects.messages.turns import runs_without_thoughts, told
from warren_worker.facts import Facts

_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only"}
"""`auto` is the priority tier as far as the account has any; the answer says which it was."""
_LEAST_TOP_P = 0.95
_NOT_COUNTED = ("max_tokens", "temperature", "top_p", "metadata", "service_tier")


def asked(conversation: Conversation, facts: Facts) -> tuple[Item, Item | None]:
    """The body, without what depends on who is asked; and a schema that the answer is to be checked against.

    Raises:
        InvalidRequest: it cannot say what the request holds.
    """
    request = conversation.request
    given = dialogue(conversation)
    form = output(request, facts)
    tools = toolbox(request, given.turns, facts)
    system, messages = told(given, form.instructions, facts, caching(request))
    thought = thinking(request, facts, forced=tools.forced, begun=not runs_without_thoughts(messages))
    config = {**form.config, **({"effort": thought.effort} if thought.effort is not None else {})}
    body: Item = {"max_tokens": thought.max_tokens}
    if system:
        body["system"] = system
    body["messages"] = messages
    body |= tools.body
    if thought.config is not None:
        body["thinking"] = thought.config
    if config:
        body["output_config"] = config
    return body | _sampling(request, facts, thinks=thought.on) | _account(request), form.schema


def counted(body: Item) -> Item:
    """What of a body can be counted."""
    return {name: value for name, value in body.items() if name not in _NOT_COUNTED}


def _sampling(request: Mapping[str, Any], facts: Facts, *, thinks: bool) -> Item:
    """1 happens anyway, and Claude refuses to be told more than it takes. Another's model is told all: it knows."""
    given = {name: request[name] for name in ("temperature", "top_p") if request.get(name) is not None}
    if facts.sampling is None:
        return given
    made = {name: value for name, value in given.items() if value != 1}
    for name in made if facts.sampling == "none" else ():
        raise unsupported(name)
    if made.get("temperature", 0) > 1:
        raise unsupported("temperature", "more than 1 is not supported with this model")
    if thinks and "temperature" in made:
        raise unsupported("temperature", "this model takes none while it reasons")
    if thinks and made.get("top_p", 1) < _LEAST_TOP_P:
        raise unsupported("top_p", f"this model takes no less than {_LEAST_TOP_P} while it reasons")
    if len(made) > 1 and facts.sampling == "either":
        raise unsupported("top_p", "this model does not take it together with 'temperature'")
    return made


def _account(request: Mapping[str, Any]) -> Item:
    """Who asks, and how urgently."""
    made: Item = {}
    if user := request.get("safety_identifier") or request.get("user"):
        made["metadata"] = {"user_id": user}
    if (tier := request.get("service_tier")) is not None:
        if tier not in _TIERS:
            raise unsupported("service_tier", f"{tier!r} is not supported with this model")
        made["service_tier"] = _TIERS[tier]
    return made
