"""What a chat server does with each parameter of a request, if nothing else is said of it."""

from warren_worker.parameters import NAMES, Treatment

PARAMETERS: dict[str, Treatment] = dict.fromkeys(NAMES, Treatment.DROPPABLE) | {
    **dict.fromkeys(
        (
            "temperature",
            "top_p",
            "presence_penalty",
            "frequency_penalty",
            "parallel_tool_calls",
            "service_tier",
            "safety_identifier",
            "user",
            "prompt_cache_key",
            "prompt_cache_retention",
            "tool_choice:required",
            "tool_choice:none",
        ),
        Treatment.NATIVE,
    ),
    **dict.fromkeys(
        (
            "instructions",
            "max_output_tokens",
            "top_logprobs",
            "include:message.output_text.logprobs",
            "text.verbosity",
            "text.format:json_object",
            "text.format:json_schema",
            "reasoning.effort",
            "tool_choice:function",
            "tool_choice:allowed_tools",
            "tools:function",
            "tools:custom",
            "tools:namespace",
            "input:input_image",
            "input:input_file",
            "input:input_audio",
        ),
        Treatment.TRANSLATED,
    ),
    **dict.fromkeys(
        (
            "max_tool_calls",
            "truncation",
            "context_management",
            "store",
            "metadata",
            "background",
            "include:reasoning.encrypted_content",
            "reasoning.summary",
        ),
        Treatment.OURS,
    ),
}
