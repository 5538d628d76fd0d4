"""Metrics: what the instruments hold, as Prometheus's text on a port of its own and pushed by OTLP.

Counters and histograms are ours (`measuring`), gauges, the process's own figures and all of exporting the SDK's: it
reads the `OTEL_*` variables by itself.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from time import time_ns
from typing import Any

import structlog
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, start_http_server

import warren
from warren.settings import Complaint, Settings
from warren.telemetry import instruments, process
from warren.telemetry.measuring import ALL, SWITCH, Counter, Gauge, Histogram, Instrument, Labels, Service

log = structlog.get_logger("warren")

_LEAVING = 2000.0
"""Milliseconds that the last push may take."""
_CUMULATIVE, _DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
_dropped = {"metrics": 0}


@asynccontextmanager
async def told(service: str, instance: str, settings: Settings, *parts: Service) -> AsyncIterator[None]:
    """While open, whoever asks is told, and whoever is to be told is; what nobody wants to know is not recorded.

    `parts`: whose instruments these are; those that every service has are told anyway.

    Raises:
        Complaint: the port is taken.
    """
    wanted = any(os.environ.get(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT") for kind in ("", "METRICS_"))
    if settings.metrics_port is None and not wanted:
        yield
        return
    ours = frozenset({*parts, "bus", "every service"})
    resource = Resource.create(
        {"service.name": service, "service.instance.id": instance, "service.version": warren.__version__}
    )
    readers: list[Any] = []
    registry = _Registry()
    if settings.metrics_port is not None:
        readers.append(_Page(ours, registry))
    if wanted:
        readers.append(PeriodicExportingMetricReader(_Pushed(OTLPMetricExporter(), ours)))
    provider = sdk.MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    async with AsyncExitStack() as stack:
        stack.enter_context(SWITCH.turned())
        stack.push_async_callback(asyncio.to_thread, provider.shutdown, _LEAVING)
        _observe(provider.get_meter("warren", warren.__version__), ours)
        stack.enter_context(instruments.DROPPED.told(lambda: [(number, what) for what, number in _dropped.items()]))
        await stack.enter_async_context(process.watched())
        if settings.metrics_port is not None:
            url = stack.enter_context(_served(registry, settings.metrics_host, settings.metrics_port))
            log.info("metrics", url=url)
        yield


@contextmanager
def _served(registry: CollectorRegistry, host: str, port: int) -> Iterator[str]:
    """Serve the text, by threads; gives where."""
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise Complaint(f"cannot serve metrics on {host}:{port}: {error.strerror or error}") from None
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _observe(meter: Meter, parts: Collection[Service]) -> None:
    for one in _of(Gauge, parts):
        make = meter.create_observable_counter if one.counts else meter.create_observable_gauge
        make(one.name, [_callback(one)], one.unit, one.said)


def _callback(gauge: Gauge) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _options: [Observation(value, gauge.named(labels)) for value, labels in gauge.read()]


def _of(kind: Any, parts: Collection[Service]) -> list[Any]:
    return [one for one in ALL.values() if isinstance(one, kind) and one.service in parts]


class _Recorded:
    """What counters and histograms hold, for one reader, which may want to know only what came since it last asked."""

    def __init__(self, parts: Collection[Service], temporality: AggregationTemporality) -> None:
        self._instruments: list[Counter | Histogram] = _of((Counter, Histogram), parts)
        self._temporality = temporality
        self._since = time_ns()
        self._before: dict[tuple[str, Labels], Any] = {}

    def add(self, data: MetricsData) -> MetricsData:
        """This, and what was recorded."""
        resource = data.resource_metrics[0]
        scope = resource.scope_metrics[0]
        scope = replace(scope, metrics=[*scope.metrics, *self._metrics()])
        return replace(data, resource_metrics=[replace(resource, scope_metrics=[scope])])

    def _metrics(self) -> Iterator[Metric]:
        now = time_ns()
        for one in self._instruments:
            if points := list(self._points(one, now)):
                yield Metric(one.name, one.said, one.unit, self._data(one, points))
        if self._temporality is _DELTA:
            self._since = now

    def _points(self, one: Counter | Histogram, now: int) -> Iterator[Any]:
        if isinstance(one, Histogram):
            for labels, row in one.rows.copy().items():
                total, *counts = self._new(one, labels, row.copy())
                yield HistogramDataPoint(
                    one.named(labels), self._since, now, int(sum(counts)), total, list(map(int, counts)), one.bounds,
                    None, None,  # type: ignore[arg-type]  # the least and the most: OTLP has them optional
                )  # fmt: skip
        else:
            for labels, number in one.rows.copy().items():
                yield NumberDataPoint(one.named(labels), self._since, now, self._new(one, labels, [number])[0])

    def _new(self, one: Instrument, labels: Labels, row: list[float]) -> list[float]:
        """Of this series, what came since this reader last asked, if that is what it wants to know."""
        if self._temporality is not _DELTA or one.kind == "gauge":
            return row
        before = self._before.get((one.name, labels)) or [0] * len(row)
        self._before[one.name, labels] = row
        return [new - old for new, old in zip(row, before, strict=True)]

    def _data(self, one: Counter | Histogram, points: list[Any]) -> Sum | HistogramData:
        if isinstance(one, Histogram):
            return HistogramData(points, self._temporality)
        grows = one.kind == "counter"
        return Sum(points, self._temporality if grows else _CUMULATIVE, is_monotonic=grows)


class _Registry(CollectorRegistry):
    """Is asked by one thread at a time: the reader would tell one of two all, and that twice."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()

    def collect(self) -> Iterator[Any]:
        with self._turn:
            return iter(list(super().collect()))


class _Page(PrometheusMetricReader):
    """Answers Prometheus."""

    def __init__(self, parts: Collection[Service], registry: CollectorRegistry) -> None:
        super().__init__(scope_info_enabled=False, registry=registry)
        self._recorded = _Recorded(parts, _CUMULATIVE)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        super()._receive_metrics(self._recorded.add(metrics_data), timeout_millis, **kwargs)


class _Pushed(MetricExporter):
    """Pushes by an exporter of the SDK's."""

    def __init__(self, exporter: MetricExporter, parts: Collection[Service]) -> None:
        preferred = exporter._preferred_temporality or {}  # noqa: SLF001  # the SDK's reader looks there, too
        super().__init__(preferred, exporter._preferred_aggregation)  # noqa: SLF001
        self._exporter = exporter
        self._recorded = _Recorded(parts, preferred.get(sdk.Counter, _CUMULATIVE))

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        result = self._exporter.export(self._recorded.add(metrics_data), timeout_millis, **kwargs)
        _dropped["metrics"] += result is not MetricExportResult.SUCCESS
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._exporter.shutdown(timeout_millis, **kwargs)
