"""What was recorded is told: as text to whoever asks, and by OTLP to a collector."""

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from threading import Thread
from time import monotonic, sleep

import httpx
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from structlog.testing import capture_logs

import warren
from tests.rig.collector import Collector, attributes, collector
from tests.rig.scraped import Scraped
from warren.settings import Complaint, Settings, run
from warren.telemetry import instruments, metrics
from warren.telemetry.measuring import ALL, SWITCH, Histogram
from warren.telemetry.measuring import Counter as Counted

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is recorded yet, and the environment asks for nothing."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "WARREN_METRICS_PORT"):
        monkeypatch.delenv(name, raising=False)
    _forget()
    yield
    _forget()


def _forget() -> None:
    for one in ALL.values():
        if isinstance(one, Counted):
            one.rows.clear()
            one.rows.update({} if one.labels else {(): 0})
        elif isinstance(one, Histogram):
            one.rows.clear()
            one.rows.update({} if one.labels else {(): one._empty()})


@asynccontextmanager
async def served(**more: object) -> AsyncIterator[str]:
    """Metrics of a gateway and where they are."""
    settings = Settings.model_validate({"metrics_port": 0, **more})
    with capture_logs() as logs:
        async with metrics.told("warren-gateway", "inbox.gateway-1", settings, "gateway"):
            (url,) = [entry["url"] for entry in logs if entry["event"] == "metrics"]
            yield url


async def test_off_nothing_is_recorded_and_nothing_listens() -> None:
    with capture_logs() as logs:
        async with metrics.told("warren-gateway", "inbox.gateway-1", Settings(), "gateway"):
            instruments.RESUMES.add(1)
            instruments.HTTP_DURATION.record(1, "GET", "/health", 200, None)
            assert not SWITCH.on
    assert logs == []
    assert instruments.RESUMES.rows == {(): 0}
    assert instruments.HTTP_DURATION.rows == {}


async def test_the_text_is_that_of_prometheus() -> None:
    async with served() as url:
        instruments.RESUMES.add(3)
        instruments.FLIGHTS.add(1, "json")
        instruments.HTTP_DURATION.record(0.02, "GET", "/health", 200, None)
        instruments.HTTP_DURATION.record(0.02, "GET", None, 404, "not_found")
        seen = await Scraped.of(url)
    assert not SWITCH.on
    assert seen.kinds["warren_resumes"] == "counter"
    assert seen.value("warren_resumes_total") == 3
    assert seen.kinds["warren_flights"] == "gauge"
    assert seen.value("warren_flights", warren_mode="json") == 1
    duration = "http_server_request_duration_seconds"
    assert seen.kinds[duration] == "histogram"
    well = {"http_route": "/health", "http_response_status_code": "200", "error_type": ""}
    assert seen.value(f"{duration}_count", **well) == 1
    assert seen.value(f"{duration}_sum", **well) == 0.02
    buckets = [(float(labels["le"]), value) for labels, value in seen.rows(f"{duration}_bucket", **well)]
    assert [bound for bound, _ in buckets] == [*instruments.HTTP_DURATION.bounds, float("inf")]
    assert [value for _, value in buckets] == [int(bound >= 0.02) for bound, _ in buckets]
    assert seen.value(f"{duration}_count", http_route="", error_type="not_found") == 1
    assert seen.value(
        "target_info", service_name="warren-gateway", service_version=warren.__version__,
        service_instance_id="inbox.gateway-1",
    ) == 1  # fmt: skip
    assert not any(name.startswith(("warren_worker", "warren_ledger")) for name in seen.kinds)
    assert seen.value("process_memory_usage_bytes") > 10e6
    assert seen.value("process_cpu_time_seconds_total") > 0
    assert seen.value("process_unix_file_descriptor_count") > 3


async def test_who_scrapes_while_others_do_and_much_is_recorded_sees_each_series_once_and_never_less() -> None:
    async with served() as url:
        done = False

        def record() -> None:
            while not done:
                for number in range(100):
                    instruments.HTTP_DURATION.record(0.01, "GET", f"/{number % 50}", 200, None)
                    instruments.RESUMES.add(1)
                sleep(0.001)

        recording = Thread(target=record)
        recording.start()
        try:

            async def scrape() -> None:
                before = -1.0
                for _ in range(2):
                    seen = await Scraped.of(url)
                    times = Counter((sample.name, *sorted(sample.labels.items())) for sample in seen.samples)
                    assert {row: count for row, count in times.items() if count > 1} == {}
                    assert seen.value("warren_resumes_total") > before
                    before = seen.value("warren_resumes_total")

            await asyncio.gather(*(scrape() for _ in range(3)))
        finally:
            done = True
            recording.join()


async def test_by_default_only_this_machine_may_ask() -> None:
    async with served() as url:
        port = httpx.URL(url).port
        assert httpx.URL(url).host == "127.0.0.1"
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port), timeout=5):
            pass
    async with served(metrics_host="0.0.0.0") as url:
        await Scraped.of(url.replace("0.0.0.0", "127.0.0.2"))


async def test_only_while_open_something_listens_and_turns_are_short() -> None:
    before = sys.getswitchinterval()
    async with served() as url:
        await Scraped.of(url)
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before
    with pytest.raises(httpx.ConnectError):
        await Scraped.of(url)


def test_a_port_that_is_taken_ends_the_program_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        async def main(_stop: asyncio.Event) -> None:
            async with metrics.told("warren", "inbox.process-1", Settings(metrics_port=port)):
                pass

        with pytest.raises(SystemExit) as ended:
            run("warren-gateway", main)
    assert ended.value.code == 2
    assert (
        capsys.readouterr().err == f"warren-gateway: cannot serve metrics on 127.0.0.1:{port}: Address already in use\n"
    )
    assert not SWITCH.on


async def test_a_host_that_is_none_is_complained_of() -> None:
    with pytest.raises(Complaint, match=r"cannot serve metrics on 203\.0\.113\.7:0: "):
        async with served(metrics_host="203.0.113.7"):
            pass


@asynccontextmanager
async def pushed(monkeypatch: pytest.MonkeyPatch, preference: str) -> AsyncIterator[Collector]:
    """Metrics of a gateway, pushed to this collector five times a second."""
    with collector() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{made.url}/v1/metrics")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
        async with metrics.told("warren-gateway", "inbox.gateway-1", Settings(), "gateway"):
            yield made


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not seen():
            await asyncio.sleep(0.02)


async def record_thrice(made: Collector) -> None:
    """Record, wait for a push, record more, and wait for the last one."""
    instruments.RESUMES.add(1)
    instruments.REFUSALS.add(1, "invalid_type")
    instruments.FLIGHTS.add(2, "json")
    instruments.TIME_TO_FIRST_TOKEN.record(0.3, "chat", "m", "openai")
    await until(lambda: len(made.metric("gen_ai.server.time_to_first_token")) > 1)
    instruments.RESUMES.add(2)
    instruments.FLIGHTS.add(-1, "json")
    instruments.TIME_TO_FIRST_TOKEN.record(0.5, "chat", "m", "openai")
    pushes = len(made.metric("warren.resumes"))
    await until(lambda: len(made.metric("warren.resumes")) > pushes + 1)


async def test_a_collector_gets_sums_since_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pushed(monkeypatch, "cumulative") as made:
        await record_thrice(made)
    resumes = made.metric("warren.resumes")
    assert {one.sum.aggregation_temporality for one in resumes} == {
        AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    }
    assert [one.sum.is_monotonic for one in resumes] == [True] * len(resumes)
    points = [point for one in resumes for point in one.sum.data_points]
    assert [point.as_int for point in points] == sorted(point.as_int for point in points)
    assert points[-1].as_int == 3
    assert len({point.start_time_unix_nano for point in points}) == 1
    assert points[0].time_unix_nano < points[-1].time_unix_nano
    (last,) = made.metric("gen_ai.server.time_to_first_token")[-1].histogram.data_points
    assert (last.count, last.sum) == (2, 0.8)
    assert list(last.explicit_bounds) == list(instruments.TIME_TO_FIRST_TOKEN.bounds)
    assert sum(last.bucket_counts) == 2
    assert last.bucket_counts[5] == last.bucket_counts[6] == 1  # .16 to .32, .32 to .64
    assert attributes(last.attributes) == {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "openai",
    }  # fmt: skip
    named = attributes(made.metrics()[0].resource.attributes)
    assert named["service.name"] == "warren-gateway"
    assert named["service.instance.id"] == "inbox.gateway-1"


async def test_a_collector_gets_what_came_since_the_last_push_if_it_wants_that(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pushed(monkeypatch, "delta") as made:
        await record_thrice(made)
        instruments.RESUMES.add(4)  # told when leaving
    resumes = made.metric("warren.resumes")
    assert {one.sum.aggregation_temporality for one in resumes} == {
        AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    }
    points = [point for one in resumes for point in one.sum.data_points]
    assert sum(point.as_int for point in points) == 7
    assert [point.as_int for point in points if point.as_int] == [1, 2, 4]
    ends = [point.time_unix_nano for point in points]
    assert [point.start_time_unix_nano for point in points[1:]] == ends[:-1]
    firsts = [point for one in made.metric("gen_ai.server.time_to_first_token") for point in one.histogram.data_points]
    assert [(point.count, point.sum) for point in firsts if point.count] == [(1, 0.3), (1, pytest.approx(0.5))]
    flights = made.metric("warren.flights")
    assert _last(flights[-1]) == 1
    assert {one.sum.aggregation_temporality for one in flights} == {
        AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    }
    assert len({point.start_time_unix_nano for one in flights for point in one.sum.data_points}) == 1


def _last(metric: Metric) -> int:
    (point,) = metric.sum.data_points
    return int(point.as_int)


async def test_text_and_pushes_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
        async with served() as url:
            instruments.RESUMES.add(5)
            await until(lambda: [_last(one) for one in made.metric("warren.resumes")][-2:] == [5, 5])
            assert (await Scraped.of(url)).value("warren_resumes_total") == 5


async def test_pushes_that_are_not_taken_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as made:
        made.status = 400  # which is not tried again
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
        async with served() as url:
            async with asyncio.timeout(20):
                while (await Scraped.of(url)).value("warren_telemetry_dropped_total", warren_signal="metrics") < 1:
                    await asyncio.sleep(0.1)


async def test_who_leaves_does_not_wait_for_a_collector_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as made:
        made.delay = 8
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        async with metrics.told("warren-gateway", "inbox.gateway-1", Settings(), "gateway"):
            began = monotonic()
        assert monotonic() - began < 6
