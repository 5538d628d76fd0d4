"""The bodies of the routes that manage keys, end users, accounts and what was spent. Names are LiteLLM's.

What is not listed here is refused by name: no field of a key can be set by a word that nobody has thought of.
"""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from warren import durations, keys, price_keys, scopes
from warren.requests.bodies import Body


def _money(value: Any) -> Any:
    """A number, or its text. Of a float counts what it is written as."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return value


def _form(message: str) -> PydanticCustomError:
    return PydanticCustomError("form", "{expected}", {"expected": message})


def _duration(value: str) -> str:
    try:
        return durations.check(value)
    except ValueError:
        raise _form("a duration like 30s, 30m, 30h, 30d, 1w or 1mo") from None


def _route(value: str) -> str:
    if value == scopes.ALL or value.startswith("/"):
        return value
    raise _form("a route like /v1/responses, one with a * at its end, or llm_api_routes")


def _key(value: str) -> str:
    if keys.well_formed(value):
        return value
    raise _form(f"a key: sk- and letters, digits, dots, dashes and underscores, {keys.SHORTEST} to {keys.LONGEST} long")


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value if len(value) == len("2026-01-31") else "").isoformat()
    except ValueError:
        raise _form("a day like 2026-01-31") from None


def _prices(value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for model, entry in value.items():
        for name, price in entry.items():
            try:
                price_keys.check(name, price)
            except ValueError as error:
                raise _form(f"prices ({model}: {name}: {error})") from None
    return value


Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
Duration = Annotated[str, AfterValidator(_duration), Field(json_schema_extra={"pattern": durations.FORM})]
Money = Annotated[
    Decimal,
    BeforeValidator(_money),
    Field(ge=0, max_digits=30, decimal_places=12),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "pattern": r"^[0-9]+(\.[0-9]+)?$"}),
]
Key = Annotated[str, AfterValidator(_key), Field(json_schema_extra={"pattern": keys.FORM})]
Route = Annotated[str, AfterValidator(_route)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Day = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
_MOST = 1000


class Managed(Body):
    model_config = ConfigDict(extra="forbid")


class Spender(Managed):
    """What can be said of all who spend."""

    max_budget: Money | None = None
    budget_duration: Duration | None = None
    metadata: dict[str, Any] | None = None
    blocked: bool | None = None


class KeyTerms(Spender):
    """What can be said of a key."""

    key_alias: Name | None = None
    account: Name | None = None
    duration: Duration | None = None
    models: Annotated[list[Name], Field(max_length=_MOST)] | None = None
    allowed_routes: Annotated[list[Route], Field(max_length=_MOST)] | None = None
    rpm_limit: Count | None = None
    tpm_limit: Count | None = None
    max_parallel_requests: Count | None = None
    tags: Annotated[list[Name], Field(max_length=_MOST)] | None = None


class GenerateKey(KeyTerms):
    key: Key | None = None
    """The key itself, of one that is in use already."""


class UpdateKey(KeyTerms):
    key: Name


class RegenerateKey(Managed):
    key: Name
    new_key: Key | None = None
    duration: Duration | None = None
    grace_period: Duration | None = None
    """For how long the old one is good, too."""


class OneKey(Managed):
    key: Name


class SomeKeys(Managed):
    keys: Annotated[list[Name], Field(min_length=1, max_length=_MOST)]


class Customer(Spender):
    user_id: Name
    alias: Name | None = None


class SomeCustomers(Managed):
    user_ids: Annotated[list[Name], Field(min_length=1, max_length=_MOST)]


class AccountTerms(Spender):
    account: Name
    alias: Name | None = None


class SomeAccounts(Managed):
    accounts: Annotated[list[Name], Field(min_length=1, max_length=_MOST)]


class RepriceCalls(Managed):
    """Days are in UTC, the last one included."""

    start_date: Day
    end_date: Day
    model: Name | None = None
    """Only calls of this one, as the provider calls it."""
    provider: Name | None = None
    deployment: Name | None = None
    unpriced: bool = False
    """Only calls that have no price."""
    prices: Annotated[dict[str, dict[str, Any]], AfterValidator(_prices)] | None = None
    """A price file, instead of that of the configuration."""
    source: Name = "reprice"
    """What records are to call that."""
    dry_run: bool = False
