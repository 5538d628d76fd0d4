"""What an input may hold: messages, calls and their results, and every item that a response ever held.

Clients send back what they were given, often with ids and states taken away or null, so these are never needed.
Only what an item means nothing without is.
"""

from typing import Any

from warren.requests import extras
from warren.requests.fields import REASONING, TEXT_FORMAT
from warren.requests.parts import LONG, MESSAGE, PART, RESULT, STATUS
from warren.requests.shapes import (
    ANY,
    FLAG,
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    Schema,
    chosen,
    either,
    kinds,
    many,
    mapping,
    need,
    nullable,
    of_type,
    one_of,
    shape,
    text,
)
from warren.requests.tools import ENVIRONMENT, TOOLS

CALL_ID = text(1, 1024)  # 64 at OpenAI; but the ids that other providers make are shown as they are, and come back
_CALLER = kinds(direct=shape(), program=shape(caller_id=need(TEXT)))

_AT = {"x": need(INTEGER), "y": need(INTEGER)}
_ACTION = kinds(
    click=shape(button=need(one_of("left", "right", "wheel", "back", "forward")), keys=TEXTS, **_AT),
    double_click=shape(keys=TEXTS, **_AT),
    drag=shape(path=need(many(shape(**_AT))), keys=TEXTS),
    keypress=shape(keys=need(TEXTS)),
    move=shape(keys=TEXTS, **_AT),
    screenshot=shape(),
    scroll=shape(scroll_x=need(INTEGER), scroll_y=need(INTEGER), keys=TEXTS, **_AT),
    type=shape(text=need(TEXT)),
    wait=shape(),
)
_SAFETY = many(shape(id=need(TEXT), code=TEXT, message=TEXT))
_FAILED = shape(
    type=TEXT,
    code=TEXT,
    message=TEXT,
    param=TEXT,
    moderation_details=shape(categories=TEXTS, moderation_stage=one_of("input", "output", "unknown")),
)


def _item(**fields: Any) -> Schema:
    """An item of a type of its own: all have an id, and the name of who made them."""
    return shape(id=TEXT, created_by=TEXT, **fields)


TABLE: dict[str, Schema] = {
    "message": MESSAGE,
    "item_reference": shape(id=need(TEXT)),
    "reasoning": _item(
        summary=need(many(shape(type=one_of("summary_text"), text=need(TEXT)))),
        content=many(shape(type=one_of("reasoning_text"), text=need(TEXT))),
        encrypted_content=TEXT,
        status=STATUS,
    ),
    "function_call": _item(
        call_id=need(CALL_ID),
        name=need(TEXT),
        arguments=need(LONG),
        status=STATUS,
        namespace=TEXT,
        caller=_CALLER,
        **{"async": FLAG, **dict.fromkeys(extras.ITEMS["function_call"], ANY)},
    ),
    "function_call_output": _item(
        call_id=need(nullable(CALL_ID)),  # OpenAI's own tools have none
        output=need(RESULT),
        name=TEXT,
        namespace=TEXT,
        status=STATUS,
        caller=_CALLER,
    ),
    "custom_tool_call": _item(
        call_id=need(CALL_ID),
        name=need(TEXT),
        input=need(LONG),
        status=STATUS,
        namespace=TEXT,
        caller=_CALLER,
        **{"async": FLAG},
    ),
    "custom_tool_call_output": _item(call_id=need(CALL_ID), output=need(RESULT), status=STATUS, caller=_CALLER),
    "web_search_call": _item(
        action=kinds(
            search=shape(
                query=TEXT,
                queries=TEXTS,
                sources=many(shape(type=one_of("url", "api"), url=TEXT, name=TEXT)),
            ),
            open_page=shape(url=TEXT),
            find_in_page=shape(url=TEXT, pattern=need(TEXT)),
        ),
        status=one_of("in_progress", "searching", "completed", "failed", "incomplete"),
        results=many(OBJECT),
    ),
    "file_search_call": _item(
        queries=need(TEXTS),
        status=one_of("in_progress", "searching", "completed", "incomplete", "failed"),
        results=many(shape(attributes=mapping(ANY), file_id=TEXT, filename=TEXT, score=NUMBER, text=TEXT)),
    ),
    "code_interpreter_call": _item(
        code=TEXT,
        container_id=TEXT,
        outputs=many(kinds(logs=shape(logs=need(TEXT)), image=shape(url=need(TEXT)))),
        status=one_of("in_progress", "completed", "incomplete", "interpreting", "failed"),
    ),
    "image_generation_call": _item(
        result=TEXT,
        status=one_of("in_progress", "completed", "generating", "failed"),
        action=one_of("generate", "edit", "auto"),
        background=one_of("transparent", "opaque", "auto"),
        error=_FAILED,
        output_format=one_of("png", "webp", "jpeg", "gif", "svg"),
        quality=one_of("low", "medium", "high", "xhigh", "max", "auto"),
        revised_prompt=TEXT,
        size=TEXT,
        svg_usage=shape(
            model=TEXT, input_tokens=INTEGER, output_tokens=INTEGER, reasoning_tokens=INTEGER, total_tokens=INTEGER
        ),
    ),
    "computer_call": _item(
        call_id=need(CALL_ID),
        action=_ACTION,
        actions=many(_ACTION),
        pending_safety_checks=_SAFETY,
        status=STATUS,
    ),
    "computer_call_output": _item(
        call_id=need(CALL_ID),
        output=need(shape(type=one_of("computer_screenshot"), image_url=TEXT, file_id=TEXT)),
        acknowledged_safety_checks=_SAFETY,
        status=one_of("in_progress", "completed", "incomplete", "failed"),
    ),
    "local_shell_call": _item(
        call_id=need(CALL_ID),
        action=need(
            shape(
                type=one_of("exec"),
                command=need(TEXTS),
                env=mapping(TEXT),
                timeout_ms=INTEGER,
                user=TEXT,
                working_directory=TEXT,
            )
        ),
        status=STATUS,
    ),
    "local_shell_call_output": _item(call_id=TEXT, output=need(LONG), status=STATUS),
    "shell_call": _item(
        call_id=need(CALL_ID),
        action=need(shape(commands=need(TEXTS), max_output_length=INTEGER, timeout_ms=INTEGER)),
        environment=ENVIRONMENT,
        status=STATUS,
        caller=_CALLER,
    ),
    "shell_call_output": _item(
        call_id=need(CALL_ID),
        output=need(
            many(
                shape(
                    stdout=need(LONG),
                    stderr=need(LONG),
                    outcome=need(kinds(timeout=shape(), exit=shape(exit_code=need(INTEGER)))),
                    created_by=TEXT,
                )
            )
        ),
        max_output_length=INTEGER,
        status=STATUS,
        caller=_CALLER,
    ),
    "apply_patch_call": _item(
        call_id=need(CALL_ID),
        operation=need(
            kinds(
                create_file=shape(path=need(TEXT), diff=need(LONG)),
                update_file=shape(path=need(TEXT), diff=need(LONG)),
                delete_file=shape(path=need(TEXT)),
            )
        ),
        status=one_of("in_progress", "completed"),
        caller=_CALLER,
    ),
    "apply_patch_call_output": _item(
        call_id=need(CALL_ID), output=LONG, status=need(one_of("completed", "failed")), caller=_CALLER
    ),
    "mcp_list_tools": _item(
        server_label=need(TEXT),
        tools=need(many(shape(name=need(TEXT), description=TEXT, input_schema=ANY, annotations=ANY))),
        error=ANY,
    ),
    "mcp_call": _item(
        server_label=need(TEXT),
        name=need(TEXT),
        arguments=need(LONG),
        output=LONG,
        error=ANY,  # text once, an object of several kinds now
        approval_request_id=TEXT,
        status=one_of("in_progress", "completed", "incomplete", "calling", "failed"),
    ),
    "mcp_approval_request": _item(server_label=need(TEXT), name=need(TEXT), arguments=need(LONG)),
    "mcp_approval_response": _item(approval_request_id=need(TEXT), approve=need(FLAG), reason=TEXT),
    "tool_search_call": _item(arguments=ANY, call_id=TEXT, execution=one_of("server", "client"), status=STATUS),
    "tool_search_output": _item(tools=need(TOOLS), call_id=TEXT, execution=one_of("server", "client"), status=STATUS),
    "additional_tools": _item(role=TEXT, tools=need(TOOLS)),
    "configuration_update": _item(reasoning=REASONING, text=TEXT_FORMAT),
    "compaction": _item(encrypted_content=need(text(most=20_971_520))),
    "compaction_trigger": _item(),
    "program": _item(call_id=need(CALL_ID), code=need(LONG), fingerprint=TEXT),
    "program_output": _item(call_id=need(CALL_ID), result=need(LONG), status=one_of("completed", "incomplete")),
}


def kind(item: dict[str, Any]) -> Any:
    """The type of an item, said or not: what has an id and nothing to say refers to another."""
    said = item.get("type")
    if said is not None:
        return said
    return "item_reference" if "id" in item and "role" not in item and "content" not in item else "message"


_UNSAID = frozenset({"message", "item_reference"})
ITEM = chosen({name: of_type(name, item, said=name not in _UNSAID) for name, item in TABLE.items()}, kind)
ITEMS = many(ITEM)
INPUT = either(text=LONG, array=ITEMS)
PROMPT = shape(id=need(TEXT), version=TEXT, variables=mapping(either(text=TEXT, object=PART)))
