"""Settings: flags, then `WARREN_*` variables, then defaults; `--help` tells them all."""

import asyncio
import gc
import hashlib
import hmac
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, CliApp, NoDecode, SettingsConfigDict, SettingsError

from warren.brokers import nodes
from warren.errors import WarrenError

S = TypeVar("S", bound=BaseSettings)


def _split(given: Any) -> Any:
    parts = ",".join(given) if isinstance(given, list) else given
    return [part.strip() for part in parts.split(",") if part.strip()] if isinstance(parts, str) else given


Names = Annotated[list[str], NoDecode, BeforeValidator(_split), Field(default_factory=list)]
"""Several of something, separated by commas; none by default."""


def _is_amqp(url: SecretStr) -> SecretStr:
    nodes(url.get_secret_value())
    return url


BrokerUrl = Annotated[
    SecretStr, AfterValidator(_is_amqp), Field(default_factory=lambda: SecretStr("amqp://guest:guest@localhost:5672/"))
]
"""Where RabbitMQ is: a broker, or the nodes of a cluster."""


class Settings(BaseSettings):
    """What every part of Warren has to know. A service that is a process of its own takes `ServiceSettings`."""

    model_config = SettingsConfigDict(
        env_prefix="WARREN_",
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        cli_kebab_case=True,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_implicit_flags=True,
        extra="ignore",
    )

    request_timeout: float = 600.0
    """Seconds after which a request that has not ended fails. The same for all services."""

    background_timeout: float = 3600.0
    """Seconds after which a background response that has not ended fails. The same for all services; RabbitMQ's
    consumer_timeout must be longer."""

    drain: float = 60.0
    """Seconds that SIGTERM leaves to what is still running."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is worth a line."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """auto: console on a terminal, JSON elsewhere."""

    metrics_host: str = "127.0.0.1"
    """The address to serve metrics on; whoever reaches it may read them."""

    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """The port to serve metrics on, as Prometheus's text at /metrics; none by default."""


class ServiceSettings(Settings):
    """What a service that is a process of its own has to know."""

    amqp_url: BrokerUrl
    """The RabbitMQ broker, or the nodes of a cluster (amqp://user:password@one:5672,two:5672/);
    amqp://guest:guest@localhost:5672/ by default."""


class Complaint(Exception):
    """Something the operator must put right before the program can start: one sentence."""


def secret_keys(secret: SecretStr | None, master_key: str | None) -> list[bytes]:
    """The keys that sign ids and seal content: those that are set, or one that follows from the master key."""
    if secret is not None and (given := secret.get_secret_value()):
        return [key.strip().encode() for key in given.split(",") if key.strip()]
    return [hmac.digest((master_key or "").encode(), b"warren ids", hashlib.sha256)]


def load(kind: type[S], *, arguments: list[str] | None = None) -> S:
    """Read settings from flags and environment; a wrong one ends the program with a sentence and exit code 2.

    The class names its program by `cli_prog_name` in its `model_config`.
    """
    program = kind.model_config.get("cli_prog_name") or "warren"
    try:
        return CliApp.run(kind, cli_args=arguments)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        message = "it must be given" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        give_up(program, f"{name}: {message}")
    except SettingsError as error:
        give_up(program, str(error))


def give_up(program: str, sentence: str) -> NoReturn:
    sys.stderr.write(f"{program}: {sentence}\n")
    raise SystemExit(2)


@asynccontextmanager
async def drained(seconds: float | Callable[[], float]) -> AsyncIterator[AsyncExitStack]:
    """A stack whose contexts get so long to leave in peace; after that their leaving is cancelled.

    How long may be known only when it begins.
    """
    async with AsyncExitStack() as stack:
        yield stack
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds() if callable(seconds) else seconds):
                await stack.aclose()


def _loop_failed(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Asyncio would print the exception with its words."""
    logging.getLogger("warren").error(context["message"], exc_info=context.get("exception"))


def run(program: str, main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run a service until it ends. Its event is set by SIGTERM and SIGINT; a second one ends it at once."""
    import uvloop  # noqa: PLC0415  # services bring it; the command line of the SDK alone does without

    async def supervised() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_loop_failed)
        current = asyncio.current_task()
        assert current is not None

        def told() -> None:
            if stop.is_set():
                current.cancel()
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told)
        await main(stop)

    # A collection stops everything, and requests leave much that is young: often and little at a time, and almost never
    # what lives long. At 100 requests/s p99 is 6 ms embedded and 12 ms of services; with 100,000, 50, 100: 127 and 85.
    gc.set_threshold(10_000, 10, 1000)
    try:
        uvloop.run(supervised())
    except (Complaint, WarrenError) as error:
        give_up(program, str(error))
    except asyncio.CancelledError:
        raise SystemExit(130) from None
