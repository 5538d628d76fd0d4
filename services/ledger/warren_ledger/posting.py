"""What is posted to sinks about requests: webhooks and OpenTelemetry's logs and spans. Pure.

Whoever gets something twice can tell: what is posted has the same id again, and so has each span.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from pydantic_core import to_json

import warren
from warren.sinks import Sink
from warren_ledger.lines import Line

_JSON = "application/json"
_PROTOBUF = "application/x-protobuf"
_SCOPE = InstrumentationScope(name="warren.requests", version=warren.__version__)


def posted(sink: Sink, id_: str, lines: Sequence[Line], now: float) -> tuple[bytes, dict[str, str]]:
    """A body, and its headers."""
    match sink.form:
        case "logs":
            return _logs(lines), {**sink.headers, "content-type": _PROTOBUF}
        case "spans":
            return _spans(lines), {**sink.headers, "content-type": _PROTOBUF}
    said = {"type": "requests", "timestamp": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}", "data": lines}
    body = to_json(said)
    return body, {**sink.headers, "content-type": _JSON, **_signed(sink.secret, id_, body, now)}


def _signed(secret: bytes | None, id_: str, body: bytes, now: float) -> dict[str, str]:
    """The headers of Standard Webhooks; each try has a signature of its own, so that none can be used later."""
    headers = {"webhook-id": id_, "webhook-timestamp": str(int(now))}
    if secret is None:
        return headers
    content = f"{id_}.{int(now)}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return {**headers, "webhook-signature": f"v1,{signature}"}


def _logs(lines: Sequence[Line]) -> bytes:
    records = [
        LogRecord(
            time_unix_nano=_nanoseconds(line["ended_at"]),
            observed_time_unix_nano=_nanoseconds(line["ended_at"]),
            severity_number=SeverityNumber.SEVERITY_NUMBER_ERROR if line["status"] == "failed"
            else SeverityNumber.SEVERITY_NUMBER_INFO,
            body=_value("request"),
            attributes=_attributes({name: value for name, value in line.items() if name != "calls"}),
            trace_id=_trace(line),
        )
        for line in lines
    ]  # fmt: skip
    scope = ScopeLogs(scope=_SCOPE, log_records=records)
    made = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=_resource(), scope_logs=[scope])])
    return bytes(made.SerializeToString())


def _spans(lines: Sequence[Line]) -> bytes:
    spans = [
        Span(
            trace_id=_trace(line),
            span_id=_trace(line)[:8],
            name=f"chat {line['served_model'] or line['model']}",
            kind=Span.SpanKind.SPAN_KIND_CLIENT,
            start_time_unix_nano=_nanoseconds(line["created_at"]),
            end_time_unix_nano=_nanoseconds(line["ended_at"]),
            attributes=_attributes(_telling(line)),
            status=Status(code=Status.STATUS_CODE_ERROR if line["status"] == "failed" else Status.STATUS_CODE_OK),
        )
        for line in lines
    ]
    scope = ScopeSpans(scope=_SCOPE, spans=spans)
    made = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=_resource(), scope_spans=[scope])])
    return bytes(made.SerializeToString())


def _telling(line: Line) -> dict[str, Any]:
    """A line in the words of OpenTelemetry's conventions for GenAI and of OpenInference; what neither has, in ours."""
    read, written = line["input_tokens"], line["output_tokens"]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": line["provider"],
        "gen_ai.request.model": line["model"],
        "gen_ai.response.model": line["served_model"],
        "gen_ai.response.id": line["response_id"],
        "gen_ai.usage.input_tokens": read,
        "gen_ai.usage.output_tokens": written,
        "openinference.span.kind": "LLM",
        "llm.model_name": line["served_model"] or line["model"],
        "llm.provider": line["provider"],
        "llm.token_count.prompt": read,
        "llm.token_count.completion": written,
        "llm.token_count.total": read + written,
        "llm.cost.total": None if line["spend"] is None else float(line["spend"]),
        "user.id": line["user"],
        "tag.tags": list(line["tags"]) or None,
        "error.type": line["error"],
        "input.value": line.get("input"),
        "output.value": line.get("output"),
        **{f"warren.{name}": line[name] for name in ("account", "key", "key_alias", "deployment", "status", "spend")},
    }


def _resource() -> Resource:
    return Resource(attributes=_attributes({"service.name": "warren", "service.version": warren.__version__}))


def _attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in values.items() if value is not None]


def _value(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list() | tuple():
            return AnyValue(array_value=ArrayValue(values=map(_value, value)))
    return AnyValue(string_value=str(value))


def _trace(line: Line) -> bytes:
    return hashlib.sha256(line["response_id"].encode()).digest()[:16]


def _nanoseconds(at: float) -> int:
    return int(at * 1_000_000) * 1000
