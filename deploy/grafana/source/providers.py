"""Who answers, how well, and what it costs."""

from deploy.grafana.source.latency import CALL, FIRST_CHUNK
from deploy.grafana.source.panels import Dashboard, Panel, Row
from deploy.grafana.source.promql import CODE, DEPLOYMENT, MODEL, PROVIDER, gauge, legend, rate, rates, slow

_USAGE = "gen_ai_client_inference_usage"
_KINDS = (
    "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens",
)  # fmt: skip

HEALTH = Row(
    "Health",
    (
        Panel("Calls by deployment", "reqps", rates(f"{CALL}_count", DEPLOYMENT), stacked=True),
        Panel("Errors by provider and code", "reqps", rates("warren_upstream_errors_total", PROVIDER, CODE),
              stacked=True),
        Panel("Errors by deployment", "reqps", rates("warren_upstream_errors_total", DEPLOYMENT), stacked=True),
        Panel("Left alone", "none", gauge("max", "warren_deployment_cooling", DEPLOYMENT), bad_from=1,
              about="1: this deployment cools down, nobody asks it."),
        Panel("Cooldowns by code", "ops", rates("warren_cooldowns_total", DEPLOYMENT, CODE)),
        Panel("Retries by code", "ops", rates("warren_retries_total", MODEL, CODE)),
        Panel("Fallbacks by code", "ops", rates("warren_fallbacks_total", MODEL, CODE),
              about="The group that was asked for could not answer, another was asked."),
        Panel("First chunk, p95", "s", slow(FIRST_CHUNK, DEPLOYMENT)),
        Panel("Whole call, p95", "s", slow(CALL, DEPLOYMENT)),
    ),
)  # fmt: skip


def _dollars(label: str) -> dict[str, str]:
    return {legend(label): f"{rate('warren_cost_total', label)} * 3600"}


MONEY = Row(
    "Money",
    (
        Panel("By hour and provider", "currencyUSD", _dollars(PROVIDER), stacked=True),
        Panel("By hour and model", "currencyUSD", _dollars(MODEL), stacked=True),
        Panel("By hour and deployment", "currencyUSD", _dollars(DEPLOYMENT), stacked=True),
        Panel("Calls without a price", "ops", rates("warren_cost_unknown_total", DEPLOYMENT),
              about="What they cost is in none of the sums."),
        Panel("Budgets used", "percentunit", gauge("max", "warren_budget_used", "warren_budget"), bad_from=1,
              about="Of everything, and of deployments. Those of keys: `warren keys list`."),
        Panel("Reservations", "none", {"": "max(warren_reservations)"},
              about="Requests under way whose most possible cost is held in a budget."),
    ),
)  # fmt: skip

TOKENS = Row(
    "Tokens",
    (
        Panel("By kind", "short", {kind.replace("_", " "): rate(f"{_USAGE}_{kind}_total") for kind in _KINDS}),
        Panel("In, by model", "short", rates(f"{_USAGE}_input_tokens_total", MODEL), stacked=True),
        Panel("Out, by model", "short", rates(f"{_USAGE}_output_tokens_total", MODEL), stacked=True),
    ),
)

PROVIDERS = Dashboard("providers", "Warren: providers and money", (HEALTH, MONEY, TOKENS))
