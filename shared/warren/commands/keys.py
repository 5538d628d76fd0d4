"""`warren keys`: the virtual keys of a gateway. Needs its master key."""

import json
import sys
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from warren.commands.managing import Answer, Json, Managing, ask, run
from warren.errors import WarrenError

_HELP = """\
usage: warren keys COMMAND [flags]

commands:
  generate      make a key, and show it this once
  list          show which there are
  info KEY      show one
  update KEY    change what it may do
  regenerate KEY  give it another secret, and show that this once
  block KEY     refuse it from now on
  unblock KEY   take it again
  delete KEY    forget it

KEY is the key itself, its id, or its alias. warren keys COMMAND --help tells a command's flags.
"""


class Terms(Managing):
    """What can be said of a key."""

    alias: str | None = None
    """A name for people."""

    account: str | None = None
    """Whose responses it makes and sees; without one, its own."""

    models: list[str] | None = None
    """What it may ask for: names, or patterns like openai/*."""

    routes: list[str] | None = None
    """What of the API it may use, like /v1/responses*."""

    rpm: int | None = None
    """Requests in a minute."""

    tpm: int | None = None
    """Tokens in a minute."""

    parallel: int | None = None
    """Requests at a time."""

    budget: float | None = None
    """US dollars, in all or in each period."""

    budget_duration: str | None = None
    """How long a period is: 1d, 1w, 30d, 1mo."""

    duration: str | None = None
    """How long it is good: 30m, 12h, 30d."""

    tags: list[str] | None = None
    """What its requests are sorted by."""

    def terms(self) -> Json:
        names = {"alias": "key_alias", "routes": "allowed_routes", "rpm": "rpm_limit", "tpm": "tpm_limit",
                 "parallel": "max_parallel_requests", "budget": "max_budget"}  # fmt: skip
        given = self.model_dump(include=set(Terms.model_fields) - set(Managing.model_fields), exclude_none=True)
        return {names.get(name, name): value for name, value in given.items()}


class Generating(Terms):
    """Make a key, and show it this once."""

    model_config = SettingsConfigDict(cli_prog_name="warren keys generate")


class Updating(Terms):
    """Change what a key may do; the rest stays as it is."""

    model_config = SettingsConfigDict(cli_prog_name="warren keys update")

    key: CliPositionalArg[str]
    """The key, its id, or its alias."""


class Listing(Managing):
    """Show which keys there are."""

    model_config = SettingsConfigDict(cli_prog_name="warren keys list")

    account: str | None = None
    """Only of this account."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many."""

    after: str | None = None
    """Those that come behind the key with this id."""


class One(Managing):
    """Show, block, unblock or delete a key."""

    model_config = SettingsConfigDict(cli_prog_name="warren keys")

    key: CliPositionalArg[str]
    """The key, its id, or its alias."""


class Regenerating(Managing):
    """Give a key another secret, and show that this once."""

    model_config = SettingsConfigDict(cli_prog_name="warren keys regenerate")

    key: CliPositionalArg[str]
    """The key, its id, or its alias."""

    overlap: str | None = None
    """How long the old secret is good, too: 30m, 24h, 7d; not at all by default."""


def main(arguments: list[str]) -> None:
    match arguments:
        case ["generate", *rest]:
            run(Generating, rest, lambda wanted: _new(_post(wanted, "generate", wanted.terms())))
        case ["update", *rest]:
            run(Updating, rest, lambda wanted: _row(_post(wanted, "update", {"key": wanted.key, **wanted.terms()})))
        case ["list", *rest]:
            run(Listing, rest, _list)
        case ["info", *rest]:
            run(One, rest, lambda wanted: _row(_get(wanted, "info", key=wanted.key)["info"]))
        case [("block" | "unblock") as name, *rest]:
            run(One, rest, lambda wanted: _row(_post(wanted, name, {"key": wanted.key})))
        case ["regenerate", *rest]:
            run(Regenerating, rest, _regenerate)
        case ["delete", *rest]:
            run(One, rest, _delete)
        case [] | ["--help" | "-h"]:
            sys.stdout.write(_HELP)
        case [unknown, *_]:
            sys.stderr.write(
                f"warren keys: there is no command {unknown!r}; warren keys --help tells which there are\n"
            )
            raise SystemExit(2)


def _new(made: Json) -> Answer:
    return made, f"{made['key']}\n{_row(made)[1]}"


def _regenerate(wanted: Regenerating) -> Answer:
    overlap = {} if wanted.overlap is None else {"grace_period": wanted.overlap}
    return _new(_post(wanted, "regenerate", {"key": wanted.key, **overlap}))


def _list(wanted: Listing) -> Answer:
    query = {"limit": wanted.limit, "account": wanted.account, "after": wanted.after}
    page = _get(wanted, "list", **{name: value for name, value in query.items() if value is not None})
    more = f"… more with --after {page['keys'][-1]['id']}\n" if page["has_more"] else ""
    return page, "".join(_row(key)[1] for key in page["keys"]) + more


def _delete(wanted: One) -> Answer:
    gone = _post(wanted, "delete", {"keys": [wanted.key]})
    if not gone["deleted_keys"]:
        raise WarrenError("There is no such key.", status=404, code="not_found")
    return gone, "".join(f"{id_} is deleted\n" for id_ in gone["deleted_keys"])


def _row(key: Json) -> Answer:
    state = "blocked" if key["blocked"] else "good"
    spent = "" if key["max_budget"] is None else f"  ${key['spend'] or 0:g} of ${key['max_budget']:g}"
    until = f"  until {key['expires']}" if key["expires"] else ""
    alias = f"  {key['key_alias']}" if key["key_alias"] else ""
    return key, f"{key['id']}  {key['key_name']}  {state:<7}  {key['account']}{alias}{spent}{until}\n"


def _get(wanted: Managing, name: str, **query: Any) -> Json:
    return ask(wanted, f"key/{name}?{urlencode(query)}")


def _post(wanted: Managing, name: str, body: Json) -> Json:
    return ask(wanted, f"key/{name}", json.dumps(body).encode())
