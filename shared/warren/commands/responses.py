"""`warren responses`: what is stored."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from warren.client.items import Json
from warren.client.sync import Client
from warren.client.types import Response
from warren.commands.connecting import Connecting, line, run, say

_HELP = """\
usage: warren responses COMMAND [flags]

commands:
  get ID      show a response
  list        show the newest ones
  delete ID   forget a response
  cancel ID   end one that runs in the background

warren responses COMMAND --help tells a command's flags.
"""


class Listing(Connecting):
    """Show stored responses, the newest first."""

    model_config = SettingsConfigDict(cli_prog_name="warren responses list")

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """How many."""

    after: str | None = None
    """Those that come behind this response."""

    model: str | None = None
    """Only of this model."""

    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"] | None = None
    """Only with this status."""


class Getting(Connecting):
    """Show a response."""

    model_config = SettingsConfigDict(cli_prog_name="warren responses get")

    id: CliPositionalArg[str]
    """Its id."""


class Deleting(Connecting):
    """Forget a response: what it said is gone, from conversations, too."""

    model_config = SettingsConfigDict(cli_prog_name="warren responses delete")

    id: CliPositionalArg[str]
    """Its id."""


class Cancelling(Connecting):
    """End a response that runs in the background. What it has said stays."""

    model_config = SettingsConfigDict(cli_prog_name="warren responses cancel")

    id: CliPositionalArg[str]
    """Its id."""


def main(arguments: list[str]) -> None:
    match arguments:
        case ["get", *rest]:
            run(Getting, rest, _get)
        case ["list", *rest]:
            run(Listing, rest, _list)
        case ["delete", *rest]:
            run(Deleting, rest, _delete)
        case ["cancel", *rest]:
            run(Cancelling, rest, _cancel)
        case [] | ["--help" | "-h"]:
            say(_HELP)
        case [unknown, *_]:
            sys.stderr.write(f"warren responses: there is no command {unknown!r}; it is get, list, delete or cancel\n")
            raise SystemExit(2)


def _get(wanted: Getting, client: Client) -> int:
    return _show(wanted, client.get_responses(wanted.id))


def _cancel(wanted: Cancelling, client: Client) -> int:
    return _show(wanted, client.cancel_responses(wanted.id))


def _delete(wanted: Deleting, client: Client) -> int:
    gone = client.delete_responses(wanted.id)
    _write(wanted, gone.to_dict(), lambda: f"{gone.id} is deleted\n")
    return 0


def _list(wanted: Listing, client: Client) -> int:
    page = client.list_responses(limit=wanted.limit, after=wanted.after, model=wanted.model, status=wanted.status)
    for one in page.data:
        _write(wanted, one, lambda: _row(one))  # noqa: B023  # it is called at once
    if page.has_more and not wanted.as_json:
        say(f"… more with --after {page.last_id}\n")
    return 0


def _show(wanted: Connecting, response: Response) -> int:
    _write(wanted, response.to_dict(), lambda: _row(response.to_dict()) + _words(response))
    return 0


def _write(wanted: Connecting, value: Json, text: Callable[[], str]) -> None:
    if wanted.as_json:
        line(value)
    else:
        say(text())


def _row(response: Json) -> str:
    made = datetime.fromtimestamp(response["created_at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    usage = response.get("usage") or {}
    tokens = f"{usage.get('input_tokens', 0)}+{usage.get('output_tokens', 0)}"
    return f"{response['id']}  {made}  {response['status']:<11}  {tokens:>11}  {response['model']}\n"


def _words(response: Response) -> str:
    failed = f"{response.error.message} ({response.error.code})\n" if response.error is not None else ""
    return failed + (f"{response.output_text.rstrip()}\n" if response.output_text else "")
