"""`python -m warren_gateway`."""

import asyncio
from functools import partial

import structlog

from warren import config, log, telemetry
from warren.bus.rabbit import RabbitBus
from warren.reloading import Reloader
from warren.settings import load, run
from warren.telemetry import metrics
from warren_gateway.run import gateway
from warren_gateway.settings import GatewaySettings, master_key


async def main(settings: GatewaySettings, stop: asyncio.Event) -> None:
    lines = structlog.get_logger("warren.gateway")
    read = partial(config.load, settings.config)
    configuration = read()
    for report in configuration.reports:
        lines.warning(report)
    key = master_key(settings, configuration)
    reloader = Reloader(read, configuration, lines)
    async with (
        RabbitBus.open(settings.amqp_url.get_secret_value(), name="warren-gateway") as bus,
        metrics.told("warren-gateway", bus.address, settings, "gateway", "routing"),
        gateway(bus, configuration, settings, key, reloader) as url,
        reloader.open(),
    ):
        lines.info("listening", url=url, models=configuration.models(), address=bus.address)
        await stop.wait()
        lines.info("draining", seconds=settings.drain)
    lines.info("stopped")


if __name__ == "__main__":
    settings = load(GatewaySettings)
    log.setup(settings.log_level, settings.log_format, service="gateway")
    telemetry.setup("warren-gateway")
    run("warren-gateway", partial(main, settings))
