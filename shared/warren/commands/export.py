"""`warren export ACCOUNT`: all that is kept of an account, a line of JSON each. Needs the master key of a gateway."""

import sys
from urllib.parse import urlencode

from pydantic_settings import CliPositionalArg, SettingsConfigDict

from warren.commands.managing import Managing, opened
from warren.errors import WarrenError
from warren.settings import load


class Exporting(Managing):
    """Write all that is kept of an account, as JSON Lines: conversations, responses, what they have cost. The last line
    says that it is all.
    """

    model_config = SettingsConfigDict(cli_prog_name="warren export")

    account: CliPositionalArg[str]
    """Whose."""


def main(arguments: list[str]) -> None:
    wanted = load(Exporting, arguments=arguments)
    try:
        with opened(wanted, f"account/export?{urlencode({'account': wanted.account})}") as answer:
            last = b""
            for line in answer:
                sys.stdout.buffer.write(line)
                last = line
    except WarrenError as error:
        sys.stderr.write(f"warren export: {error.message}\n")
        raise SystemExit(1) from None
    sys.stdout.flush()
    if not last.startswith(b'{"object":"export.end"'):
        sys.stderr.write("warren export: it was cut off; this is not all\n")
        raise SystemExit(1)
