"""Spans, and the trace context that travels with messages. Off costs next to nothing: no span is made, no header is
written.

Attributes go by our words (see `conventions`).
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic, time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import warren
from warren.errors import WarrenError
from warren.telemetry.conventions import SCHEMA_URL, named

_W3C = TraceContextTextMapPropagator()
"""Between our services it is always this, without baggage: what a client sends along is not carried on."""


class _Making:
    tracer: Tracer | None = None


def start(provider: TracerProvider) -> None:
    """From now on spans are made, for this provider. It is not made known to libraries, which would add their own."""
    _Making.tracer = provider.get_tracer("warren", warren.__version__, schema_url=SCHEMA_URL)


def on() -> bool:
    """Whether spans are made."""
    return _Making.tracer is not None


def current() -> Span:
    """The span that we are in; one of no effect, if we are in none."""
    return trace.get_current_span() if _Making.tracer is not None else INVALID_SPAN


def headers() -> dict[str, str]:
    """The current trace context, to travel with a message."""
    carrier: dict[str, str] = {}
    if _Making.tracer is not None:
        _W3C.inject(carrier)
    return carrier


def trace_id() -> str:
    """Of the trace that we are in, as trace UIs write it; empty, if we are in none."""
    context = current().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def remote(carrier: Mapping[str, str] | str) -> SpanContext:
    """The span that these headers, or a `traceparent` alone, are of: one that is not valid, if they are of none."""
    if not carrier:
        return INVALID_SPAN_CONTEXT
    if isinstance(carrier, str):
        carrier = {"traceparent": carrier}
    return trace.get_current_span(_W3C.extract(carrier, Context())).get_span_context()


def traceparent(of: SpanContext) -> str:
    """What `remote` makes this span of; empty, if it is none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(NonRecordingSpan(of), Context()))
    return carrier.get("traceparent", "")


def link(to: Span | SpanContext, why: str) -> list[Link]:
    """A link to a span, if it is one."""
    context = to.get_span_context() if isinstance(to, Span) else to
    return [Link(context, {"warren.link": why})] if context.is_valid else []


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Mapping[str, str] | Span | None = None,
    *,
    links: Iterable[Link] = (),
    **attributes: Any,
) -> Iterator[Span]:
    """Time a block. `parent`: what `headers()` gave on the other side, empty if that is nothing; else the current span.

    An error marks the span with its code; its message may quote a prompt, so it stays out.
    """
    if (tracer := _Making.tracer) is None:
        yield INVALID_SPAN
        return
    context = None
    if isinstance(parent, Span):
        context = trace.set_span_in_context(parent)
    elif parent is not None:
        context = _W3C.extract(parent, Context())
    with tracer.start_as_current_span(
        name, context, kind, named(attributes), tuple(links), record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except Exception as error:
            if kind is SpanKind.SERVER and isinstance(error, OSError):
                event("cancel", made)  # the client is gone
            else:
                fail(error, made, ours=kind is SpanKind.CLIENT)
            raise
        except asyncio.CancelledError:
            made.set_attributes(named({"error": "cancelled"}))
            raise


def say(span: Span | None = None, **attributes: Any) -> None:
    """Add to a span, or to the current one."""
    if _Making.tracer is not None:
        (span or current()).set_attributes(named(attributes))


def event(name: str, span: Span | None = None, *, at: float | None = None, **attributes: Any) -> None:
    """Something happened in a span, or in the current one: now, or when the monotonic clock stood `at`."""
    if _Making.tracer is not None:
        when = None if at is None else time_ns() - int((monotonic() - at) * 1e9)
        (span or current()).add_event(name, named(attributes), when)


def fail(error: Exception | str, span: Span | None = None, *, status: int | None = None, ours: bool = False) -> None:
    """A span, or the current one, ended with this error, or its code. It failed, if that was not the caller's fault, as
    the HTTP status says, or if it was a call of `ours`.
    """
    if _Making.tracer is None:
        return
    span = span or current()
    span.set_attributes(named({"error": error if isinstance(error, str) else code_of(error)}))
    if status is None:
        status = error.status if isinstance(error, WarrenError) else 500
    if ours or status >= 500:
        span.set_status(StatusCode.ERROR)


def age(span: ReadableSpan, at: float) -> float:
    """Seconds from the beginning of a span until the monotonic clock stood `at`."""
    now = (time_ns() - (span.start_time or 0)) / 1e9
    return max(0.0, now - (monotonic() - at))


def code_of(error: Exception) -> str:
    """What an error is called: by our codes."""
    if isinstance(error, WarrenError):
        return error.code or "invalid_request"
    return type(error).__name__
