"""The worker's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from warren.settings import Names, ServiceSettings


class WorkerSettings(ServiceSettings):
    """The worker takes jobs, calls the providers and sends back what they say. Start more to serve more. Every
    flag is a variable, too: --amqp-url is WARREN_AMQP_URL.
    """

    model_config = SettingsConfigDict(cli_prog_name="python -m warren_worker")

    config: Path
    """The configuration file: which models there are and where."""

    providers: Names
    """Take only these providers' jobs, separated by commas; all that the configuration uses by default."""

    concurrency: Annotated[int, Field(ge=1, le=2000)] = 256
    """Jobs to run at the same time, for each provider."""

    fetch_hosts: Names
    """Names, addresses and networks, separated by commas, that media in requests may be fetched from beside the public
    internet, where a provider wants bytes."""

    secret: SecretStr | None = None
    """Seals content that clients carry. The same for all gateways and workers; several, separated by commas, to change
    it. Derived from general_settings.master_key in the configuration if it is not given."""

    trace_content: Names
    """Accounts of which traces may say what was asked and answered, separated by commas; they do so where
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says."""

    connect_timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds to reach a provider."""

    first_event_timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds from a request to the provider's first event."""

    idle_timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds from one event of a provider to the next."""
