"""What becomes of each parameter."""

from collections.abc import Mapping

from warren_worker.dialects.converse.vendors import Vendor
from warren_worker.parameters import Treatment

PARAMETERS: dict[str, Treatment] = {
    "instructions": Treatment.TRANSLATED,
    "max_output_tokens": Treatment.TRANSLATED,
    "max_tool_calls": Treatment.OURS,  # limits hosted tools, and there are none
    "temperature": Treatment.TRANSLATED,
    "top_p": Treatment.TRANSLATED,
    "top_logprobs": Treatment.DROPPABLE,
    "presence_penalty": Treatment.DROPPABLE,
    "frequency_penalty": Treatment.DROPPABLE,
    "parallel_tool_calls": Treatment.TRANSLATED,
    "service_tier": Treatment.TRANSLATED,
    "safety_identifier": Treatment.TRANSLATED,
    "user": Treatment.TRANSLATED,
    "prompt_cache_key": Treatment.TRANSLATED,
    "prompt_cache_retention": Treatment.TRANSLATED,
    "prompt_cache_options": Treatment.TRANSLATED,
    "moderation": Treatment.DROPPABLE,
    "prompt": Treatment.REFUSED,
    "truncation": Treatment.OURS,
    "context_management": Treatment.OURS,
    "store": Treatment.OURS,
    "metadata": Treatment.OURS,
    "background": Treatment.OURS,
    "access_programs": Treatment.DROPPABLE,
    "image": Treatment.DROPPABLE,
    "personality": Treatment.DROPPABLE,
    "include:message.output_text.logprobs": Treatment.DROPPABLE,
    "include:reasoning.encrypted_content": Treatment.OURS,
    "text.verbosity": Treatment.DROPPABLE,
    "text.format:json_object": Treatment.OURS,
    "text.format:json_schema": Treatment.TRANSLATED,
    "reasoning.effort": Treatment.TRANSLATED,
    "reasoning.summary": Treatment.TRANSLATED,
    "reasoning.context": Treatment.DROPPABLE,
    "reasoning.mode": Treatment.DROPPABLE,
    "tool_choice:required": Treatment.TRANSLATED,
    "tool_choice:none": Treatment.TRANSLATED,
    "tool_choice:function": Treatment.TRANSLATED,
    "tool_choice:allowed_tools": Treatment.TRANSLATED,
    "tool_choice:hosted": Treatment.DROPPABLE,
    "tools:function": Treatment.TRANSLATED,
    "tools:custom": Treatment.TRANSLATED,
    "tools:namespace": Treatment.TRANSLATED,
    "tools:web_search": Treatment.DROPPABLE,
    "tools:file_search": Treatment.DROPPABLE,
    "tools:code_interpreter": Treatment.DROPPABLE,
    "tools:computer": Treatment.DROPPABLE,
    "tools:image_generation": Treatment.DROPPABLE,
    "tools:mcp": Treatment.DROPPABLE,
    "tools:shell": Treatment.DROPPABLE,
    "tools:local_shell": Treatment.DROPPABLE,
    "tools:apply_patch": Treatment.DROPPABLE,
    "tools:tool_search": Treatment.DROPPABLE,
    "tools:programmatic_tool_calling": Treatment.DROPPABLE,
    "input:input_image": Treatment.TRANSLATED,
    "input:input_file": Treatment.TRANSLATED,
    "input:input_audio": Treatment.TRANSLATED,
}

_CACHING = ("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options")


def column(vendor: Vendor) -> Mapping[str, Treatment]:
    """What becomes of each with the models of this vendor."""
    missing: list[str] = []
    if not vendor.caches:
        missing += _CACHING
    if not vendor.singles:
        missing.append("parallel_tool_calls")
    if vendor.thinks is None:
        missing.append("reasoning.effort")
    return {**PARAMETERS, **dict.fromkeys(missing, Treatment.DROPPABLE)} if missing else PARAMETERS
