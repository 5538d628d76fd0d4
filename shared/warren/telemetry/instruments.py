"""The table of instruments. Names, units and buckets are those of OpenTelemetry's conventions (1.44 of September 2026;
GenAI's of the same month, all of them in development) where there are any, and `warren.…` elsewhere.

Labels are few by design: models, deployments and providers as the configuration has them, routes, statuses and codes
of errors. No account, key or user is one, and nothing that a client can choose freely.
"""

from warren.telemetry.measuring import Counter, Gauge, Histogram, UpDown

_MODEL, _PROVIDER, _DEPLOYMENT = "gen_ai.request.model", "gen_ai.provider.name", "warren.deployment"
_OPERATION, _CODE, _MODE = "gen_ai.operation.name", "error.type", "warren.mode"
_DESTINATION, _QUEUE = "messaging.destination.name", "warren.queue"

_HTTP = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120, 300, 600)
_GENAI = tuple(0.01 * 2**power for power in range(14))
_TOKENS = tuple(4**power for power in range(14))
_GAPS = (0.001, 0.0025, 0.005, *(0.01 * 2**power for power in range(12)))
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WAITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

HTTP_DURATION = Histogram(
    "gateway", "http.server.request.duration", "s",
    "HTTP requests, to the end of the answer. `error.type` is our code for what went wrong, also in a stream that had "
    "begun.",
    "http.request.method", "http.route", "http.response.status_code", _CODE,
    bounds=_HTTP,
)  # fmt: skip
HTTP_ACTIVE = UpDown(
    "gateway", "http.server.active_requests", "{request}", "HTTP requests under way.", "http.request.method"
)
REQUEST_DURATION = Histogram(
    "gateway", "gen_ai.server.request.duration", "s",
    "Requests for a response, to the end of the answer; in the background, to the answer that it is queued. "
    "`gen_ai.request.model` is the group that was asked for.",
    _OPERATION, _MODEL, _PROVIDER, _CODE, _MODE,
    bounds=_GENAI,
)  # fmt: skip
TIME_TO_FIRST_TOKEN = Histogram(
    "gateway", "gen_ai.server.time_to_first_token", "s",
    "Streams that went well: from the request to the first output of the model.",
    _OPERATION, _MODEL, _PROVIDER,
    bounds=_GENAI,
)  # fmt: skip
TIME_PER_OUTPUT_TOKEN = Histogram(
    "gateway", "gen_ai.server.time_per_output_token", "s",
    "Streams that went well: the time after the first output, by the tokens after the first one.",
    _OPERATION, _MODEL, _PROVIDER,
    bounds=_GAPS,
)  # fmt: skip
FLIGHTS = UpDown("gateway", "warren.flights", "{request}", "Requests for a response under way.", _MODE)
REFUSALS = Counter(
    "gateway", "warren.refusals", "{request}", "Requests for a response refused before a job was posted.", _CODE
)  # fmt: skip
RESUMES = Counter("gateway", "warren.resumes", "{gap}", "Gaps in what a worker sent, which it was asked to send again.")
INTERRUPTIONS = Counter(
    "gateway", "warren.interruptions", "{response}",
    "Responses ended as `interrupted`, because whoever made them is gone.",
)  # fmt: skip
QUEUE_DEPTH = Gauge(
    "gateway", "warren.queue.depth", "{message}",
    "Messages that wait in a queue. Every gateway looks every five seconds: take the maximum, not the sum.",
    _QUEUE,
)  # fmt: skip
QUEUE_CONSUMERS = Gauge("gateway", "warren.queue.consumers", "{process}", "Processes that take from a queue.", _QUEUE)

FALLBACKS = Counter(
    "routing", "warren.fallbacks", "{response}",
    "Groups that were left for another one, and why: by a gateway if nobody in it could be asked at the time, by a "
    "worker if calls failed.",
    _MODEL, _CODE,
)  # fmt: skip

OPERATION_DURATION = Histogram(
    "bus", "messaging.client.operation.duration", "s",
    "`send`: to the broker's confirmation; `call`: to the answer. An address of a process is `inbox`.",
    "messaging.operation.name", _DESTINATION, _CODE,
    bounds=_QUICK,
)  # fmt: skip
SENT = Counter(
    "bus", "messaging.client.sent.messages", "{message}",
    "Messages sent; a worker puts parts of many streams into one.",
    _DESTINATION,
)  # fmt: skip
CONSUMED = Counter("bus", "messaging.client.consumed.messages", "{message}", "Messages taken.", _DESTINATION)
PROCESS_DURATION = Histogram(
    "bus", "messaging.process.duration", "s", "Messages from a queue, from start to end of their handling.",
    _DESTINATION, _CODE,
    bounds=_GENAI,
)  # fmt: skip
REDELIVERIES = Counter(
    "bus", "warren.redeliveries", "{message}", "Messages taken that may have been taken before.", _DESTINATION
)
CONNECTED = Gauge("bus", "warren.bus.connected", "1", "1: messages can leave right now; 0: they cannot.")

_CALL = (_OPERATION, _PROVIDER, _MODEL, _DEPLOYMENT)
CALL_DURATION = Histogram(
    "worker", "gen_ai.client.operation.duration", "s",
    "Calls to providers. `gen_ai.request.model` is the group that was being asked, here and below.",
    *_CALL, _CODE,
    bounds=_GENAI,
)  # fmt: skip
TIME_TO_FIRST_CHUNK = Histogram(
    "worker", "gen_ai.client.operation.time_to_first_chunk", "s",
    "Calls to providers: from the request to the first event.",
    *_CALL,
    bounds=_GENAI,
)  # fmt: skip
TIME_PER_OUTPUT_CHUNK = Histogram(
    "worker", "gen_ai.client.operation.time_per_output_chunk", "s",
    "Calls to providers: from what the network brought at once to what it brought next, after the first.",
    *_CALL,
    bounds=_GAPS,
)  # fmt: skip
INPUT_TOKENS = Counter(
    "worker", "gen_ai.client.inference.usage.input_tokens", "{token}",
    "Input tokens used, with those from and to a cache.",
    *_CALL,
)  # fmt: skip
OUTPUT_TOKENS = Counter(
    "worker", "gen_ai.client.inference.usage.output_tokens", "{token}",
    "Output tokens used, with those for reasoning.",
    *_CALL,
)  # fmt: skip
CACHE_READ_TOKENS = Counter(
    "worker", "gen_ai.client.inference.usage.cache_read.input_tokens", "{token}", "Input tokens read from a cache.",
    *_CALL,
)  # fmt: skip
CACHE_WRITE_TOKENS = Counter(
    "worker", "gen_ai.client.inference.usage.cache_write.input_tokens", "{token}", "Input tokens written to a cache.",
    *_CALL,
)  # fmt: skip
REASONING_TOKENS = Counter(
    "worker", "gen_ai.client.inference.usage.reasoning.output_tokens", "{token}", "Output tokens for reasoning.",
    *_CALL,
)  # fmt: skip
TOKEN_USAGE = Histogram(
    "worker", "gen_ai.client.token.usage", "{token}",
    "Tokens of a call, by the convention that the counters above replace; for dashboards that know this one.",
    *_CALL, "gen_ai.token.type",
    bounds=_TOKENS,
)  # fmt: skip
COST = Counter(
    "worker", "warren.cost", "{USD}", "What calls cost, in US dollars, as far as that is known.",
    _PROVIDER, _MODEL, _DEPLOYMENT,
)  # fmt: skip
COST_UNKNOWN = Counter(
    "worker", "warren.cost.unknown", "{call}", "Calls that used something whose price is not known.",
    _PROVIDER, _MODEL, _DEPLOYMENT,
)  # fmt: skip
QUEUE_WAIT = Histogram(
    "worker", "warren.queue.wait", "s", "Jobs: from being made to being taken for the first time.", _PROVIDER,
    bounds=_WAITS,
)  # fmt: skip
SLOTS = Gauge("worker", "warren.worker.slots", "{job}", "Jobs that a worker takes at a time, of all its providers.")
IN_FLIGHT = Gauge("worker", "warren.worker.in_flight", "{job}", "Jobs that a worker has taken and not ended.")
DRAINING = Gauge("worker", "warren.worker.draining", "1", "1: this worker ends what runs and takes nothing more.")
RETRIES = Counter(
    "worker", "warren.retries", "{call}", "Tries after the first one in a group, by what became of the one before.",
    _MODEL, _CODE,
)  # fmt: skip
UPSTREAM_ERRORS = Counter(
    "worker", "warren.upstream.errors", "{call}", "Calls that a provider failed, by our code for it.",
    _PROVIDER, _DEPLOYMENT, _CODE,
)  # fmt: skip
COOLDOWNS = Counter(
    "worker", "warren.cooldowns", "{cooldown}", "Deployments that were left alone for a while from here.",
    _DEPLOYMENT, _CODE,
)  # fmt: skip
COOLING = Gauge(
    "worker", "warren.deployment.cooling", "1", "1: a deployment is being left alone.", _DEPLOYMENT
)  # fmt: skip
FENCED = Counter(
    "worker", "warren.fenced", "{attempt}",
    "Attempts that found themselves replaced, or their response ended or given up.",
)  # fmt: skip

OUTCOMES = Counter(
    "ledger", "warren.outcomes", "{response}", "Responses ended: first outcomes stored.", "warren.status", _CODE
)
SUPERSEDED = Counter(
    "ledger", "warren.outcomes.superseded", "{outcome}",
    "Outcomes of responses that had another one already: duplicates that were prevented.",
)  # fmt: skip
LEDGER_LAG = Histogram("ledger", "warren.ledger.lag", "s", "Outcomes: from being made to being on disk.", bounds=_WAITS)
BATCH_SIZE = Histogram("ledger", "warren.ledger.batch.size", "{outcome}", "Outcomes written at once.", bounds=_SIZES)
WRITE_DURATION = Histogram(
    "ledger", "warren.ledger.write.duration", "s", "Writes of outcomes to the store.", _CODE, bounds=_QUICK
)
DEAD_LETTERS = Counter("ledger", "warren.dead_letters", "{message}", "Messages that nobody could take.", _QUEUE)
RESERVATIONS = Gauge(
    "ledger", "warren.reservations", "{reservation}",
    "Holds on budgets for requests under way. Every ledger looks: take the maximum, not the sum.",
)  # fmt: skip
BUDGET_USED = Gauge(
    "ledger", "warren.budget.used", "1",
    "What is spent and held of a budget, 1 being all of it: of `global`, or a deployment by its id. Take the maximum.",
    "warren.budget",
)  # fmt: skip
SINKS_PENDING = Gauge(
    "ledger", "warren.sinks.pending", "{request}",
    "Requests that a sink has not been told of yet, by its kind. Take the maximum.",
    "warren.sink",
)  # fmt: skip
SINKS_FAILURES = Counter(
    "ledger", "warren.sinks.failures", "{post}", "Posts that a sink did not take, which come again.", "warren.sink"
)

LOOP_LAG = Histogram(
    "every service", "warren.event_loop.lag", "s", "How much later than it should the event loop came to a timer.",
    bounds=_QUICK,
)  # fmt: skip
MEMORY = Gauge("every service", "process.memory.usage", "By", "Resident memory.")
CPU_TIME = Gauge("every service", "process.cpu.time", "s", "CPU time used, in user and system mode.", counts=True)
DESCRIPTORS = Gauge(
    "every service", "process.unix.file_descriptor.count", "{file_descriptor}", "Open files and sockets."
)
DROPPED = Gauge(
    "every service", "warren.telemetry.dropped", "{item}",
    "Spans, records or exports that never reached their collector.",
    "warren.signal", counts=True,
)  # fmt: skip
