"""Logging: one structured line where something happened that an operator would want to know.

Request bodies, outputs and keys are never logged; libraries that print bodies are silenced here.
"""

import logging
import sys
import traceback
from typing import Literal

import structlog

from warren.telemetry import spans

_QUIET = {
    "aio_pika": logging.ERROR,
    "aiormq": logging.CRITICAL,  # prints message bodies with its errors
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,  # prints every URL
    "motor": logging.WARNING,
    "pymongo": logging.WARNING,
    "uvicorn": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}


def setup(level: str = "info", form: Literal["auto", "json", "console"] = "auto", *, service: str) -> None:
    """Send structlog's and the standard library's lines through one renderer to stderr."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _traced,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _logger, _name, event: {"service": service, **event},
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_words,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    structlog.configure(
        processors=[
            *shared[:3],
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            shared[-1],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def inside() -> None:
    """Send structlog's lines to the standard library's loggers, below `warren`, where the program that we are inside of
    decides about them; unless it has set up structlog itself.
    """
    if not structlog.is_configured():
        structlog.configure(
            processors=[_without_words, structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.stdlib.LoggerFactory(),
        )


def _traced(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A line that belongs to a request names its trace."""
    if trace_id := spans.trace_id():
        event.setdefault("trace_id", trace_id)
    return event


def _without_words(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Say of an exception what it is and where it was raised. Its text may quote a prompt, or a key."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if error is not None:
        event["exception"] = type(error).__name__
        event["where"] = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return event
