"""What every process does with its machine."""

from deploy.grafana.source.panels import Dashboard, Panel, Row
from deploy.grafana.source.promql import gauge, rates, slow

_EACH = ("job", "instance")
_OURS = 'job=~"warren-.*"'

PROCESSES = Row(
    "Processes",
    (
        Panel("Event loop is late, p99", "s", slow("warren_event_loop_lag_seconds", *_EACH, share=0.99), bad_from=0.25,
              about="How much later than it should a timer fires. All that is in this process waits so long."),
        Panel("CPU", "percentunit", rates("process_cpu_time_seconds_total", *_EACH, where=_OURS),
              about="Of one core; more than one is of little use to a process."),
        Panel("Memory", "bytes", gauge("sum", "process_memory_usage_bytes", *_EACH, where=_OURS)),
        Panel("File descriptors", "none", gauge("sum", "process_unix_file_descriptor_count", *_EACH, where=_OURS)),
        Panel("Connected to the broker", "none", gauge("min", "warren_bus_connected", *_EACH)),
        Panel("Telemetry dropped", "ops", rates("warren_telemetry_dropped_total", "job", "warren_signal")),
    ),
)  # fmt: skip

PROCESS = Dashboard("processes", "Warren: processes", (PROCESSES,))
