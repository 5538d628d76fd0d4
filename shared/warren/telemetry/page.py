"""The page about metrics, made of the table of instruments: `python -m warren.telemetry.page` prints it."""

import sys
from collections.abc import Iterator

import warren.telemetry.instruments  # noqa: F401  # fills the table
from warren.telemetry.measuring import ALL, CODES, SERIES, Histogram, Instrument

_TITLES = {
    "gateway": "Gateway",
    "routing": "Routing, in gateways and workers",
    "bus": "Messages, in every service",
    "worker": "Worker",
    "ledger": "Ledger",
    "every service": "Process, in every service",
}
_UNITS = {"s": "seconds", "By": "bytes"}
_HEAD = f"""# Metrics

<!-- Written by `make docs`. -->

Every service tells what it does as Prometheus's text at `http://WARREN_METRICS_HOST:WARREN_METRICS_PORT/metrics`, and
pushes it by OTLP over HTTP. Nothing is recorded while neither is set.

| variable | default | meaning |
|---|---|---|
| `WARREN_METRICS_PORT` | | the port to serve on; 0 is a free one, which the log tells (`metrics`); none: not served |
| `WARREN_METRICS_HOST` | `127.0.0.1` | the address to serve on; whoever reaches it may read, without a key |
| `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` | | where to push; none: not pushed |
| `OTEL_METRIC_EXPORT_INTERVAL` | `60000` | milliseconds from push to push |
| `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative` | `delta`: tell what came since the last push |

The OpenTelemetry SDK reads its other `OTEL_…` variables, too. The containers serve on port 9464, which
`docker-compose.yml` does not publish. `warren up` tells of all services in one.

**Labels** come from the configuration (groups, deployments, providers), the routes, and the codes of errors; there is
none for accounts, keys, users or anything else that clients choose. A model that is not configured is `_other`, one of
a wildcard the pattern. Codes of errors that are not ours are told apart up to {CODES}; an instrument has {SERIES:,}
series, and then one of `_other`. An `error.type` that is absent (in Prometheus: empty) means that it went well. Names
of OpenTelemetry's conventions are those of 1.44; GenAI's conventions are still in development.

**Names** are given as OTLP has them and as Prometheus has them; a histogram also has `_bucket`, `_sum` and `_count`.
Each process says who it is: `service.name`, `service.instance.id` and `service.version`, in Prometheus the labels of
`target_info`. Counters and histograms without labels are 0 from the start; others appear with the first event.
"""


def page() -> str:
    parts = [_HEAD]
    for service, title in _TITLES.items():
        parts += [f"\n## {title}\n", "\n| name | Prometheus | kind, unit | what | labels |\n|---|---|---|---|---|\n"]
        parts += [_row(one) for one in ALL.values() if one.service == service]
    parts += ["\n## Buckets\n\n", "| histogram | upper bounds |\n|---|---|\n", *_buckets()]
    return "".join(parts)


def prometheus(one: Instrument) -> str:
    """Its name in Prometheus, without what that adds to a histogram's."""
    suffixes = (_UNITS.get(one.unit), "total" if one.kind == "counter" else None)
    return "_".join(filter(None, (one.name.replace(".", "_"), *suffixes)))


def _row(one: Instrument) -> str:
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{one.name}` | `{prometheus(one)}` | {one.kind}, {one.unit} | {one.said} | {labels} |\n"


def _buckets() -> Iterator[str]:
    for one in ALL.values():
        if isinstance(one, Histogram):
            yield f"| `{one.name}` | {', '.join(f'{bound:g}' for bound in one.bounds)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
