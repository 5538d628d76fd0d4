"""Which spans are told of: those that were sampled, and those of requests that end in an error.

Sampling is decided where a trace begins, before anybody knows how it ends. So what is not sampled is recorded all the
same, and kept until the part of its trace that this process has is over; if that ended in an error it is told of after
all, else forgotten. Every process decides that alone, and all that had to do with an error know of it.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from warren.telemetry.conventions import NAMES

_KEPT = 8192
"""Spans that may wait for the end of their part of a trace; the oldest traces go."""
_REMEMBERED = 2048
"""Traces that are told of after all: what still comes of them is."""
_UNKNOWN = 401
"""Who is nobody's error: whoever has no key must not decide how much is told."""


class Recorded(Sampler):
    """Samples as another one does, and has the rest recorded."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        said = self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if said.decision is Decision.DROP:
            return SamplingResult(Decision.RECORD_ONLY, attributes, said.trace_state)
        return said

    def get_description(self) -> str:
        return f"Recorded({self._sampler.get_description()})"


class Tail(SpanProcessor):
    """Hands on what was not sampled, if its part of the trace ended in an error."""

    def __init__(self, tell: Callable[[ReadableSpan], None]) -> None:
        self._tell = tell
        self._lock = Lock()
        self._waiting: OrderedDict[int, list[ReadableSpan]] = OrderedDict()
        self._size = 0
        self._told: OrderedDict[int, None] = OrderedDict()

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or span.context.trace_flags.sampled:
            return
        for one in self._due(span, span.context.trace_id):
            self._tell(_sampled(one))

    def _due(self, span: ReadableSpan, trace: int) -> Sequence[ReadableSpan]:
        first_here = span.parent is None or span.parent.is_remote
        with self._lock:
            if trace in self._told:
                return (span,)
            if not first_here:
                self._waiting.setdefault(trace, []).append(span)
                self._size += 1
                while self._size > _KEPT:
                    self._size -= len(self._waiting.popitem(last=False)[1])
                return ()
            waiting = self._waiting.pop(trace, [])
            self._size -= len(waiting)
            if not _failed(span):
                return ()
            self._told[trace] = None
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        return (*waiting, span)


def _failed(span: ReadableSpan) -> bool:
    attributes = span.attributes or {}
    if attributes.get(NAMES["status_code"]) == _UNKNOWN:
        return False
    told = NAMES["error"] in attributes or "warren.ended_by" in attributes
    return told or span.status.status_code is StatusCode.ERROR


def _sampled(span: ReadableSpan) -> ReadableSpan:
    """The same, as if it had been sampled: what exports spans takes no other ones."""
    was = span.context
    assert was is not None
    context = SpanContext(was.trace_id, was.span_id, was.is_remote, TraceFlags(TraceFlags.SAMPLED), was.trace_state)
    return ReadableSpan(
        name=span.name,
        context=context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
