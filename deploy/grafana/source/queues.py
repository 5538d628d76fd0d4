"""Work that waits, who does it, and the broker between them."""

from deploy.grafana.source.latency import BUS, DESTINATION
from deploy.grafana.source.overview import WAIT
from deploy.grafana.source.panels import Dashboard, Panel, Row
from deploy.grafana.source.promql import CODE, EVERY, FAILED, PROVIDER, gauge, legend, rate, rates, slow

_QUEUE = "warren_queue"

QUEUES = Row(
    "Queues",
    (
        Panel("Waiting", "none", gauge("max", "warren_queue_depth", _QUEUE),
              about="At 10,000 a queue is full, and requests are refused with 503 `overloaded`."),
        Panel("Consumers", "none", gauge("min", "warren_queue_consumers", _QUEUE),
              about="A queue without any is served by nobody."),
        Panel("Waiting for a worker, p95", "s", slow(WAIT, PROVIDER)),
        Panel("Published", "ops", rates("messaging_client_sent_messages_total", DESTINATION)),
        Panel("Taken", "ops", rates("messaging_client_consumed_messages_total", DESTINATION)),
        Panel("Came again", "ops", rates("warren_redeliveries_total", DESTINATION)),
        Panel("Handling a message, p95", "s", slow("messaging_process_duration_seconds", DESTINATION)),
        Panel("Failed on the bus, by code", "ops", rates(f"{BUS}_count", DESTINATION, CODE, where=FAILED)),
        Panel("Dead letters", "ops", rates("warren_dead_letters_total", _QUEUE)),
    ),
)  # fmt: skip

WORKERS = Row(
    "Workers",
    (
        Panel("Slots", "none", {"there are": "sum(warren_worker_slots)", "in use": "sum(warren_worker_in_flight)"}),
        Panel("In use, by worker", "percentunit", {
            legend("instance"): "sum by (instance) (warren_worker_in_flight) / sum by (instance) (warren_worker_slots)",
        }, bad_from=0.95),
        Panel("Workers", "none", {"all": 'sum(up{job="warren-worker"})', "draining": "sum(warren_worker_draining)"},
              about="A worker that drains finishes what it has and takes nothing new."),
    ),
)  # fmt: skip


def _global(what: str) -> str:
    return rate(f"rabbitmq_global_messages_{what}_total")


BROKER = Row(
    "RabbitMQ",
    (
        Panel("Ready, by queue", "none", gauge("sum", "rabbitmq_detailed_queue_messages_ready", "queue")),
        Panel("Unacknowledged, by queue", "none", gauge("sum", "rabbitmq_detailed_queue_messages_unacked", "queue")),
        Panel("Consumers, by queue", "none", gauge("sum", "rabbitmq_detailed_queue_consumers", "queue")),
        Panel("Messages", "ops", {
            "received": _global("received"),
            "confirmed": _global("confirmed"),
            "delivered": _global("delivered"),
            "redelivered": _global("redelivered"),
            "returned": _global("unroutable_returned"),
        }),
        Panel("Dead-lettered, by reason", "ops", {
            "tried too often": _global("dead_lettered_delivery_limit"),
            "rejected": _global("dead_lettered_rejected"),
            "expired": _global("dead_lettered_expired"),
        }),
        Panel("Connections and channels", "none", {
            "connections": "sum(rabbitmq_connections)",
            "channels": "sum(rabbitmq_channels)",
            "connections opened": f"sum(increase(rabbitmq_connections_opened_total[{EVERY}]))",
        }, about="Each process of Warren has two connections. Many that are opened: processes come and go."),
        Panel("Memory, of its limit", "percentunit", {
            legend("instance"): "rabbitmq_process_resident_memory_bytes / rabbitmq_resident_memory_limit_bytes",
        }, bad_from=1, about="At 1 nothing can be published."),
        Panel("Limit of free disk, of what is free", "percentunit", {
            legend("instance"): "rabbitmq_disk_space_available_limit_bytes / rabbitmq_disk_space_available_bytes",
        }, bad_from=1, about="At 1 nothing can be published."),
        Panel("Alarms", "none", {
            "memory": "max(rabbitmq_alarms_memory_used_watermark)",
            "disk": "max(rabbitmq_alarms_free_disk_space_watermark)",
        }, bad_from=1, about="While one is up nothing can be published: requests wait, and then fail with 503."),
    ),
)  # fmt: skip

QUEUES_AND_WORKERS = Dashboard("queues", "Warren: queues and workers", (QUEUES, WORKERS, BROKER))
