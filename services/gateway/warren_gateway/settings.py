"""The gateway's settings."""

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from warren.config import Config
from warren.settings import Complaint, Names, ServiceSettings, Settings


class HttpSettings(Settings):
    """What it takes to serve HTTP."""

    host: str = "127.0.0.1"
    """The address to listen on. Anything but loopback needs a master key."""

    port: Annotated[int, Field(ge=0, le=65535)] = 4000
    """The port to listen on."""

    master_key: SecretStr | None = None
    """The key that clients must send; general_settings.master_key in the configuration if it is not given here.
    Without one, any key is accepted and only loopback is served."""

    websocket_seconds: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds after which a WebSocket takes no more requests and is closed, as at OpenAI."""

    trust_traceparent: bool = False
    """Take the traceparent header of clients for the parent of a request's trace, with its word on sampling. Else the
    trace is a new one, and only linked to theirs."""

    keep_alive: Annotated[int, Field(ge=1)] = 75
    """Seconds that a silent connection is kept: more than a load balancer keeps it, whose next request could meet its
    end."""

    lame_duck: Annotated[float, Field(ge=0)] = 0.0
    """Seconds of the drain in which a gateway says that it is not ready, and takes requests all the same: more than a
    load balancer needs to see it, and more than clients keep a silent connection."""

    body_memory: Annotated[int, Field(ge=32)] = 256
    """MB that large bodies of requests under way may take together; who comes when they do is told to come back."""

    ops_content: Names
    """Accounts, separated by commas, of which the master key may read on the ops page what was asked and answered,
    beside its own; * is all."""

    trace_url: str | None = None
    """Where a trace can be looked at, for the links of the ops page; {trace_id} stands for its id."""

    secret: SecretStr | None = None
    """Signs ids and seals content. The same for all gateways and workers; several, separated by commas, to change it:
    the first signs, all are accepted. Derived from the master key if it is not given."""

    @field_validator("trace_url")
    @classmethod
    def _is_a_template(cls, url: str | None) -> str | None:
        if url is not None and not (url.startswith(("http://", "https://")) and "{trace_id}" in url):
            raise ValueError("it must look like https://traces.example.com/trace/{trace_id}")
        return url


class GatewaySettings(HttpSettings, ServiceSettings):
    """The gateway speaks HTTP with clients and posts their requests to the workers. Every flag is a variable, too:
    --amqp-url is WARREN_AMQP_URL.
    """

    model_config = SettingsConfigDict(cli_prog_name="python -m warren_gateway")

    config: Path
    """The configuration file: which models there are."""

    lame_duck: Annotated[float, Field(ge=0)] = 10.0
    """Seconds of the drain in which a gateway says that it is not ready, and takes requests all the same: more than a
    load balancer needs to see it, and more than clients keep a silent connection."""


def master_key(settings: HttpSettings, config: Config, environ: Mapping[str, str] = os.environ) -> str | None:
    """The key that clients must send, wherever it was set.

    Raises:
        Complaint: the configuration refers to a variable that is not set.
    """
    if settings.master_key is not None:
        return settings.master_key.get_secret_value()
    if config.master_key is None:
        return None
    key = config.master_key.resolve(config.environ(environ))
    if not key:
        raise Complaint(f"general_settings.master_key: {config.master_key.variable} is not set")
    return key


def guard(host: str, master_key: str | None) -> None:
    """Refuse to serve the world without a key.

    Raises:
        Complaint: this address can be reached from elsewhere.
    """
    if master_key is None and not loopback(host):
        raise Complaint(
            f"--host {host} can be reached from other machines: set WARREN_MASTER_KEY (or general_settings.master_key) "
            "first, or listen on 127.0.0.1"
        )


def loopback(host: str) -> bool:
    """Whether this name or address is that of this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
