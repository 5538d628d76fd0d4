"""`python -m warren_ledger`."""

import asyncio
import os
from functools import partial

import structlog

from warren import config as configuration
from warren import log, sinks, telemetry
from warren.bus.rabbit import RabbitBus
from warren.settings import drained, load, run
from warren.sinks import Callback, Sink
from warren.telemetry import metrics
from warren_ledger.ledger import recording
from warren_ledger.requestlog import RequestLog
from warren_ledger.settings import LedgerSettings
from warren_ledger.store.mongo import MongoStore


async def main(settings: LedgerSettings, stop: asyncio.Event) -> None:
    lines = structlog.get_logger("warren.ledger")
    told = _sinks(settings)
    async with (
        MongoStore.open(settings.mongo_url.get_secret_value(), keep=settings.keep) as store,
        RabbitBus.open(settings.amqp_url.get_secret_value(), name="warren-ledger") as bus,
        metrics.told("warren-ledger", bus.address, settings, "ledger"),
        drained(settings.drain) as stack,
    ):
        longest = max(settings.request_timeout, settings.background_timeout)
        requests = RequestLog(store, told, settings.log_content)
        await stack.enter_async_context(recording(bus, store, longest, window=settings.log_window, requests=requests))
        lines.info("recording", keep=str(settings.keep))
        await stop.wait()
        lines.info("draining", seconds=settings.drain)
    lines.info("stopped")


def _sinks(settings: LedgerSettings) -> list[Sink]:
    """
    Raises:
        Complaint: one of them cannot be.
    """
    callbacks: tuple[Callback, ...] = ()
    environ: dict[str, str] = dict(os.environ)
    if settings.config is not None:
        config = configuration.load(settings.config)
        callbacks, environ = config.callbacks, config.environ(environ)
    made, reports = sinks.all_of(settings.request_log, callbacks, environ, settings.webhook_secret)
    for report in reports:
        structlog.get_logger("warren.ledger").warning(report)
    return made


if __name__ == "__main__":
    settings = load(LedgerSettings)
    log.setup(settings.log_level, settings.log_format, service="ledger")
    telemetry.setup("warren-ledger")
    run("python -m warren_ledger", partial(main, settings))
