"""All of Warren in one process: memory instead of RabbitMQ, SQLite instead of MongoDB, the same three services."""

import asyncio
import json
import os
import secrets
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import structlog
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from warren import config as configuration
from warren import ids, local_model, log, telemetry
from warren.bus.memory import MemoryBroker
from warren.config import Config
from warren.outbound import Reach
from warren.reloading import Reloader
from warren.settings import Complaint, Names, drained, load, run
from warren.sinks import all_of
from warren.telemetry import content, metrics
from warren_gateway.run import gateway
from warren_gateway.settings import HttpSettings, master_key
from warren_ledger.ledger import recording
from warren_ledger.requestlog import RequestLog
from warren_ledger.store.sqlite import SqliteStore
from warren_worker.handler import working
from warren_worker.sealing import sealer
from warren_worker.upstream import Patience

_LAST_WORDS = 1.0
"""Seconds for what the gateway ends at the drain deadline to be told and recorded."""
QUESTION = "Say hello in one short sentence."


class UpSettings(HttpSettings):
    """Serve the API from this process alone: no RabbitMQ, no MongoDB. Without a configuration, with a local model.
    Every flag is a variable, too: --port is WARREN_PORT.
    """

    model_config = SettingsConfigDict(cli_prog_name="warren up")

    config: Path | None = None
    """The configuration file: which models there are."""

    data: Path = Path("~/.local/share/warren")
    """Where responses are kept."""

    concurrency: Annotated[int, Field(ge=1)] = 256
    """Requests to work on at the same time."""

    request_log: Names
    """Where to write a line about each request, separated by commas: stdout, file:PATH, the URL of a webhook, otlp, or
    the name of one of LiteLLM's callbacks; nowhere by default."""

    webhook_secret: SecretStr | None = None
    """What webhooks are signed with: whsec_ and base64, or any text; better a variable than a flag."""

    log_content: Names
    """Accounts of which those lines say, too, what was asked and answered."""

    trace_content: Names
    """Accounts of which traces may say what was asked and answered, separated by commas; they do so where
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says."""

    fetch_hosts: Names
    """Names, addresses and networks, separated by commas, that media in requests may be fetched from beside the public
    internet, where a provider wants bytes."""


def up(arguments: list[str]) -> None:
    """The command `warren up`."""
    settings = load(UpSettings, arguments=arguments)
    log.setup(settings.log_level, settings.log_format, service="warren")
    telemetry.setup("warren")
    run("warren up", partial(main, settings))


async def main(settings: UpSettings, stop: asyncio.Event) -> None:
    """Serve until told to stop. The first thing served is a question of our own, so that it is known to work."""
    content.allow(settings.trace_content)
    async with AsyncExitStack() as stack:
        config = await _config(settings, stack)
        for report in config.reports:
            structlog.get_logger("warren").warning(report)
        reloader = None
        if settings.config is not None:
            read = partial(configuration.load, settings.config)
            reloader = Reloader(read, config, structlog.get_logger("warren"))
        told = metrics.told("warren", ids.new("process"), settings, "gateway", "routing", "worker", "ledger")
        await stack.enter_async_context(told)
        url = await stack.enter_async_context(embedded(config, settings, reloader))
        if reloader is not None:
            await stack.enter_async_context(reloader.open())
        key = master_key(settings, config) or "any"
        if settings.config is None:
            answer = await asyncio.to_thread(_ask, url, key)
            sys.stdout.write(answer + _commands(url, key))
        else:
            sys.stdout.write(f"Serving {', '.join(config.models())} at {url}; {url}/ops shows how it goes\n")
        sys.stdout.flush()
        await stop.wait()


@asynccontextmanager
async def embedded(config: Config, settings: UpSettings, reloader: Reloader | None = None) -> AsyncIterator[str]:
    """The three services on one memory bus and one SQLite file, while open; gives the base URL. With a `reloader`, by
    whichever configuration is in force.

    `settings.drain` may still be changed before it closes.
    """
    data = settings.data.expanduser()
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Complaint(f"--data {data}: {error.strerror}") from None
    if settings.secret is None:
        settings.secret = SecretStr(_secret(data / "secret"))
    environ = config.environ(os.environ)
    sinks, reports = all_of(settings.request_log, config.callbacks, environ, settings.webhook_secret)
    for report in reports:
        structlog.get_logger("warren").warning(report)
    broker = MemoryBroker()
    async with (
        SqliteStore.open(data / "warren.db") as store,
        broker.open() as ledger_bus,
        broker.open() as worker_bus,
        broker.open() as gateway_bus,
        recording(
            ledger_bus,
            store,
            max(settings.request_timeout, settings.background_timeout),
            requests=RequestLog(store, sinks, settings.log_content),
        ),
        drained(lambda: settings.drain + _LAST_WORDS) as stack,
    ):
        worker = await stack.enter_async_context(
            working(
                worker_bus,
                config,
                os.environ,
                reload=(lambda: config) if reloader is None else reloader.refresh,
                providers=config.providers(),
                concurrency=settings.concurrency,
                patience=Patience(),
                reach=Reach.of(settings.fetch_hosts),
                sealer=sealer(settings.secret, None),
            )
        )
        if reloader is not None:
            reloader.follow(partial(worker.prepare, []))
        key = master_key(settings, config)
        url = await stack.enter_async_context(gateway(gateway_bus, config, settings, key, reloader))
        yield url


async def _config(settings: UpSettings, stack: AsyncExitStack) -> Config:
    """The configuration in force: the file's, or one with the local model, which is started for it."""
    if settings.config is not None:
        return configuration.load(settings.config)
    base = await stack.enter_async_context(local_model.serving())
    return configuration.parse(
        json.dumps(
            {
                "model_list": [
                    {
                        "model_name": local_model.MODEL,
                        "litellm_params": {
                            "model": f"openai/{local_model.MODEL}",
                            "api_base": base,
                            "api_key": "none",
                            "use_chat_completions_api": True,
                        },
                        "model_info": {"id": local_model.MODEL},
                    }
                ]
            }
        )
    )


def _secret(path: Path) -> str:
    """This data directory's own secret, made the first time. Several processes may come first: one of them does."""
    if not path.exists():
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix="secret-")
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(name, path)  # whole, or not at all
        Path(name).unlink()
    return path.read_text()


def _ask(url: str, key: str) -> str:
    """What the model says to a first question, and how long that took, as text for a person."""
    body = {"model": local_model.MODEL, "input": QUESTION, "max_output_tokens": 60, "temperature": 0}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    started = monotonic()
    request = urllib.request.Request(f"{url}/v1/responses", json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310  # our own server
        response: dict[str, Any] = json.load(answer)
    text = " ".join(part["text"] for item in response["output"] for part in item.get("content", ()))
    usage = response["usage"]
    return (
        f"> {QUESTION}\n{text}\n"
        f"  {response['id']}: {usage['input_tokens']} tokens in, {usage['output_tokens']} out, "
        f"{monotonic() - started:.2f} s\n"
    )


def _commands(url: str, key: str) -> str:
    return f"""
Serving {local_model.MODEL} at {url}. Try:

curl {url}/v1/responses -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
  -d '{{"model": "{local_model.MODEL}", "input": "Who was Michael Jordan?", "max_output_tokens": 100}}'

curl -N {url}/v1/responses -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
  -d '{{"model": "{local_model.MODEL}", "input": "Tell me a story.", "max_output_tokens": 100, "stream": true}}'

{sys.executable} -c 'from openai import OpenAI; c = OpenAI(base_url="{url}/v1", api_key="{key}"); \\
print(c.responses.create(model="{local_model.MODEL}", input="What is a warren?", max_output_tokens=100).output_text)'

{url}/ops shows how it goes. Ctrl-C ends it.
"""
