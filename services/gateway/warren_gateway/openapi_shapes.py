"""The shapes of what the API answers, and of its small bodies, as JSON Schema."""

from typing import Any

Json = dict[str, Any]


def reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: dict[str, Json], **optional: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def _or_null(shape: Json) -> Json:
    return {"anyOf": [shape, {"type": "null"}]}


def _list(of: str) -> Json:
    ends = {"first_id": _or_null(_TEXT), "last_id": _or_null(_TEXT)}
    return _object({"object": {"const": "list"}, "data": _array(of), **ends, "has_more": _YES})


def _array(of: str) -> Json:
    return {"type": "array", "items": reference(of)}


_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_YES: Json = {"type": "boolean"}
_METADATA: Json = {
    "type": "object",
    "maxProperties": 16,
    "propertyNames": {"maxLength": 64},
    "additionalProperties": {"type": "string", "maxLength": 512},
}
_USAGE = _object(
    {
        "input_tokens": _COUNT,
        "input_tokens_details": _object({"cached_tokens": _COUNT}),
        "output_tokens": _COUNT,
        "output_tokens_details": _object({"reasoning_tokens": _COUNT}),
        "total_tokens": _COUNT,
    }
)
_RESPONSE = _object(
    {
        "id": _TEXT,
        "object": {"const": "response"},
        "created_at": _COUNT,
        "status": {"enum": ["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]},
        "model": _TEXT,
        "output": _array("Item"),
        "error": _or_null(_object({"code": _TEXT, "message": _TEXT})),
        "incomplete_details": _or_null(_object({}, reason=_TEXT)),
        "usage": _or_null(reference("Usage")),
        "metadata": _METADATA,
        "previous_response_id": _or_null(_TEXT),
        "instructions": {},
        "tools": {"type": "array", "items": {"type": "object"}},
        "tool_choice": {},
        "parallel_tool_calls": _YES,
        "store": _YES,
        "background": _YES,
    },
    completed_at=_or_null(_COUNT),
    conversation=_or_null(_object({"id": _TEXT})),
)

_TOKENS = dict.fromkeys(
    ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"), _COUNT
)
_SPENT = {
    name: shape
    for amount in ("spend", "provider_spend", "original_spend")
    for name, shape in ((amount, _or_null({"type": "number"})), (f"{amount}_exact", _or_null(_TEXT)))
}
"""In US dollars; null is unknown."""
_PERCENTILES = _or_null({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3})
"""Seconds that half, 95 % and 99 % took no longer than."""
_TEXTS: Json = {"type": "array", "items": _TEXT}
_OBJECTS: Json = {"type": "array", "items": {"type": "object"}}
_SOME = _object({"data": _OBJECTS, "has_more": _YES})

_MONEY = _or_null({"type": "number"})
_SPENDER: Json = {
    "blocked": _YES,
    "metadata": {"type": "object"},
    **dict.fromkeys(("max_budget", "spend", "total_spend", "reserved"), _MONEY),
    **dict.fromkeys(("budget_duration", "budget_reset_at", "created_at", "updated_at"), _or_null(_TEXT)),
}
_KEY: Json = {
    **dict.fromkeys(("id", "key_name", "account"), _TEXT),
    **dict.fromkeys(("key_alias", "expires", "old_key_expires"), _or_null(_TEXT)),
    **dict.fromkeys(("models", "allowed_routes", "tags"), _TEXTS),
    **dict.fromkeys(("rpm_limit", "tpm_limit", "max_parallel_requests"), _or_null(_COUNT)),
    **_SPENDER,
}
_MANAGED: dict[str, Json] = {
    "Key": _object(_KEY),
    "NewKey": _object({"key": _TEXT, **_KEY}),
    "KeyInfo": _object({"key": _TEXT, "info": reference("Key")}),
    "KeyList": _object({"keys": _array("Key"), "has_more": _YES}),
    "DeletedKeys": _object({"deleted_keys": _TEXTS}),
    "EndUser": _object({"user_id": _TEXT, "alias": _or_null(_TEXT), **_SPENDER}),
    "EndUserList": _object({"users": _array("EndUser"), "has_more": _YES}),
    "EndUsers": _object({"users": _array("EndUser")}),
    "DeletedEndUsers": _object({"deleted_users": _TEXTS}),
    "Account": _object({"account": _TEXT, "alias": _or_null(_TEXT), **_SPENDER}),
    "AccountList": _object({"accounts": _array("Account"), "has_more": _YES}),
    "Accounts": _object({"accounts": _array("Account")}),
    "DeletedAccounts": _object({"deleted_accounts": _TEXTS}),
}
"""What the routes answer that manage keys, end users and accounts."""

SHAPES: dict[str, Json] = {
    "Error": _object(
        {"error": _object({"message": _TEXT, "type": _TEXT, "param": _or_null(_TEXT), "code": _or_null(_TEXT)})}
    ),
    "Item": _object({"type": _TEXT}, id=_TEXT, status=_or_null(_TEXT)),
    "ItemList": _list("Item"),
    "Usage": _USAGE,
    "Response": _RESPONSE,
    "ResponseList": _list("Response"),
    "DeletedResponse": _object({"id": _TEXT, "object": {"const": "response"}, "deleted": {"const": True}}),
    "InputTokens": _object({"object": {"const": "response.input_tokens"}, "input_tokens": _COUNT}),
    "Compaction": _object(
        {
            "id": _TEXT,
            "object": {"const": "response.compaction"},
            "created_at": _COUNT,
            "output": _array("Item"),
            "usage": reference("Usage"),
        }
    ),
    "Conversation": _object(
        {"id": _TEXT, "object": {"const": "conversation"}, "created_at": _COUNT, "metadata": _METADATA}
    ),
    "DeletedConversation": _object(
        {"id": _TEXT, "object": {"const": "conversation.deleted"}, "deleted": {"const": True}}
    ),
    "ConversationUpdate": _object({"metadata": _or_null(_METADATA)}),
    "NewItems": _object({"items": {"type": "array", "minItems": 1, "maxItems": 20, "items": {"type": "object"}}}),
    "Model": _object({"id": _TEXT, "object": {"const": "model"}, "created": _COUNT, "owned_by": _TEXT}),
    "ModelList": _object({"object": {"const": "list"}, "data": _array("Model")}),
    "SpendReport": _object(
        {
            "object": {"const": "spend.report"},
            "start_date": _TEXT,
            "end_date": _TEXT,
            "group_by": {"type": "array", "items": _TEXT},
            "data": _array("Spend"),
            "has_more": _YES,
        }
    ),
    "Spend": _object(
        {
            **dict.fromkeys(("requests", "failed_requests", "calls", "unpriced_calls", "repriced_calls"), _COUNT),
            **_TOKENS,
            **_SPENT,
        },
        **dict.fromkeys(("day", "model", "provider", "deployment", "key", "account", "user", "tag"), _TEXT),
        key_alias=_or_null(_TEXT),
    ),
    "SpendLogs": _object(
        {"object": {"const": "list"}, "data": _array("Charge"), "last_id": _or_null(_TEXT), "has_more": _YES}
    ),
    "Charge": _object(
        {
            **dict.fromkeys(("response_id", "account", "model", "created_at"), _TEXT),
            "status": _or_null(_TEXT),
            "tags": {"type": "array", "items": _TEXT},
            **_TOKENS,
            **_SPENT,
            "unpriced_calls": _COUNT,
            "repriced_calls": _COUNT,
            "calls": {"type": "array", "items": {"type": "object"}},
        }
    ),
    **_MANAGED,
    "RepriceLine": _object(
        {"object": _TEXT},
        responses=_COUNT,
        calls=_COUNT,
        repriced_calls=_COUNT,
        newly_priced_calls=_COUNT,
        unpriced_calls=_COUNT,
        spend_before=_TEXT,
        spend=_TEXT,
    ),
    "ExportLine": _object({"object": _TEXT}),
    "OpsSession": _object(
        {
            "operator": _YES,
            "account": _TEXT,
            "key": _or_null(_TEXT),
            "readable": _TEXTS,
            "version": _TEXT,
            "trace_url": _or_null(_TEXT),
        },
        models=_TEXTS,
        deployments=_TEXTS,
        providers=_TEXTS,
    ),
    "OpsCounts": _object(
        {
            **dict.fromkeys(("requests", "failed", "refused", "background", "input_tokens", "output_tokens"), _COUNT),
            "cost": _TEXT,
            "first": _PERCENTILES,
            "seconds": _PERCENTILES,
        },
        at=_COUNT,
    ),
    "OpsOverview": _object(
        {
            "since": _or_null(_COUNT),
            "step": _COUNT,
            "points": _array("OpsCounts"),
            "total": reference("OpsCounts"),
            "minute": reference("OpsCounts"),
            "states": {"type": "object", "additionalProperties": _TEXT},
            "queues": _OBJECTS,
            "processes": _OBJECTS,
            "deployments": _OBJECTS,
        }
    ),
    "OpsSpend": _object(
        {
            "first": _TEXT,
            "last": _TEXT,
            **dict.fromkeys(("days", "models", "deployments", "keys", "users", "tags"), _SOME),
        }
    ),
    "OpsResponses": _object(_SOME["properties"] | {"last_id": _or_null(_TEXT)}),
    "OpsResponse": _object(
        {
            **dict.fromkeys(("response_id", "account", "model"), _TEXT),
            "created_at": {"type": "number"},
            "status": _or_null(_TEXT),
            "readable": _YES,
            "stored": _YES,
            "calls": _OBJECTS,
        }
    ),
    "OpsConversations": _object(_SOME["properties"] | {"account": _TEXT, "last_id": _or_null(_TEXT)}),
    "Transcript": _object(
        {
            "data": {
                "type": "array",
                "items": _object({"role": _TEXT, "kind": _TEXT, "name": _or_null(_TEXT), "text": _TEXT, "cut": _COUNT}),
            },
            "earlier": _COUNT,
            "hole": _or_null(_TEXT),
        }
    ),
    "Health": _object({"status": _TEXT}, bus=_TEXT, ledger=_TEXT, store=_TEXT),
}
