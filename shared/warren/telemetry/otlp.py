"""The SDK's exporters by OTLP, over what the environment asks for, and what they complain of."""

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

from warren.settings import Complaint

_EXPORTERS = {"traces": ("trace_exporter", "OTLPSpanExporter"), "metrics": ("metric_exporter", "OTLPMetricExporter")}
_PROTOCOLS = {"http/protobuf": "http", "grpc": "grpc"}
_LONGEST = 300
"""Characters of a complaint."""


def exporter(signal: Literal["traces", "metrics"], environ: Mapping[str, str]) -> Any:
    """An exporter; where to, it reads from the environment itself.

    Raises:
        Complaint: it is to speak a protocol that is not there.
    """
    protocol = (
        environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    if protocol not in _PROTOCOLS:
        known = " and ".join(_PROTOCOLS)
        raise Complaint(f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol!r} is not spoken here; {known} are")
    module, name = _EXPORTERS[signal]
    try:
        found = import_module(f"opentelemetry.exporter.otlp.proto.{_PROTOCOLS[protocol]}.{module}")
    except ImportError:
        raise Complaint(
            f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol} takes an extra: pip install 'warren[otlp-grpc]'"
        ) from None
    return getattr(found, name)()


class Complaints(logging.Handler):
    """What exporters log: several lines for every export that fails, of which one a minute is enough (`losses`)."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.latest = "whoever collects it does not take it"
        logger = logging.getLogger("opentelemetry.exporter")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.latest = record.getMessage()[:_LONGEST]
