"""What a trace tells of a write: several outcomes, each of a trace of its own, are written together."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind

from warren import telemetry
from warren.contracts import Outcome


@contextmanager
def writing(database: str, outcomes: Iterable[Span]) -> Iterator[None]:
    """The time of a write. It belongs to the trace of one outcome; the others' link to it, and it to them."""
    known = [span for span in outcomes if span.get_span_context().is_valid] if telemetry.on() else []
    if not known:
        yield
        return
    owner = next((span for span in known if span.get_span_context().trace_flags.sampled), known[0])
    others = [span for span in known if span is not owner]
    with telemetry.span(
        "put responses",
        SpanKind.CLIENT,
        owner,
        links=[link for span in others for link in telemetry.link(span, "outcome")],
        database=database,
        written_to="responses",
        written_by="put",
        batch_size=len(known),
    ) as made:
        for span in others:
            span.add_link(made.get_span_context(), {"warren.link": "written"})
        yield


def told(outcome: Outcome) -> None:
    """The current span is that of an outcome. One of a failure is told of, sampled or not, as the failure is."""
    telemetry.say(
        response_id=outcome.response_id,
        attempt=outcome.attempt,
        status=outcome.status,
        superseded=outcome.superseded or None,
        ended_by=outcome.error,
    )
