"""What operators see of a process from outside: traces (`spans`).

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` (or the traces' own variable) is set; the OpenTelemetry SDK reads the rest
of its `OTEL_*` variables by itself.
"""

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from warren.telemetry import spans
from warren.telemetry.spans import headers, span, trace_id

__all__ = ["headers", "setup", "span", "trace_id"]


def setup(service: str, provider: TracerProvider | None = None) -> None:
    """Switch tracing on, if the environment says where to or a provider is given (which then owns the export)."""
    wanted = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if provider is None:
        if not any(os.environ.get(name) for name in wanted):
            return
        provider = TracerProvider(resource=Resource.create({"service.name": service}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    spans.start(provider)
