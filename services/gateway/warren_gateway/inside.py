"""What services inside of somebody's program are given: settings, and a configuration."""

import logging
import secrets
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from warren.config import Config
from warren.exceptions import BadRequestError
from warren_gateway.embedded import UpSettings

_LINES = logging.getLogger("warren")


def settings(data: Path | None) -> UpSettings:
    """Settings for services that only this process can call: on loopback, on any port, with a key that nobody knows.

    `data`: where responses are kept; by default where `warren up` keeps them, too.
    """
    given: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "master_key": SecretStr(secrets.token_urlsafe(32))}
    return UpSettings(**given) if data is None else UpSettings(**given, data=data)


def reported(config: Config, *, whole: bool) -> Config:
    """This configuration, what has no effect in it told; a `whole` one is a file, whose lines can be looked up.

    Raises:
        BadRequestError: nothing of it has.
    """
    reports = [report if whole else report.partition(": ")[2] for report in config.reports]
    if reports and not config.deployments:
        raise BadRequestError(reports[0], param="model", code="invalid_configuration")
    for report in reports:
        _LINES.warning(report)
    return config
