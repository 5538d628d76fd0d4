"""The command `warren`."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

import warren

_HELP = """\
usage: warren COMMAND [flags]

commands:
  up         serve the API from this process alone, with a local model if no configuration is given
  check      look through a configuration: deployments, fallbacks, what has no effect, who answers
  declare    make the exchanges and queues at RabbitMQ, for services that may not
  keys       make, list, block and delete the virtual keys of a gateway
  spend      show what was spent, by model, key, end user, tag …
  export     write all that is kept of an account
  chat       talk with a model
  responses  show, list, delete and cancel what is stored
  tail       follow a response that runs in the background

warren COMMAND --help tells a command's flags; warren --version the version.
"""
_COMMANDS = ("chat", "check", "declare", "export", "keys", "responses", "spend", "tail")
"""Modules of `warren.commands`."""


def main() -> None:
    match sys.argv[1:]:
        case ["up", *arguments]:
            _up(arguments)
        case [name, *arguments] if name in _COMMANDS:
            run: Callable[[list[str]], None] = import_module(f"warren.commands.{name}").main
            run(arguments)
        case ["--version" | "-V"]:
            sys.stdout.write(f"warren {warren.__version__}\n")
        case [] | ["--help" | "-h" | "help"]:
            sys.stdout.write(_HELP)
        case [unknown, *_]:
            sys.stderr.write(f"warren: there is no command {unknown!r}; warren --help tells which there are\n")
            raise SystemExit(2)


def _up(arguments: list[str]) -> None:
    """Run what the extra `embedded` brings; found by its entry point, so that the SDK alone needs none of it."""
    found = entry_points(group="warren.embedded", name="up")
    try:
        up = next(iter(found)).load()
    except (StopIteration, ImportError):
        sys.stderr.write("warren: `warren up` needs more packages: pip install 'warren[embedded,local]'\n")
        raise SystemExit(2) from None
    up(arguments)
