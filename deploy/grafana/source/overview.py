"""What the person on call opens first: is it up, is it well, does it keep its promises."""

from deploy.grafana.source.panels import Dashboard, Panel, Row
from deploy.grafana.source.promql import CODE, FAILED, MODEL, gauge, quantiles, rates, total

HTTP = "http_server_request_duration_seconds"
RESPONSE = "gen_ai_server_request_duration_seconds"
FIRST = "gen_ai_server_time_to_first_token_seconds"
WAIT = "warren_queue_wait_seconds"

_WINDOWS = ("5m", "1h", "6h", "3d")

GLANCE = Row(
    "At a glance",
    (
        Panel("What fires", "none", {"": 'ALERTS{alertstate="firing"}'}, kind="table", width=12,
              about="Each alert has its section in docs/operations.md."),
        Panel("Availability, 30 days", "percentunit", {"": "1 - warren:responses:error_ratio30d"}, kind="stat", width=4,
              about="Requests for responses that did not fail by our or the provider's fault. 99.9 % is wanted."),
        Panel("Error budget left", "percentunit", {"": "warren:responses:error_budget_left"}, kind="stat", width=4,
              about="1 is untouched, below 0 the objective of these 30 days is missed."),
        Panel("Cost by hour", "currencyUSD", {"": "sum(rate(warren_cost_total[5m])) * 3600"}, kind="stat", width=4),
        Panel("Processes", "none", gauge("sum", "up", "job"), kind="stat", width=24),
    ),
)  # fmt: skip

PROMISES = Row(
    "Must be 0, or explained",
    (
        Panel("Dead letters", "none", total("warren_dead_letters_total"), kind="stat", bad_from=1, width=3,
              about="Messages that nobody could handle. Their responses ended as failed (P1)."),
        Panel("Interrupted streams", "none", total("warren_interruptions_total"), kind="stat", bad_from=1, width=3,
              about="A worker died after its stream had shown output (P3)."),
        Panel("Superseded outcomes", "none", total("warren_outcomes_superseded_total"), kind="stat", bad_from=1,
              width=3, about="A response ended twice: the first end stands, all calls are charged (P2)."),
        Panel("Fenced attempts", "none", total("warren_fenced_total"), kind="stat", bad_from=1, width=3,
              about="An attempt found that it had been replaced, or that its response had ended (P3)."),
        Panel("Gaps asked for again", "none", total("warren_resumes_total"), kind="stat", bad_from=1, width=3,
              about="Parts of streams that had not come (P5). Expected when the broker was away."),
        Panel("Redeliveries", "none", total("warren_redeliveries_total"), kind="stat", bad_from=1, width=3,
              about="Messages that came again: a process died, or lost the broker."),
        Panel("Calls without a price", "none", total("warren_cost_unknown_total"), kind="stat", bad_from=1, width=3,
              about="Recorded as unknown, never as 0 (P7)."),
        Panel("Telemetry dropped", "none", total("warren_telemetry_dropped_total"), kind="stat", bad_from=1, width=3,
              about="Spans and the like that could not be exported. Requests do not suffer."),
    ),
)  # fmt: skip

TRAFFIC = Row(
    "Traffic",
    (
        Panel("Requests by route", "reqps", rates(f"{HTTP}_count", "http_route"), stacked=True),
        Panel("Requests by status", "reqps", rates(f"{HTTP}_count", "http_response_status_code"), stacked=True),
        Panel("Under way, by mode", "none", gauge("sum", "warren_flights", "warren_mode"), stacked=True),
        Panel("Responses by model", "reqps", rates(f"{RESPONSE}_count", MODEL), stacked=True),
        Panel("Failed responses by code", "reqps", rates(f"{RESPONSE}_count", CODE, where=FAILED), stacked=True,
              about="Refused, or not ended well. Each code has its section in docs/operations.md."),
        Panel("Refused before they began, by code", "reqps", rates("warren_refusals_total", CODE), stacked=True,
              about="No job was posted: a bad request, no right, no money, no room."),
    ),
)  # fmt: skip

OBJECTIVE = Row(
    "Objective: 99.9 % of requests for responses do not fail by our or the provider's fault",
    (
        Panel("Share of failures", "percentunit",
              {window: f"warren:responses:error_ratio{window}" for window in _WINDOWS}, width=12),
        Panel("Burn rate", "none", {window: f"warren:responses:error_ratio{window} / 0.001" for window in _WINDOWS},
              width=12, bad_from=14.4,
              about="At 1 the budget of 30 days lasts 30 days. 14.4 over an hour wakes somebody up."),
    ),
)  # fmt: skip

SPEED = Row(
    "Speed",
    (
        Panel("First token of a stream", "s", quantiles(FIRST)),
        Panel("Whole response", "s", quantiles(RESPONSE)),
        Panel("A job waits for a worker", "s", quantiles(WAIT)),
    ),
)

OVERVIEW = Dashboard("overview", "Warren: overview", (GLANCE, PROMISES, TRAFFIC, OBJECTIVE, SPEED))
