"""What is written down, and how soon."""

from deploy.grafana.source.panels import Dashboard, Panel, Row
from deploy.grafana.source.promql import CODE, FAILED, gauge, mean, quantiles, rate, rates

_WRITE = "warren_ledger_write_duration_seconds"

WRITING = Row(
    "Writing",
    (
        Panel("Behind", "s", quantiles("warren_ledger_lag_seconds"),
              about="From the end of a response until it is in the store's journal."),
        Panel("A write", "s", quantiles(_WRITE)),
        Panel("Failed writes by code", "ops", rates(f"{_WRITE}_count", CODE, where=FAILED)),
        Panel("Outcomes by status", "ops", rates("warren_outcomes_total", "warren_status"), stacked=True),
        Panel("Failed outcomes by code", "ops", rates("warren_outcomes_total", CODE, where=FAILED), stacked=True),
        Panel("Messages in one write, on average", "none", {"": mean("warren_ledger_batch_size")}),
        Panel("Ended twice", "ops", {"": rate("warren_outcomes_superseded_total")},
              about="The first end stands, all calls are charged."),
    ),
)  # fmt: skip

SINKS = Row(
    "Where requests leave a line",
    (
        Panel("Waiting", "none", gauge("max", "warren_sinks_pending", "warren_sink"), width=12,
              about="Lines that a sink has not taken yet. They are tried for a week."),
        Panel("Not taken", "ops", rates("warren_sinks_failures_total", "warren_sink"), width=12),
    ),
)  # fmt: skip

LEDGER = Dashboard("ledger", "Warren: ledger", (WRITING, SINKS))
