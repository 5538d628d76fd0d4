"""`python -m warren_worker`."""

import asyncio
import os
from functools import partial

import structlog

from warren import config, log, telemetry
from warren.bus.rabbit import RabbitBus
from warren.outbound import Reach
from warren.reloading import Reloader
from warren.settings import Complaint, drained, load, run
from warren.telemetry import content, metrics
from warren_worker.handler import working
from warren_worker.sealing import sealer
from warren_worker.settings import WorkerSettings
from warren_worker.upstream import Patience


async def main(settings: WorkerSettings, stop: asyncio.Event) -> None:
    lines = structlog.get_logger("warren.worker")
    read = partial(config.load, settings.config)
    configuration = read()
    master_key = configuration.master_key
    for report in configuration.reports:
        lines.warning(report)
    content.allow(settings.trace_content)
    providers = settings.providers or configuration.providers()
    if not providers:
        raise Complaint(f"{settings.config}: there is no deployment to work for")
    if unknown := set(providers) - config.PROVIDERS:
        raise Complaint(f"--providers: there is no adapter for {', '.join(sorted(unknown))}")
    reloader = Reloader(read, configuration, lines)
    patience = Patience(settings.connect_timeout, settings.first_event_timeout, settings.idle_timeout)
    async with (
        RabbitBus.open(settings.amqp_url.get_secret_value(), name="warren-worker") as bus,
        metrics.told("warren-worker", bus.address, settings, "worker", "routing"),
    ):
        taking = working(
            bus,
            configuration,
            os.environ,
            reload=reloader.refresh,
            providers=providers,
            concurrency=settings.concurrency,
            patience=patience,
            reach=Reach.of(settings.fetch_hosts),
            sealer=sealer(settings.secret, master_key.resolve(os.environ) if master_key is not None else None),
        )
        async with drained(settings.drain) as stack:
            worker = await stack.enter_async_context(taking)
            reloader.follow(partial(worker.prepare, settings.providers))
            await stack.enter_async_context(reloader.open())
            lines.info("working", providers=providers, concurrency=settings.concurrency, address=bus.address)
            await stop.wait()
            lines.info("draining", seconds=settings.drain)
    lines.info("stopped")


if __name__ == "__main__":
    settings = load(WorkerSettings)
    log.setup(settings.log_level, settings.log_format, service="worker")
    telemetry.setup("warren-worker")
    run("warren-worker", partial(main, settings))
