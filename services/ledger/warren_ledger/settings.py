"""The ledger's settings."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from warren.settings import Names, ServiceSettings
from warren_ledger.runs import WINDOW
from warren_ledger.store import KEEP


class LedgerSettings(ServiceSettings):
    """The ledger keeps responses and what they cost, in MongoDB. Every flag is a variable, too: --amqp-url is
    WARREN_AMQP_URL.
    """

    model_config = SettingsConfigDict(cli_prog_name="python -m warren_ledger")

    mongo_url: SecretStr = SecretStr("mongodb://localhost:27017/warren")
    """Where the database is; mongodb://localhost:27017/warren by default."""

    @field_validator("mongo_url")
    @classmethod
    def _is_mongo(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("it must look like mongodb://host:27017/warren")
        return url

    keep: Annotated[timedelta, Field(gt=timedelta())] = KEEP
    """Forget the content of responses after this long (P30D: 30 days; or seconds); what they cost stays known."""

    request_log: Annotated[Names, Field(default_factory=lambda: ["stdout"])]
    """Where to write a line about each request, separated by commas: stdout, file:PATH, the URL of a webhook, otlp, or
    the name of one of LiteLLM's callbacks; stdout by default, nowhere: none."""

    webhook_secret: SecretStr | None = None
    """What webhooks are signed with: whsec_ and base64, or any text; better a variable than a flag."""

    log_content: Names
    """Accounts of which those lines say, too, what was asked and answered."""

    config: Path | None = None
    """The configuration file; of it, the ledger reads which callbacks there are."""

    log_window: Annotated[timedelta, Field(gt=timedelta())] = WINDOW
    """For how long streams of background responses can be followed again, and Idempotency-Keys are known (PT24H: 24
    hours; or seconds)."""
