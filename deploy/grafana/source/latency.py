"""Where the time goes."""

from deploy.grafana.source.overview import FIRST, HTTP, RESPONSE, WAIT
from deploy.grafana.source.panels import Dashboard, Panel, Row
from deploy.grafana.source.promql import DEPLOYMENT, MODEL, PROVIDER, legend, mean, quantiles, rate, slow

GAP = "gen_ai_server_time_per_output_token_seconds"
CALL = "gen_ai_client_operation_duration_seconds"
FIRST_CHUNK = "gen_ai_client_operation_time_to_first_chunk_seconds"
CHUNK = "gen_ai_client_operation_time_per_output_chunk_seconds"
BUS = "messaging_client_operation_duration_seconds"
DESTINATION = "messaging_destination_name"
CHOSEN = f'{MODEL}=~"$model"'
_JOBS = f'messaging_operation_name="send", {DESTINATION}=~"jobs.+"'

FIRST_TOKEN = Row(
    "The first token of a stream",
    (
        Panel("First token", "s", quantiles(FIRST, CHOSEN)),
        Panel("First token, p95 by model", "s", slow(FIRST, MODEL, where=CHOSEN)),
        Panel("What it waits for, on average", "s", {
            "the broker's confirm": mean(BUS, where=_JOBS),
            "a worker that takes the job": mean(WAIT),
            "the provider's first chunk": mean(FIRST_CHUNK),
            "all of it": mean(FIRST),
        }, about="What the parts lack of all of it is Warren's own: reading, routing, history, relaying. The confirm"
                 " runs beside the rest."),
        Panel("A worker that takes the job", "s", quantiles(WAIT)),
        Panel("A worker that takes the job, p95 by provider", "s", slow(WAIT, PROVIDER)),
        Panel("The provider's first chunk, p95 by deployment", "s", slow(FIRST_CHUNK, DEPLOYMENT)),
    ),
)  # fmt: skip

WHOLE = Row(
    "Whole requests",
    (
        Panel("Response", "s", quantiles(RESPONSE, CHOSEN)),
        Panel("Response, p95 by model", "s", slow(RESPONSE, MODEL, where=CHOSEN)),
        Panel("HTTP, p95 by route", "s", slow(HTTP, "http_route")),
        Panel("Provider's call", "s", quantiles(CALL)),
        Panel("Provider's call, p95 by deployment", "s", slow(CALL, DEPLOYMENT)),
        Panel("Publishing and calling, p95", "s", slow(BUS, "messaging_operation_name", DESTINATION)),
    ),
)

TOKENS = Row(
    "Tokens",
    (
        Panel("Between two tokens, at the client", "s", quantiles(GAP, CHOSEN)),
        Panel("Between two chunks, at the provider", "s", quantiles(CHUNK)),
        Panel("Tokens by second", "short", {
            "in": rate("gen_ai_client_inference_usage_input_tokens_total"),
            "out": rate("gen_ai_client_inference_usage_output_tokens_total"),
        }),
        Panel("Tokens by second in one stream", "short",
              {legend(MODEL): f"1 / ({mean(GAP, MODEL, where=CHOSEN)})"},
              about="The inverse of the mean time between two tokens."),
    ),
)  # fmt: skip

LATENCY = Dashboard("latency", "Warren: latency", (FIRST_TOKEN, WHOLE, TOKENS), {"model": f"{MODEL}@{RESPONSE}_count"})
