"""The Responses API's objects, as far as Warren acts on them. Unknown fields are kept as they came."""

from typing import Any

Item = dict[str, Any]
"""An input or output item in its JSON form."""

TERMINAL = frozenset({"completed", "incomplete", "failed", "cancelled"})

PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "compaction": "cmp",
    "web_search_call": "ws",
    "file_search_call": "fs",
    "code_interpreter_call": "ci",
    "image_generation_call": "ig",
    "computer_call": "cu",
    "computer_call_output": "cuo",
    "local_shell_call": "lsh",
    "local_shell_call_output": "lsho",
    "shell_call": "sh",
    "shell_call_output": "sho",
    "apply_patch_call": "apc",
    "apply_patch_call_output": "apco",
    "tool_search_call": "tsc",
    "tool_search_output": "tso",
    "program": "cm",
    "program_output": "cmo",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcpl",
    "mcp_approval_request": "mcpr",
    "mcp_approval_response": "mcpa",
}
"""What the ids of items begin with, by type."""
OTHER_PREFIX = "item"


def blank(request: Item, *, response_id: str, created_at: float, status: str = "in_progress") -> Item:
    """The response object before anything has happened: every key of the API, and true echoes of the request.

    What was not asked for is echoed as what holds then. Secrets of tools are not echoed at all.
    """
    given = _given(request)
    response: Item = {
        "id": response_id,
        "object": "response",
        "created_at": int(created_at),
        "completed_at": None,
        "status": status,
        "background": given.get("background", False),
        "conversation": _conversation(given.get("conversation")),
        "error": None,
        "incomplete_details": None,
        "instructions": given.get("instructions"),
        "max_output_tokens": given.get("max_output_tokens"),
        "max_tool_calls": given.get("max_tool_calls"),
        "metadata": given.get("metadata", {}),
        "model": given["model"],
        "output": [],
        "parallel_tool_calls": given.get("parallel_tool_calls", True),
        "presence_penalty": given.get("presence_penalty", 0),
        "frequency_penalty": given.get("frequency_penalty", 0),
        "previous_response_id": given.get("previous_response_id"),
        "prompt_cache_key": given.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None} | _given(given.get("reasoning", {})),
        "safety_identifier": given.get("safety_identifier"),
        "service_tier": given.get("service_tier", "auto"),
        "store": given.get("store", True),
        "temperature": given.get("temperature", 1),
        "text": _text(_given(given.get("text", {}))),
        "tool_choice": given.get("tool_choice", "auto"),
        "tools": [_tool(tool) for tool in given.get("tools", [])],
        "top_logprobs": given.get("top_logprobs", 0),
        "top_p": given.get("top_p", 1),
        "truncation": given.get("truncation", "disabled"),
        "usage": None,
    }
    response |= {name: given[name] for name in _ONLY_IF_GIVEN & given.keys()}
    if (given.get("image") or {}).get("context_compression") in ("enabled", "disabled"):
        response["image"] = given["image"]  # what `auto` comes to only the provider knows
    if (cache := given.get("prompt_cache_options")) is not None:
        kept = {name: cache[name] for name in ("mode", "ttl", "comparison_response_id") if cache.get(name) is not None}
        response["prompt_cache_options"] = {"mode": "implicit", "ttl": "30m"} | kept
    if (retention := given.get("prompt_cache_retention")) is not None:
        response["prompt_cache_retention"] = retention.replace("-", "_")  # older clients say `in-memory`
    return response


_ONLY_IF_GIVEN = frozenset({"access_programs", "prompt", "user"})  # the API never sends these as null
_TOOL_DEFAULTS: dict[Any, Item] = {
    "function": {"description": None, "parameters": None, "strict": True},
    "custom": {"description": None, "format": {"type": "text"}},
    "web_search": {"filters": None, "search_context_size": "medium", "user_location": None},
    "web_search_preview": {"search_context_size": "medium", "user_location": None},
    "mcp": {"allowed_tools": None, "require_approval": "always"},
}


def _given(values: Item) -> Item:
    """Null means the default."""
    return {key: value for key, value in values.items() if value is not None}


def _conversation(given: str | Item | None) -> Item | None:
    return {"id": given} if isinstance(given, str) else given


def _text(given: Item) -> Item:
    wanted: Item = given.get("format", {"type": "text"})
    if wanted.get("type") == "json_schema":
        wanted = {"description": None, "strict": False, **wanted}
    return {"verbosity": "medium", **given, "format": wanted}


def _tool(tool: Item) -> Item:
    shown = _TOOL_DEFAULTS.get(tool.get("type"), {}) | tool
    match tool:
        case {"type": "mcp"}:
            shown.pop("authorization", None)
            shown["headers"] = None
        case {"type": "code_interpreter", "container": {"network_policy": {"domain_secrets": _} as policy} as box}:
            shown["container"] = {**box, "network_policy": _without_secrets(policy)}
        case {"type": "namespace", "tools": list(inner)}:
            shown["tools"] = [_tool(one) for one in inner]
        case {"type": "shell", "environment": {"network_policy": {"domain_secrets": _} as policy} as box}:
            shown["environment"] = {**box, "network_policy": _without_secrets(policy)}
    return shown


def _without_secrets(policy: Item) -> Item:
    return {name: value for name, value in policy.items() if name != "domain_secrets"}


def items(given: str | list[Item] | None) -> list[Item]:
    """A request's input as items."""
    if given is None:
        return []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return given
