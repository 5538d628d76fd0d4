"""`warren chat`: a conversation in a terminal."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from warren.client.sync import Client
from warren.client.types import Response
from warren.commands.connecting import Connecting, complain, line, run, say
from warren.exceptions import APIError, BadRequestError, NotFoundError

_HELP = """\
/model NAME   go on with another model
/new          forget what was said
/help         this
/exit         leave; so does Ctrl-D. Ctrl-C ends an answer
"""


class Chatting(Connecting):
    """Talk with a model; each answer knows what was said before. Without a terminal, every line of the input is said.

    /help tells what else can be typed.
    """

    model_config = SettingsConfigDict(cli_prog_name="warren chat")

    model: CliPositionalArg[str | None] = None
    """What to talk with; the gateway's first model by default."""

    instructions: str | None = None
    """What the model is told to be."""

    previous: str | None = None
    """Go on behind this response."""

    max_output_tokens: Annotated[int, Field(ge=16)] | None = None
    """How long an answer may be."""


def main(arguments: list[str]) -> None:
    run(Chatting, arguments, lambda wanted, client: _Chat(wanted, client).run())


class _Chat:
    def __init__(self, wanted: Chatting, client: Client) -> None:
        self._wanted = wanted
        self._client = client
        self._model = wanted.model or _first(client)
        self._previous = wanted.previous
        self._code = 0

    def run(self) -> int:
        """Gives the exit code: without a terminal, 1 if an answer failed."""
        for said in _lines():
            match said.split():
                case []:
                    continue
                case ["/exit" | "/quit"]:
                    break
                case ["/help"]:
                    say(_HELP)
                case ["/new"]:
                    self._previous = None
                case ["/model", name]:
                    self._model = name
                case [name, *_] if name.startswith("/"):
                    sys.stderr.write(f"{name} cannot be done like that; /help tells what can\n")
                case _:
                    self._ask(said)
        return self._code

    def _ask(self, said: str) -> None:
        try:
            self._keep(self._answer(said))
        except KeyboardInterrupt:
            say("\n")
        except APIError as error:
            if isinstance(error.outcome, Response) and error.outcome.output_text and not self._wanted.as_json:
                say("\n")
            complain(Chatting, error)
            self._code = 0 if sys.stdin.isatty() else 1

    def _answer(self, said: str) -> Response:
        with self._client.responses(
            said,
            self._model,
            stream=True,
            previous_response_id=self._previous,
            instructions=self._wanted.instructions,
            max_output_tokens=self._wanted.max_output_tokens,
        ) as stream:
            for event in stream:
                if event.type in ("response.output_text.delta", "response.refusal.delta") and not self._wanted.as_json:
                    say(event.delta)
            return stream.until_done()

    def _keep(self, response: Response) -> None:
        self._previous = response.id
        if self._wanted.as_json:
            line(response.to_dict())
        else:
            say("\n")


def _first(client: Client) -> str:
    models = []
    with suppress(NotFoundError):
        models = client.list_models()
    if not models:
        raise BadRequestError("Which model? warren chat openai/gpt-5, say.", param="model")
    return models[0]


def _lines() -> Iterator[str]:
    """What is typed, with a prompt and a history where there is a terminal."""
    prompt = ""
    if sys.stdin.isatty():
        prompt = "> "
        with suppress(ImportError):
            import readline  # noqa: F401, PLC0415  # `input` uses it once it is there; Windows has none
    with suppress(EOFError):
        while True:
            yield input(prompt)
    if prompt:
        say("\n")
