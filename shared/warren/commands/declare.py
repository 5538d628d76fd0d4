"""`warren declare`: the exchanges and queues at RabbitMQ, for services whose own users may not make any."""

import asyncio
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic_core import to_json
from pydantic_settings import BaseSettings, SettingsConfigDict

from warren import config
from warren.bus import LEDGER_ASK, LEDGER_WRITE, jobs
from warren.bus.permissions import definitions
from warren.errors import WarrenError
from warren.settings import BrokerUrl, Complaint, Names, Settings, give_up, load


class Declaring(BaseSettings):
    """Make the exchanges and queues that the services use, exactly as this version wants them; what is there already
    stays. Services whose users may declare do this by themselves. The exit code is 1 if the broker cannot be reached,
    does not let us, or has a queue of other arguments.
    """

    model_config = SettingsConfigDict(**{**Settings.model_config, "cli_prog_name": "warren declare"})

    amqp_url: BrokerUrl
    """The RabbitMQ broker, with a user who may declare."""

    config: Path | None = None
    """The configuration file: each of its providers has a queue."""

    providers: Names
    """The providers, separated by commas, instead of a configuration."""

    permissions: bool = False
    """Make nothing; write the permissions of a user for each service, for `rabbitmqctl import_definitions`. With
    --providers, each provider's workers have a user of their own."""


def main(arguments: list[str]) -> None:
    settings = load(Declaring, arguments=arguments)
    url = settings.amqp_url.get_secret_value()
    if unknown := set(settings.providers) - config.PROVIDERS:
        give_up("warren declare", f"--providers: there is no adapter for {', '.join(sorted(unknown))}")
    if settings.permissions:
        vhost = unquote(urlsplit(url).path.removeprefix("/")) or "/"
        sys.stdout.write(to_json(definitions(settings.providers, vhost=vhost), indent=2).decode() + "\n")
        return
    addresses = [*map(jobs, _providers(settings)), LEDGER_WRITE, LEDGER_ASK]
    try:
        asyncio.run(_declare(url, addresses))
    except WarrenError as error:
        sys.stderr.write(f"warren declare: {error.message}\n")
        raise SystemExit(1) from None
    sys.stdout.write("".join(f"{address}\n" for address in addresses))


def _providers(settings: Declaring) -> list[str]:
    if settings.providers:
        return settings.providers
    if settings.config is None:
        give_up("warren declare", "name the configuration (--config) or the providers (--providers)")
    try:
        return config.load(settings.config).providers()
    except Complaint as complaint:
        give_up("warren declare", str(complaint))


async def _declare(url: str, addresses: list[str]) -> None:
    from warren.bus.rabbit import RabbitBus  # noqa: PLC0415 - the SDK alone, which has this command, has no aio_pika

    async with RabbitBus.open(url, name="warren-declare") as bus:
        await bus.declare(addresses)
