"""Where commands go, and how they fail."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, SecretStr
from pydantic_core import to_json
from pydantic_settings import BaseSettings, SettingsConfigDict

from warren.client.sync import Client
from warren.errors import WarrenError
from warren.settings import Settings, load

C = TypeVar("C", bound="Connecting")


class Connecting(BaseSettings):
    """What every command takes."""

    model_config = SettingsConfigDict(**{**Settings.model_config, "env_prefix_target": "all"})

    base_url: str | None = None
    """The gateway. Without one, what is stored on this machine is meant, and requests are made from here."""

    api_key: SecretStr | None = None
    """The key that the gateway wants."""

    config: Path | None = None
    """Without a gateway: the configuration file. Without that, models are called by their providers: openai/gpt-5."""

    data: Path | None = None
    """Without a gateway: where responses are kept; ~/.local/share/warren by default."""

    as_json: Annotated[bool, Field(validation_alias="json")] = False
    """Write JSON, an object on a line."""

    def client(self) -> Client:
        if self.base_url is not None:
            return Client(self.base_url, self.api_key.get_secret_value() if self.api_key is not None else None)
        return Client(config=self.config, data=self.data.expanduser() if self.data is not None else None)


def run(kind: type[C], arguments: list[str], work: Callable[[C, Client], int]) -> None:
    """Do this with settings of that kind, and leave with its exit code.

    A request that fails is one sentence and code 1; Ctrl-C is code 130.
    """
    settings = load(kind, arguments=arguments)
    try:
        with settings.client() as client:
            code = work(settings, client)
    except WarrenError as error:
        complain(kind, error)
        code = 1
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # whoever read this has enough
        sys.stderr.close()
        code = 0
    raise SystemExit(code)


def complain(kind: type[BaseSettings], error: WarrenError) -> None:
    code = f" ({error.code})" if error.code else ""
    sys.stderr.write(f"{kind.model_config.get('cli_prog_name')}: {error.message}{code}\n")


def say(text: str) -> None:
    """Write this at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def line(value: Any) -> None:
    """Write this as JSON on a line."""
    say(to_json(value).decode() + "\n")
