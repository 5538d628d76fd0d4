"""A collector of telemetry: takes OTLP by HTTP, and shows what came."""

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics


@dataclass
class Collector:
    url: str = ""
    posts: list[tuple[str, bytes]] = field(default_factory=list)
    """The paths and the bodies of all that was posted."""
    status: int = 200
    delay: float = 0.0
    """Seconds until it answers."""

    def metrics(self) -> list[ResourceMetrics]:
        """What came of metrics, push by push."""
        pushes = [ExportMetricsServiceRequest.FromString(body) for path, body in self.posts if path == "/v1/metrics"]
        return [resource for push in pushes for resource in push.resource_metrics]

    def metric(self, name: str) -> list[Metric]:
        """All that came under this name, push by push."""
        scopes = [scope for resource in self.metrics() for scope in resource.scope_metrics]
        return [metric for scope in scopes for metric in scope.metrics if metric.name == name]


def attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in pairs}


@contextmanager
def collector() -> Iterator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            sleep(made.delay)
            if made.status == 200:
                made.posts.append((self.path, body))
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.block_on_close = False  # who hangs up is not waited for
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
