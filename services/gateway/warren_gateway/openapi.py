"""The description of the API, for people and for programs: `GET /openapi.json`. Pure.

Routes read their bodies themselves, so it is written down here; a test holds it to the routes that there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import warren
from warren import requests
from warren_gateway.openapi_management import OF_OPERATORS, QUERY, SAID
from warren_gateway.openapi_operation import Operation
from warren_gateway.openapi_shapes import SHAPES, reference
from warren_gateway.overview import STEPS
from warren_gateway.queries import INCLUDABLE, STATUSES

Json = dict[str, Any]


_PAGE = ("limit", "order", "after")
_ONE = "/v1/responses/{response_id}"
_CONVERSATION = "/v1/conversations/{conversation_id}"
_OF = ("model", "key", "account", "user", "tag", "provider", "deployment")

OPERATIONS = (
    Operation(
        "post", "/v1/responses", "Create a response, as JSON or, with `stream: true`, as server-sent events.",
        "Response", requests.CreateResponse, headers=("Idempotency-Key",), stream=True,
        codes=(404, 413, 422, 429, 502, 504),
    ),
    Operation(
        "get", "/v1/responses", "List the stored responses of this account.", "ResponseList",
        query=(*_PAGE, "model", "status", "conversation", "metadata", "created_after", "created_before"), codes=(404,),
    ),
    Operation(
        "get", _ONE, "Retrieve a response, or follow one that runs in the background.", "Response",
        query=("include[]", "stream", "starting_after", "include_obfuscation"), stream=True, codes=(404,),
    ),
    Operation("delete", _ONE, "Delete a response.", "DeletedResponse", codes=(404,)),
    Operation("post", f"{_ONE}/cancel", "Cancel a response that runs in the background.", "Response", codes=(404,)),
    Operation(
        "get", f"{_ONE}/input_items", "List what a response was asked with.", "ItemList",
        query=(*_PAGE, "include[]"), codes=(404,),
    ),
    Operation(
        "post", "/v1/responses/input_tokens", "Count the tokens of a request.", "InputTokens", requests.CountTokens,
        codes=(404, 413, 429, 502, 504),
    ),
    Operation(
        "post", "/v1/responses/compact", "Say a conversation in fewer tokens.", "Compaction", requests.Compact,
        codes=(404, 413, 429, 502, 504),
    ),
    Operation(
        "post", "/v1/conversations", "Make a conversation.", "Conversation", requests.NewConversation, optional=True,
        codes=(404, 413), tag="Conversations",
    ),
    Operation("get", _CONVERSATION, "Retrieve a conversation.", "Conversation", codes=(404,), tag="Conversations"),
    Operation(
        "post", _CONVERSATION, "Replace the metadata of a conversation.", "Conversation", "ConversationUpdate",
        codes=(404, 413), tag="Conversations",
    ),
    Operation(
        "delete", _CONVERSATION, "Delete a conversation.", "DeletedConversation", codes=(404,), tag="Conversations"
    ),
    Operation(
        "post", f"{_CONVERSATION}/items", "Add items to a conversation.", "ItemList", "NewItems",
        query=("include[]",), codes=(404, 413), tag="Conversations",
    ),
    Operation(
        "get", f"{_CONVERSATION}/items", "List the items of a conversation.", "ItemList",
        query=(*_PAGE, "include[]"), codes=(404,), tag="Conversations",
    ),
    Operation(
        "get", f"{_CONVERSATION}/items/{{item_id}}", "Retrieve an item.", "Item", query=("include[]",), codes=(404,),
        tag="Conversations",
    ),
    Operation(
        "delete", f"{_CONVERSATION}/items/{{item_id}}", "Take an item out of a conversation.", "Conversation",
        codes=(404,), tag="Conversations",
    ),
    Operation("get", "/v1/models", "List the models.", "ModelList", tag="Models"),
    Operation("get", "/v1/models/{model}", "Retrieve a model.", "Model", codes=(404,), tag="Models"),
    *OF_OPERATORS,
    Operation(
        "get", "/ops/session", "Who asks on the ops page, and what there is to be seen for him.", "OpsSession",
        codes=(403,), tag="Ops",
    ),
    Operation(
        "get", "/ops/overview", "How it goes: traffic, latencies, queues, processes, deployments.", "OpsOverview",
        query=("window",), codes=(403,), tag="Ops",
    ),
    Operation(
        "get", "/ops/spend", "What was spent in the last days, told apart in several ways.", "OpsSpend",
        query=("days",), codes=(403,), tag="Ops",
    ),
    Operation(
        "get", "/ops/responses", "List what has ended, the latest first: of any account for operators.", "OpsResponses",
        query=("some", "after", "search", "status", "since", "until", "error", *_OF), codes=(403, 404), tag="Ops",
    ),
    Operation(
        "get", "/ops/responses/{response_id}", "All that is known of a response but what was said.", "OpsResponse",
        codes=(403, 404), tag="Ops",
    ),
    Operation(
        "get", "/ops/responses/{response_id}/transcript", "What was said up to a response and with it.", "Transcript",
        codes=(403, 404), tag="Ops",
    ),
    Operation(
        "get", "/ops/conversations", "List the conversations of an account that may be read.", "OpsConversations",
        query=("some", "after", "account"), codes=(403,), tag="Ops",
    ),
    Operation(
        "get", "/ops/conversations/{conversation_id}", "What was said in a conversation.", "Transcript",
        query=("account",), codes=(403, 404), tag="Ops",
    ),
)  # fmt: skip

HEALTH = {
    "/health/liveliness": "Whether this gateway lives.",
    "/health/readiness": "Whether it can be sent requests, and what stands behind it.",
}
_QUERY: dict[str, Json] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    "order": {"type": "string", "enum": ["asc", "desc"], "default": "desc"},
    "after": {"type": "string", "description": "The id of the last one of the page before."},
    "include[]": {"type": "array", "items": {"type": "string", "enum": list(INCLUDABLE)}},
    "stream": {"type": "boolean", "default": False},
    "starting_after": {"type": "integer", "minimum": 0, "description": "The number of the last event that was read."},
    "include_obfuscation": {"type": "boolean"},
    "model": {"type": "string"},
    "status": {"type": "string", "enum": list(STATUSES)},
    "conversation": {"type": "string"},
    "metadata": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 512}, "maxProperties": 16},
    "created_after": {"type": "integer", "minimum": 0, "description": "In seconds since the epoch."},
    "created_before": {"type": "integer", "minimum": 0, "description": "In seconds since the epoch."},
}
_QUERY |= QUERY | {
    "window": {"type": "integer", "enum": list(STEPS), "default": 900, "description": "Seconds to look back."},
    "days": {"type": "integer", "enum": [1, 7, 30], "default": 1},
    "some": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    "search": {"type": "string", "description": "An id, or how it begins; a request's id; an end user."},
    "since": {"type": "integer", "minimum": 0, "description": "In seconds since the epoch."},
    "until": {"type": "integer", "minimum": 0, "description": "In seconds since the epoch."},
    "error": {"type": "string", "description": "The code of what went wrong."},
}
_HEADERS: dict[str, Json] = {
    "Idempotency-Key": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
}
_REFUSALS = {
    400: "The request cannot be served as it is; `param` says what to change.",
    401: "There is no key, or it is none of ours.",
    403: "This key may not do this.",
    404: "There is no such thing, or it is another account's.",
    409: "Somebody else changes this at the same time.",
    413: "The body is too large.",
    422: "The idempotency key stands for another request.",
    429: "The provider limits the rate.",
    502: "The provider failed.",
    503: "A part of the service cannot be reached, or is full.",
    504: "It took too long.",
}


@dataclass(frozen=True, slots=True)
class _Bodies:
    """The schemas of request bodies, and all that they refer to."""

    names: dict[type[BaseModel], str] = field(default_factory=dict)
    schemas: Json = field(default_factory=dict)


def document(models: Sequence[str]) -> Json:
    """The description, as OpenAPI 3.1; these models are its examples."""
    return _document(tuple(models))


@cache
def _document(models: tuple[str, ...]) -> Json:
    bodies = _bodies(models)
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, bodies, models)
    for path, summary in HEALTH.items():
        answer = {"description": "Yes.", "content": _json("Health")}
        down = {"503": {"description": "No.", "content": _json("Health")}} if "readiness" in path else {}
        paths[path] = {"get": {"summary": summary, "security": [], "responses": {"200": answer, **down}}}
    paths["/health"] = {"get": _deployments()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Warren", "version": warren.__version__},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": bodies.schemas | SHAPES,
        },
    }


def _deployments() -> Json:
    return {
        "summary": "How deployments do: what background checks found, and who is left alone at the moment.",
        "responses": {
            "200": {"description": "What is known.", "content": {"application/json": {"schema": {"type": "object"}}}},
            "401": {"description": "There is no key, or it is none of ours.", "content": _json("Error")},
        },
    }


def _bodies(models: tuple[str, ...]) -> _Bodies:
    kinds = list(dict.fromkeys(one.body for one in OPERATIONS if isinstance(one.body, type)))
    asked = [(kind, "validation") for kind in kinds]
    made, definitions = models_json_schema(asked, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas = definitions.get("$defs", {})
    names = {}
    for kind in kinds:
        names[kind] = made[(kind, "validation")]["$ref"].rpartition("/")[2]
        model = schemas[names[kind]].get("properties", {}).get("model")
        if model is not None and models:
            model["examples"] = list(models)
        _hoist(schemas[names[kind]]["properties"], schemas)
    return _Bodies(names, schemas)


def _hoist(properties: Json, schemas: Json) -> None:
    """Say a large part that several bodies have once."""
    for key, name in (("input", "Input"), ("tools", "Tools"), ("items", "Items")):
        if key in properties and schemas.setdefault(name, properties[key]) == properties[key]:
            properties[key] = reference(name)


def _operation(operation: Operation, bodies: _Bodies, models: tuple[str, ...]) -> Json:
    made: Json = {"summary": operation.summary, "operationId": operation.name, "tags": [operation.tag]}
    if parameters := [*_path(operation, models), *map(_in_query, operation.query), *map(_in_header, operation.headers)]:
        made["parameters"] = parameters
    if operation.body is not None:
        name = operation.body if isinstance(operation.body, str) else bodies.names[operation.body]
        made["requestBody"] = {"required": not operation.optional, "content": _json(name)}
    content = _json(operation.answer)
    if operation.stream:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    if operation.lines:
        content = {"application/jsonl": {"schema": {"type": "string"}}}
    if operation.table:
        content["text/csv"] = {"schema": {"type": "string"}}
    made["responses"] = {"200": {"description": "Done.", "content": content}}
    for code in sorted({400, 401, 503, *operation.codes}):
        made["responses"][str(code)] = {"description": _REFUSALS[code], "content": _json("Error")}
    return made


def _path(operation: Operation, models: tuple[str, ...]) -> list[Json]:
    steps = [step[1:-1] for step in operation.path.split("/") if step.startswith("{")]
    example = {"examples": list(models)} if models and steps == ["model"] else {}
    return [{"name": step, "in": "path", "required": True, "schema": {"type": "string"} | example} for step in steps]


def _in_query(name: str) -> Json:
    parameter: Json = {"name": SAID.get(name, name), "in": "query", "schema": _QUERY[name]}
    return parameter | {"style": "deepObject", "explode": True} if name == "metadata" else parameter


def _in_header(name: str) -> Json:
    return {"name": name, "in": "header", "schema": _HEADERS[name]}


def _json(name: str) -> Json:
    return {"application/json": {"schema": reference(name)}}
