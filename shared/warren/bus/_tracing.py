"""The spans of the bus: a message is published, or called, and processed elsewhere, as a part of the same trace.

What belongs to no request (signs of life, broadcasts, what is posted to a process) makes no span.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import time
from typing import Any, Literal

from opentelemetry.trace import Span, SpanKind

from warren import telemetry
from warren.bus import Delivery
from warren.contracts import Message

SENT = "x-warren-sent"
"""Header: when a message was sent, in milliseconds since the epoch. AMQP's own timestamp has seconds."""


_UNTOLD = frozenset({"begun", "chunks", "tail", "ping"})
"""Messages of which there are many to a request, or that tell of what has a span itself."""


@contextmanager
def sending(
    to: str, message: Message, operation: Literal["publish", "call"] = "publish", **attributes: Any
) -> Iterator[dict[str, str]]:
    """The time that it takes; gives the headers of the message."""
    if not telemetry.on():
        yield {}
        return
    headers = {SENT: f"{time() * 1000:.0f}"}
    if message.kind in _UNTOLD or not telemetry.current().get_span_context().is_valid:
        yield headers
        return
    with telemetry.span(
        f"{operation} {template(to)}",
        SpanKind.PRODUCER if operation == "publish" else SpanKind.CLIENT,
        operation=operation,
        operation_type="send",
        template=template(to),
        body_size=len(message.payload),
        message=message.kind,
        **attributes,
    ):
        yield headers | telemetry.headers()


def processing(at: str, delivery: Delivery, **attributes: Any) -> AbstractContextManager[Span | None]:
    """The time in which a delivery is handled. A job begins a trace, if it is a part of none; nothing else does."""
    if not telemetry.on():
        return nullcontext()
    sent = telemetry.remote(delivery.headers)
    if not (sent.is_valid or at.startswith("jobs.")):
        return nullcontext()
    return telemetry.span(
        f"process {at}",
        SpanKind.CONSUMER,
        delivery.headers,
        links=telemetry.link(sent, "redelivered" if delivery.redelivered else "sent"),
        operation="process",
        operation_type="process",
        template=at,
        body_size=len(delivery.message.payload),
        message=delivery.message.kind,
        redelivered=delivery.redelivered,
        queue_wait=delivery.waited,
        **attributes,
    )


def template(to: str) -> str:
    """An address without what only one process has."""
    return "inbox" if to.startswith("inbox.") else to


def waited(headers: Mapping[str, str]) -> float | None:
    """Seconds since a message with these headers was sent, as far as clocks agree."""
    sent = headers.get(SENT, "")
    return max(0.0, time() - int(sent) / 1000) if sent.isdecimal() else None
