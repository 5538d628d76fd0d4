"""Traces never cost more than themselves: nobody waits for them, and what is lost is counted."""

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode

from tests.rig.otlp import by_http
from warren import telemetry
from warren.errors import NotFound, Unauthorized, UpstreamError
from warren.settings import Complaint
from warren.telemetry import content, spans, tracing
from warren.telemetry.conventions import CAPTURE, NAMES
from warren.telemetry.losses import dropped
from warren.telemetry.sampling import Recorded, Tail
from warren.telemetry.tracing import Outbox


@pytest.fixture(autouse=True)
def off_again() -> Iterator[None]:
    yield
    spans._Making.tracer = None
    content.allow([], {})


class Kept(SpanExporter):
    """Keeps what it gets, after a while."""

    def __init__(self, until: threading.Event | None = None, result: SpanExportResult | None = None) -> None:
        self.names: list[str] = []
        self._until = until
        self._result = result or SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._until is not None:
            self._until.wait()
        self.names += [span.name for span in spans]
        return self._result


def switched_on(exporter: SpanExporter, sampler: Sampler = ALWAYS_ON, **environ: str) -> Outbox:
    provider = TracerProvider(Recorded(sampler), shutdown_on_exit=False)
    outbox = Outbox(exporter, {"OTEL_BSP_SCHEDULE_DELAY": "20", **environ})
    provider.add_span_processor(outbox)
    provider.add_span_processor(Tail(outbox.put))
    telemetry.setup("tests", provider)
    return outbox


def test_off_makes_no_spans_and_no_headers() -> None:
    with telemetry.span("a", SpanKind.SERVER, response_id="r") as span:
        assert not span.is_recording()
        assert telemetry.headers() == {}
        assert telemetry.trace_id() == ""


def test_an_exporter_that_hangs_costs_nothing_and_what_is_lost_is_counted() -> None:
    released, before = threading.Event(), dropped()["traces"]
    outbox = switched_on(exporter := Kept(released), OTEL_BSP_MAX_QUEUE_SIZE="100", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10")
    began = time.monotonic()
    for number in range(1000):
        with telemetry.span(f"span {number}"):
            pass
    assert time.monotonic() - began < 1
    lost = dropped()["traces"] - before
    assert 890 <= lost <= 900  # the queue, and the batch that is under way
    began = time.monotonic()
    outbox.shutdown()
    assert time.monotonic() - began < 3, "the end of the process was held up"
    assert dropped()["traces"] - before == 1000
    released.set()
    assert exporter.names == [] or exporter.names[0] == "span 0"


def test_what_a_collector_refuses_is_counted() -> None:
    before = dropped()["traces"]
    outbox = switched_on(Kept(result=SpanExportResult.FAILURE))
    with telemetry.span("a"):
        pass
    outbox.shutdown()
    assert dropped()["traces"] - before == 1


def test_the_end_of_a_process_flushes() -> None:
    outbox = switched_on(exporter := Kept(), OTEL_BSP_SCHEDULE_DELAY="60000")
    with telemetry.span("a"):
        pass
    outbox.shutdown()
    assert exporter.names == ["a"]


@pytest.mark.parametrize(("status", "hangs"), [(200, False), (503, False), (200, True)])
def test_a_process_ends_in_time_whatever_its_collector_does(status: int, hangs: bool) -> None:
    program = (
        "import time; from warren import log, telemetry\n"
        "log.setup('info', 'json', service='tests'); telemetry.setup('tests')\n"
        "with telemetry.span('the last'): pass\n"
        "print(time.monotonic(), flush=True)"
    )
    with by_http() as collector:
        collector.status, collector.delay = status, 30.0 if hangs else 0.0
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "PATH": ""}
        ran = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        ended = time.monotonic()
        assert ended - float(ran.stdout) < 4
        good = status == 200 and not hangs
        assert [span.name for span in collector.spans] == (["the last"] if good else [])
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["event"] for line in lines] == ([] if good else ["telemetry is lost"])


def test_where_nobody_listens_one_line_a_minute_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with caplog.at_level(logging.INFO):
        program = "from warren import telemetry\ntelemetry.setup('tests')\n" + 3 * (
            "with telemetry.span('a'): pass\nimport time; time.sleep(1.2)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program], env={**environ, "PATH": ""}, capture_output=True, text=True, check=True
        )
    assert (ran.stdout + ran.stderr).count("telemetry is lost") == 1, ran
    assert len((ran.stdout + ran.stderr).splitlines()) == 1, ran


# What is sampled out, and ends in an error


def request(error: Exception | None, status: int = 200, parent: dict[str, str] | None = None) -> None:
    with telemetry.span("server", SpanKind.SERVER, parent or {}):
        with telemetry.span("inside"):
            pass
        telemetry.say(status_code=status)
        if error is not None:
            telemetry.fail(error)


def test_what_ends_in_an_error_is_told_though_it_is_not_sampled() -> None:
    outbox = switched_on(exporter := Kept(), TraceIdRatioBased(0))
    request(None)
    request(NotFound("no"), 404)
    request(UpstreamError("no"), 502)
    outbox.shutdown()
    assert exporter.names == ["inside", "server"] * 2


def test_who_has_no_key_does_not_decide_how_much_is_told() -> None:
    outbox = switched_on(exporter := Kept(), TraceIdRatioBased(0))
    request(Unauthorized("no"), 401)
    outbox.shutdown()
    assert exporter.names == []


def test_what_still_comes_of_an_error_is_told_and_of_anything_else_forgotten() -> None:
    outbox = switched_on(exporter := Kept(), TraceIdRatioBased(0))
    for error in (UpstreamError("no"), None):
        with telemetry.span("server", SpanKind.SERVER, {}) as server:
            late = telemetry.span("late")
            late.__enter__()
            if error is not None:
                telemetry.fail(error, server)
            headers = telemetry.headers()
        late.__exit__(None, None, None)
        with telemetry.span("elsewhere", SpanKind.CONSUMER, headers):
            pass
    outbox.shutdown()
    assert exporter.names == ["server", "late", "elsewhere"]


def test_a_ratio_and_a_parent_decide_together() -> None:
    outbox = switched_on(exporter := Kept(), ParentBased(TraceIdRatioBased(0)))
    request(None, parent={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    request(None, parent={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"})
    outbox.shutdown()
    assert exporter.names == ["inside", "server"]


def test_what_waits_for_its_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren.telemetry.sampling._KEPT", 10)
    provider = TracerProvider(Recorded(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(tail := Tail(lambda span: None))
    telemetry.setup("tests", provider)
    for _ in range(50):
        with telemetry.span("server", SpanKind.SERVER, {}):
            headers = telemetry.headers()
        with telemetry.span("here", SpanKind.CONSUMER, headers), telemetry.span("inside"):
            pass
        late = telemetry.span("late", parent=NonRecordingSpan(telemetry.remote(headers)))
        late.__enter__()
        late.__exit__(None, None, None)
    assert tail._size <= 10


# What the environment asks for


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER": "always_off"},
    ],
)
def test_off_is_off(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    tracing.setup("tests", environ=environ)
    assert not telemetry.on()


def test_an_unknown_protocol_and_one_that_is_not_installed_are_complained_of(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
    with pytest.raises(Complaint, match="http/json"):
        tracing.setup("tests", environ=environ)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc", None)
    with pytest.raises(Complaint, match=r"warren\[otlp-grpc\]"):
        tracing.setup("tests", environ={**environ, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


# What was said


def told(asked: list[dict[str, object]], where: str = "SPAN_ONLY", account: str = "a") -> ReadableSpan:
    switched_on(Kept())
    content.allow(["a"], {CAPTURE: where})
    answer = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]}]
    with telemetry.span("chat") as span:
        content.tell(span, account, None, asked, answer, "stop")
    assert isinstance(span, ReadableSpan)
    return span


SAID: list[dict[str, object]] = [
    {"role": "developer", "content": "rules"},
    {
        "role": "user",
        "content": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "data:x"}],
    },
    {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "there"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
]


@pytest.mark.parametrize(
    ("where", "account", "in_span", "in_event"),
    [
        ("NO_CONTENT", "a", False, False),
        ("SPAN_ONLY", "a", True, False),
        ("EVENT_ONLY", "a", False, True),
        ("span_and_event", "a", True, True),
        ("SPAN_AND_EVENT", "b", False, False),
    ],
)
def test_both_switches_are_needed(where: str, account: str, in_span: bool, in_event: bool) -> None:
    span = told(SAID, where, account)
    assert (NAMES["input_messages"] in (span.attributes or {})) == in_span
    assert [event.name for event in span.events] == ["gen_ai.client.inference.operation.details"] * in_event


def test_items_are_told_as_messages() -> None:
    said = told(SAID).attributes
    assert said is not None
    assert json.loads(str(said["gen_ai.input.messages"])) == [
        {"role": "system", "parts": [{"type": "text", "content": "rules"}]},
        {"role": "user", "parts": [{"type": "text", "content": "see"}, {"type": "input_image"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "look", "arguments": "{}"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "there"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}]},
    ]
    assert json.loads(str(said["gen_ai.output.messages"])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "yes"}], "finish_reason": "stop"}
    ]


@pytest.mark.parametrize("size", [40_000, 3_000_000])
def test_of_too_much_the_latest_is_told(size: int) -> None:
    said = told([{"role": "user", "content": "x" * 30_000}, *SAID]).attributes
    assert said is not None
    assert len(json.loads(str(said["gen_ai.input.messages"]))) == 6
    said = told([*SAID, {"role": "user", "content": "x" * size}]).attributes
    assert said is not None
    assert len(json.loads(str(said["gen_ai.input.messages"]))) == 1
    assert len(str(said["gen_ai.input.messages"])) < content.MOST
    assert said["warren.content_cut"] is True


def test_another_word_for_where_is_refused() -> None:
    with pytest.raises(Complaint, match="SPAN_ONLY"):
        content.allow(["a"], {CAPTURE: "true"})


def test_an_error_is_told_by_its_code_and_without_its_words() -> None:
    switched_on(exporter := Kept())
    with pytest.raises(UpstreamError), telemetry.span("chat", SpanKind.CLIENT) as span:
        raise UpstreamError("a prompt")
    assert isinstance(span, ReadableSpan)
    assert (span.attributes or {})["error.type"] == "upstream_error"
    assert (span.status.status_code, span.status.description, span.events) == (StatusCode.ERROR, None, ())
    assert exporter.names in ([], ["chat"])
