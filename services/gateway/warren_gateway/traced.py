"""The span of a request: from its first byte to the last of its answer."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, Span, SpanContext, SpanKind
from starlette.requests import HTTPConnection

from warren import telemetry
from warren.contracts import Head
from warren.telemetry.spans import age
from warren_gateway.flight import Flight

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_UNTOLD = ("/health", "/ops")
"""What is asked every few seconds, by machines and by who watches them."""
_PREFIXES = ("/openai/v1", "/v1")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Traced:
    """Makes the span of an HTTP request. It is told by its route, never by its address, which may hold anything."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not telemetry.on() or scope["path"].startswith(_UNTOLD):
            await self._app(scope, receive, send)
            return

        async def told(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                telemetry.say(span, status_code=message["status"])
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        parent, links = beginning(HTTPConnection(scope), trusted=scope["app"].state.gateway.trusts_traceparent)
        with telemetry.span(method, SpanKind.SERVER, parent, links=links, method=method) as span:
            try:
                await self._app(scope, receive, told)
            finally:
                if (route := route_of(scope)) is not None:
                    span.update_name(f"{method} {route}")
                    telemetry.say(span, route=route)


def route_of(scope: Scope) -> str | None:
    """The template of the route that a request came by, with its prefix; None, if there is no such route."""
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None:
        return None
    return next((prefix + path for prefix in _PREFIXES if scope["path"].startswith(f"{prefix}/")), path)


def beginning(connection: HTTPConnection, *, trusted: bool) -> tuple[dict[str, str], Iterable[Link]]:
    """What the trace of a request begins with: as a rule nothing, and a link to the span that its client says that it
    is a part of. Taken for its parent, it would decide whose traces these are, and how many.
    """
    headers = {name: connection.headers[name] for name in ("traceparent", "tracestate") if name in connection.headers}
    if trusted:
        return headers, ()
    said = telemetry.remote(headers.get("traceparent", ""))
    return {}, telemetry.link(SpanContext(said.trace_id, said.span_id, is_remote=True), "client")


def launched(flight: Flight, **attributes: Any) -> None:
    """A request is under way: from now on what becomes of it is told in the current span."""
    flight.span = telemetry.current()
    telemetry.say(flight.span, response_id=flight.response_id, account=flight.account, **attributes)


def landed(flight: Flight) -> None:
    """It is over, or its client is gone."""
    span = flight.span
    if not span.is_recording():
        return
    if flight.first_at is not None:
        telemetry.event("first_chunk", span, at=flight.first_at)
        if isinstance(span, ReadableSpan):
            telemetry.say(span, time_to_first_token=age(span, flight.first_at))
    answered(flight.head, span)
    if flight.error is not None:
        telemetry.fail(flight.error, span)
    if flight.abandoned and not flight.ended:
        telemetry.event("cancel", span, overrun=flight.overrun)


def answered(head: Head | None, span: Span | None = None) -> None:
    """Who gave the answer, and whether it is one."""
    if head is None or not telemetry.on():
        return
    telemetry.say(
        span,
        deployment=head.deployment,
        group=head.group,
        attempts=head.tries,
        retries=head.retries,
        fallbacks=head.fallbacks,
    )
    if head.error is not None:
        began = head.status in (None, 200)  # then it is a stream that failed, whosever fault that was
        telemetry.fail(head.error, span, status=500 if began else head.status)
