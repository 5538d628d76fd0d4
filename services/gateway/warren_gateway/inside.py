"""One set of services for one configuration, in a loop of somebody's program."""

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from warren import log
from warren.config import Config
from warren.exceptions import BadRequestError
from warren_gateway.embedded import UpSettings, embedded

_LINES = logging.getLogger("warren")


@asynccontextmanager
async def serving(config: Config, data: Path | None) -> AsyncIterator[tuple[str, str]]:
    """Serve this configuration while open; gives the base URL, on loopback, and the only key that opens it.

    `data`: where responses are kept; by default where `warren up` keeps them, too.

    Raises:
        Complaint: the folder cannot be used, or a setting of the environment is wrong.
    """
    log.inside()
    key = secrets.token_urlsafe(32)
    given: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "master_key": SecretStr(key)}
    if data is not None:
        given["data"] = data
    async with embedded(config, UpSettings(**given)) as url:
        yield url, key


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
