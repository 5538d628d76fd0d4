"""What the commands that manage a gateway have in common: its master key, and how it is asked."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Annotated, Any, TypeVar

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from warren.errors import WarrenError
from warren.settings import Settings, load

M = TypeVar("M", bound="Managing")
Json = dict[str, Any]
Answer = tuple[Any, str]
"""What to write as JSON, and the same for people."""
_PATIENCE = 30.0


class Managing(BaseSettings):
    """What every command takes."""

    model_config = SettingsConfigDict(**{**Settings.model_config, "env_prefix_target": "all"})

    base_url: str = "http://127.0.0.1:4000"
    """The gateway."""

    master_key: SecretStr
    """Its master key; better by the variable WARREN_MASTER_KEY than as a flag, which others can see."""

    as_json: Annotated[bool, Field(validation_alias="json")] = False
    """Write JSON."""


def run(kind: type[M], arguments: list[str], work: Callable[[M], Answer]) -> None:
    """Do what a command says, and write what comes of it."""
    settings = load(kind, arguments=arguments)
    try:
        value, text = work(settings)
    except WarrenError as error:
        code = f" ({error.code})" if error.code else ""
        sys.stderr.write(f"{kind.model_config.get('cli_prog_name')}: {error.message}{code}\n")
        raise SystemExit(1) from None
    sys.stdout.write(json.dumps(value) + "\n" if settings.as_json else text)


def ask(wanted: Managing, path: str, body: bytes | None = None) -> Json:
    """
    Raises:
        WarrenError: the gateway says no, or cannot be reached.
    """
    with opened(wanted, path, body) as answer:
        made: Json = json.load(answer)
        return made


def opened(wanted: Managing, path: str, body: bytes | None = None) -> HTTPResponse:
    """An answer that is still to be read.

    Raises:
        WarrenError: the gateway says no, or cannot be reached.
    """
    url = f"{wanted.base_url.removesuffix('/').removesuffix('/v1')}/{path}"
    headers = {"authorization": f"Bearer {wanted.master_key.get_secret_value()}", "content-type": "application/json"}
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310  # whoever runs this says which
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=_PATIENCE)  # noqa: S310
    except urllib.error.HTTPError as refused:
        raise _refusal(refused) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise WarrenError(f"{wanted.base_url} cannot be reached: {reason}", code="connection_error") from None
    return answer


def _refusal(refused: urllib.error.HTTPError) -> WarrenError:
    try:
        return WarrenError.from_detail(json.load(refused)["error"], refused.code)
    except (ValueError, LookupError, TypeError):
        return WarrenError(f"The gateway answered {refused.code}.", status=refused.code, code=None)
