"""The objects among a request's own fields."""

from warren.requests.shapes import (
    FLAG,
    OBJECT,
    TEXT,
    Schema,
    either,
    integer,
    kinds,
    many,
    mapping,
    need,
    one_of,
    shape,
    text,
)

REASONING: Schema = shape(
    effort=one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    summary=one_of("auto", "concise", "detailed"),
    generate_summary=one_of("auto", "concise", "detailed"),
    context=one_of("auto", "current_turn", "all_turns"),
    mode=TEXT,
)
TEXT_FORMAT: Schema = shape(
    format=kinds(
        text=shape(),
        json_object=shape(),
        json_schema=shape(
            name=need(text(1, 64, "^[a-zA-Z0-9_-]+$")),
            schema=need(OBJECT),
            description=TEXT,
            strict=FLAG,
        ),
    ),
    verbosity=one_of("low", "medium", "high"),
)
CONVERSATION: Schema = either(text=TEXT, object=shape(id=need(TEXT)))
METADATA: Schema = mapping(text(most=512), text(most=64), most=16)
INCLUDE: Schema = many(
    one_of(
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
        "reasoning.encrypted_content",
        "message.output_text.logprobs",
    )
)
STREAM_OPTIONS: Schema = shape(include_obfuscation=FLAG)
BACKGROUND_OPTIONS: Schema = shape(completion_window=one_of("soonest", "2h", "8h"), continuation_id=TEXT)
CONTEXT_MANAGEMENT: Schema = many(shape(type=need(one_of("compaction")), compact_threshold=integer(1000)), 1)
_POLICY = shape(mode=need(one_of("score", "block")))
MODERATION: Schema = shape(model=need(TEXT), policy=shape(input=_POLICY, output=_POLICY))
CACHE_OPTIONS: Schema = shape(
    mode=one_of("implicit", "explicit"), ttl=one_of("30m", "12h"), comparison_response_id=TEXT, prewarm=FLAG
)
ACCESS_PROGRAMS: Schema = shape(cyber=one_of("standard", "daybreak_blue", "daybreak_red"))
IMAGE: Schema = shape(context_compression=one_of("auto", "enabled", "disabled"))
