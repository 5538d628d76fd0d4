"""What operators see of a process from outside: traces (`spans`, `tracing`).

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` (or the traces' own variable) is set; the OpenTelemetry SDK reads the rest
of its `OTEL_*` variables by itself.
"""

from opentelemetry.sdk.trace import TracerProvider

from warren.settings import Complaint, give_up
from warren.telemetry import tracing
from warren.telemetry.losses import dropped
from warren.telemetry.spans import (
    code_of,
    current,
    event,
    fail,
    headers,
    link,
    on,
    remote,
    say,
    span,
    trace_id,
    traceparent,
)

__all__ = [
    "code_of", "current", "dropped", "event", "fail", "headers", "link", "on", "remote", "say", "setup", "span",
    "trace_id", "traceparent",
]  # fmt: skip


def setup(service: str, provider: TracerProvider | None = None) -> None:
    """Switch on what the environment asks for; a provider that is given owns the export of spans. What cannot be ends
    the program with a sentence.
    """
    try:
        tracing.setup(service, provider)
    except Complaint as complaint:
        give_up(service, str(complaint))
