"""The operations that need the master key, for the description of the API."""

from typing import Any

from warren.requests import management as bodies
from warren_gateway.openapi_operation import Operation
from warren_gateway.reporting import DIMENSIONS, FORMATS

Json = dict[str, Any]

_SPENT = ("start_date", "end_date", "format", "rows", "model", "key", "account", "user", "tag")
_SPENT_AT = (*_SPENT, "provider", "deployment")
_LISTED = ("keys_limit", "after")
_WRITE = (403, 404, 409, 413)


def _keys(name: str, summary: str, answer: str, body: type[bodies.Managed]) -> Operation:
    return Operation("post", f"/key/{name}", summary, answer, body, codes=_WRITE, tag="Keys")


def _spenders(prefix: str, tag: str, who: str, answer: str, one: type[bodies.Managed], some: type[bodies.Managed],
              query: str) -> tuple[Operation, ...]:  # fmt: skip
    def post(name: str, summary: str, answer: str, body: type[bodies.Managed]) -> Operation:
        return Operation("post", f"{prefix}/{name}", summary, answer, body, codes=_WRITE, tag=tag)

    def get(name: str, summary: str, answer: str, *query: str) -> Operation:
        return Operation("get", f"{prefix}/{name}", summary, answer, query=query, codes=(403, 404), tag=tag)

    return (
        post("new", f"Say what holds for {who}.", answer, one),
        get("info", f"What holds for {who}, and what was spent.", answer, query),
        get("list", f"List those of whom something is known: {who}.", f"{answer}List", *_LISTED),
        post("update", f"Change what holds for {who}; null takes it away.", answer, one),
        post("block", f"Refuse requests for {who}.", f"{answer}s", some),
        post("unblock", f"Take requests for {who} again.", f"{answer}s", some),
        post("delete", f"Forget what is known of {who}; costs stay.", f"Deleted{answer}s", some),
    )


OF_OPERATORS = (
    _keys("generate", "Make a key, which is shown this once.", "NewKey", bodies.GenerateKey),
    Operation("get", "/key/info", "What a key may do, and what it has spent.", "KeyInfo", query=("key", "key_alias"),
              codes=(403, 404), tag="Keys"),
    Operation("get", "/key/list", "List keys.", "KeyList", query=(*_LISTED, "account"), codes=(403,), tag="Keys"),
    _keys("update", "Change what a key may do; null takes a limit away.", "Key", bodies.UpdateKey),
    _keys("regenerate", "Give a key another secret, which is shown this once.", "NewKey", bodies.RegenerateKey),
    _keys("block", "Refuse a key.", "Key", bodies.OneKey),
    _keys("unblock", "Take a key again.", "Key", bodies.OneKey),
    _keys("delete", "Forget keys; costs stay.", "DeletedKeys", bodies.SomeKeys),
    *(
        operation
        for prefix in ("/customer", "/end_user")
        for operation in _spenders(
            prefix, "End users", "an end user", "EndUser", bodies.Customer, bodies.SomeCustomers, "end_user_id"
        )
    ),
    *_spenders(
        "/account", "Accounts", "an account", "Account", bodies.AccountTerms, bodies.SomeAccounts, "account"
    ),
    Operation(
        "get", "/global/spend/report", "Sum up what was spent, told apart by days and by who and what it was for.",
        "SpendReport", query=("group_by", *_SPENT_AT), table=True, codes=(403, 404), tag="Spend",
    ),
    Operation(
        "get", "/spend/logs", "List what single responses have cost.", "SpendLogs",
        query=(*_SPENT, "status", "response_id", "after"), table=True, codes=(403, 404), tag="Spend",
    ),
    *(
        Operation(
            "get", f"/spend/{name}", f"Sum up what was spent by {name}.", "SpendReport", query=_SPENT_AT, table=True,
            codes=(403, 404), tag="Spend",
        )
        for name in ("keys", "users", "tags", "models")
    ),
    Operation(
        "post", "/spend/reprice", "Price calls of some days again, beside what was recorded, as JSON Lines.",
        "RepriceLine", bodies.RepriceCalls, lines=True, codes=(403, 413), tag="Spend",
    ),
    Operation(
        "get", "/account/export", "All that is kept of an account, as JSON Lines.", "ExportLine", query=("whose",),
        lines=True, codes=(403,), tag="Spend",
    ),
)  # fmt: skip

QUERY: dict[str, Json] = {
    "group_by": {"type": "string", "default": "day", "description": f"By commas: {', '.join(DIMENSIONS)}."},
    "start_date": {"type": "string", "format": "date", "description": "The first day, in UTC; 30 days by default."},
    "end_date": {"type": "string", "format": "date", "description": "The last day; today by default."},
    "format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    "rows": {"type": "integer", "minimum": 1, "maximum": 10_000},
    "keys_limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "key": {"type": "string", "description": "A key's id, its alias, or the key."},
    "whose": {"type": "string", "minLength": 1},
    **{name: {"type": "string"} for name in ("account", "user", "tag", "provider", "deployment", "response_id",
                                             "key_alias", "end_user_id")},
}  # fmt: skip
SAID = {"rows": "limit", "some": "limit", "keys_limit": "limit", "whose": "account"}
"""Where a parameter of one name is another one elsewhere."""
