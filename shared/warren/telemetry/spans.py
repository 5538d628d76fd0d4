"""Spans, and the trace context that travels with messages. Off costs next to nothing: no span is made, no header is
written.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode

import warren
from warren.errors import WarrenError

_TRACER = trace.get_tracer("warren", warren.__version__)
_state = {"on": False}


def start(provider: TracerProvider) -> None:
    """From now on spans are made, for this provider."""
    trace.set_tracer_provider(provider)
    _state["on"] = True


def headers() -> dict[str, str]:
    """The current trace context, to travel with a message."""
    carrier: dict[str, str] = {}
    if _state["on"]:
        propagate.inject(carrier)
    return carrier


def trace_id() -> str:
    """The trace that this is a part of; empty if there is none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if _state["on"] and context.is_valid else ""


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Mapping[str, str] | None = None,
    **attributes: str | float | bool,
) -> Iterator[Span]:
    """Time a block. `parent` is what `headers()` gave on the other side.

    A `WarrenError` marks the span with its code; its message may quote a prompt, so it stays out.
    """
    if not _state["on"]:
        yield INVALID_SPAN
        return
    context = propagate.extract(parent) if parent is not None else None
    named = {f"warren.{key}": value for key, value in attributes.items()}
    with _TRACER.start_as_current_span(
        name, context, kind, named, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            code = error.code if isinstance(error, WarrenError) else type(error).__name__
            current.set_attribute("error.type", code or "invalid_request")
            current.set_status(StatusCode.ERROR)
            raise
