"""Traces on their way out of a process, by OTLP. Whatever becomes of them, nobody waits for it.

OpenTelemetry's variables say where to and how (`OTEL_EXPORTER_OTLP_*`, `OTEL_TRACES_*`, `OTEL_BSP_*`); its SDK reads
most of them by itself.
"""

import atexit
import os
import threading
from collections.abc import Mapping, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_OFF

import warren
from warren.telemetry import spans
from warren.telemetry.losses import drop
from warren.telemetry.otlp import Complaints, exporter
from warren.telemetry.sampling import Recorded, Tail

_WAITING = 4096
"""Spans that may wait, unless OTEL_BSP_MAX_QUEUE_SIZE says otherwise: some hundred requests."""
_BATCH = 128
"""Spans in one export, unless OTEL_BSP_MAX_EXPORT_BATCH_SIZE says otherwise. Packing them keeps the interpreter, and so
everybody, waiting for some milliseconds: smaller batches, shorter waits."""
_DELAY = 1000
"""Milliseconds until a batch leaves that is not full, unless OTEL_BSP_SCHEDULE_DELAY says otherwise."""
_LEAVING = 2.0
"""Seconds that the end of a process waits for what is still to be told."""


def setup(service: str, provider: TracerProvider | None = None, environ: Mapping[str, str] = os.environ) -> None:
    """Make spans, if the environment says where they go, or a provider is given (which then owns the export).

    Raises:
        Complaint: they are to go by a protocol that is not there.
    """
    if provider is None and (provider := _provider(service, environ)) is None:
        return
    spans.start(provider)


def _provider(service: str, environ: Mapping[str, str]) -> TracerProvider | None:
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    if not endpoint or off:
        return None
    resource = Resource.create({"service.name": service, "service.version": warren.__version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if provider.sampler in (ALWAYS_OFF, DEFAULT_OFF):
        return None
    provider.sampler = Recorded(provider.sampler)
    outbox = Outbox(exporter("traces", environ), environ)
    provider.add_span_processor(outbox)
    provider.add_span_processor(Tail(outbox.put))
    atexit.register(outbox.shutdown)
    return provider


class Outbox(SpanProcessor):
    """A bounded queue of spans, and a thread that exports them. What has no room is dropped, and counted."""

    def __init__(self, exporter: SpanExporter, environ: Mapping[str, str]) -> None:
        self._most = int(environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or _WAITING)
        size = min(self._most, int(environ.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") or _BATCH))
        delay = float(environ.get("OTEL_BSP_SCHEDULE_DELAY") or _DELAY)
        self._exporter = _Counted(exporter)
        self._batches = BatchSpanProcessor(self._exporter, self._most, delay, size)
        self._put = 0
        self._over = threading.Event()
        # No thread can be started any more when the interpreter ends.
        self._closer = threading.Thread(target=self._close, name="telemetry closes", daemon=True)
        self._closer.start()

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self.put(span)

    def put(self, span: ReadableSpan) -> None:
        """Have this exported, if there is room."""
        if self._put - self._exporter.taken >= self._most:
            drop("traces", 1, "the queue is full: whoever collects them is slow, or away")
            return
        self._put += 1
        self._batches.on_end(span)

    def shutdown(self) -> None:
        """Export what waits, for a moment."""
        self._over.set()
        self._closer.join(_LEAVING)
        if (left := self._put - self._exporter.done) > 0:
            drop("traces", left, "the process ended")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._batches.force_flush(timeout_millis)

    def _close(self) -> None:
        self._over.wait()
        self._batches.shutdown()  # type: ignore[no-untyped-call]


class _Counted(SpanExporter):
    """Counts what an exporter was given, and what it could not get rid of."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._complaints = Complaints()
        self.taken = 0
        self.done = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread
            drop("traces", len(spans), type(error).__name__)
            result = SpanExportResult.FAILURE
        else:
            if result is not SpanExportResult.SUCCESS:
                drop("traces", len(spans), self._complaints.latest)
        self.done += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
