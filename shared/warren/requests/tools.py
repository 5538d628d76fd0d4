"""The tools a request may offer to its model, and how it may choose among them."""

from warren.requests.shapes import (
    FLAG,
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
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
    with_any,
)

_NAME = text(1, 128, "^[a-zA-Z0-9_-]+$")
_CALLERS = many(one_of("direct", "programmatic"))
_CONTEXT = one_of("low", "medium", "high")
_PLACE = shape(type=one_of("approximate"), city=TEXT, country=TEXT, region=TEXT, timezone=TEXT)
_EFFORT = one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")

_NETWORK = kinds(
    disabled=shape(),
    allowlist=shape(
        allowed_domains=need(TEXTS),
        domain_secrets=many(shape(domain=need(TEXT), name=need(TEXT), value=need(TEXT))),
    ),
)
_SKILL = kinds(
    skill_reference=shape(skill_id=need(TEXT), version=TEXT),
    inline=shape(
        name=need(TEXT),
        description=need(TEXT),
        source=need(shape(type=one_of("base64"), data=need(TEXT), media_type=TEXT)),
    ),
)
_MEMORY = one_of("1g", "4g", "16g", "64g")
ENVIRONMENT = kinds(
    container_auto=shape(file_ids=TEXTS, memory_limit=_MEMORY, network_policy=_NETWORK, skills=many(_SKILL)),
    local=shape(skills=many(shape(name=need(TEXT), description=need(TEXT), path=need(TEXT)))),
    container_reference=shape(container_id=need(TEXT)),
)

_FUNCTION = shape(
    name=need(_NAME),
    description=TEXT,
    parameters=OBJECT,
    strict=FLAG,
    output_schema=OBJECT,
    defer_loading=FLAG,
    allowed_callers=_CALLERS,
    **{"async": FLAG},
)
_CUSTOM = shape(
    name=need(_NAME),
    description=TEXT,
    format=kinds(
        text=shape(),
        grammar=shape(syntax=need(one_of("lark", "regex")), definition=need(TEXT)),
    ),
    defer_loading=FLAG,
    allowed_callers=_CALLERS,
    **{"async": FLAG},
)
_WEB_SEARCH = shape(
    filters=shape(allowed_domains=TEXTS, blocked_domains=TEXTS),
    user_location=_PLACE,
    search_context_size=_CONTEXT,
    external_web_access=FLAG,
    search_content_types=many(one_of("text", "image")),
)
_WEB_SEARCH_PREVIEW = shape(
    user_location=_PLACE,
    search_context_size=_CONTEXT,
    search_content_types=many(one_of("text", "image")),
)
_FILE_SEARCH = shape(
    vector_store_ids=need(TEXTS),
    max_num_results=integer(1, 50),
    filters=OBJECT,  # comparisons, nested as deep as one likes: their reader is the provider
    ranking_options=shape(
        ranker=TEXT,
        score_threshold=NUMBER,
        hybrid_search=shape(embedding_weight=need(NUMBER), text_weight=need(NUMBER)),
    ),
)
_SOME = shape(read_only=FLAG, tool_names=TEXTS)
_MCP = with_any(
    shape(
        server_label=need(TEXT),
        server_url=TEXT,
        connector_id=TEXT,
        tunnel_id=TEXT,
        server_description=TEXT,
        authorization=TEXT,
        headers=mapping(TEXT),
        allowed_tools=either(array=TEXTS, object=_SOME),
        require_approval=either(text=one_of("always", "never"), object=shape(always=_SOME, never=_SOME)),
        allowed_callers=_CALLERS,
        defer_loading=FLAG,
    ),
    "server_url",
    "connector_id",
    "tunnel_id",
)
_CODE = shape(
    container=need(
        either(
            text=TEXT,
            object=shape(type=one_of("auto"), file_ids=TEXTS, memory_limit=_MEMORY, network_policy=_NETWORK),
        )
    ),
    allowed_callers=_CALLERS,
)
_IMAGE = shape(
    action=one_of("generate", "edit", "auto"),
    background=one_of("transparent", "opaque", "auto"),
    complexity=_CONTEXT,
    frame_count=INTEGER,
    frame_duration_ms=INTEGER,
    input_fidelity=one_of("high", "low"),
    input_image_mask=shape(file_id=TEXT, image_url=TEXT),
    model=TEXT,
    moderation=one_of("auto", "low"),
    output_compression=integer(0, 100),
    output_format=one_of("png", "webp", "jpeg", "gif", "svg"),
    partial_images=integer(0, 3),
    quality=one_of("low", "medium", "high", "xhigh", "max", "auto"),
    size=TEXT,
    svg=shape(model=TEXT, reasoning=shape(effort=_EFFORT)),
)
_NAMESPACE = shape(
    name=need(TEXT),
    description=need(TEXT),
    tools=need(many(kinds(function=_FUNCTION, custom=_CUSTOM), 1)),
)

TABLE: dict[str, Schema] = {
    "function": _FUNCTION,
    "custom": _CUSTOM,
    "web_search": _WEB_SEARCH,
    "web_search_2025_08_26": _WEB_SEARCH,
    "web_search_preview": _WEB_SEARCH_PREVIEW,
    "web_search_preview_2025_03_11": _WEB_SEARCH_PREVIEW,
    "file_search": _FILE_SEARCH,
    "code_interpreter": _CODE,
    "mcp": _MCP,
    "image_generation": _IMAGE,
    "computer": shape(),
    "computer_use_preview": shape(
        display_height=need(INTEGER),
        display_width=need(INTEGER),
        environment=need(one_of("windows", "mac", "linux", "ubuntu", "browser")),
    ),
    "local_shell": shape(),
    "shell": shape(environment=ENVIRONMENT, allowed_callers=_CALLERS),
    "apply_patch": shape(allowed_callers=_CALLERS),
    "namespace": _NAMESPACE,
    "tool_search": shape(description=TEXT, execution=one_of("server", "client"), parameters=OBJECT),
    "programmatic_tool_calling": shape(),
}
TOOLS = many(kinds(**TABLE))

_HOSTED = (
    "file_search",
    "web_search",  # not in OpenAI's reference, but sent by its Agents SDK
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "computer",
    "computer_use",
    "computer_use_preview",
    "image_generation",
    "code_interpreter",
    "programmatic_tool_calling",
    "apply_patch",
    "shell",
)
_CHOICES: dict[str, Schema] = {
    "function": shape(name=need(TEXT)),
    "custom": shape(name=need(TEXT)),
    "mcp": shape(server_label=need(TEXT), name=TEXT),
    "allowed_tools": shape(mode=need(one_of("auto", "required")), tools=need(many(OBJECT, 1))),
    **{name: shape() for name in _HOSTED},
}
CHOICE = either(text=one_of("none", "auto", "required"), object=kinds(**_CHOICES))
