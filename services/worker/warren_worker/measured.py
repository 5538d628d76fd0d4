"""What metrics tell of calls to providers."""

from warren.contracts import UpstreamCall
from warren.errors import UpstreamError, UpstreamRefused, WarrenError
from warren.telemetry import instruments
from warren.telemetry.measuring import SWITCH, Gathered, coded

CHAT = "chat"
"""Every call is one, in the words of the conventions."""


def called(call: UpstreamCall, error: WarrenError | None, group: str, gaps: Gathered | None) -> None:
    """A call of this group is over; `gaps` are the pauses in its answer."""
    if not SWITCH.on:
        return
    who = (CHAT, call.provider, group, call.deployment)
    failed = None if error is None else coded(call.error)
    instruments.CALL_DURATION.record(call.seconds, *who, failed)
    if call.first_event_seconds is not None:
        instruments.TIME_TO_FIRST_CHUNK.record(call.first_event_seconds, *who)
    if gaps is not None:
        instruments.TIME_PER_OUTPUT_CHUNK.merge(gaps, *who)
    if isinstance(error, UpstreamError) and not isinstance(error, UpstreamRefused):  # that is about the request
        instruments.UPSTREAM_ERRORS.add(1, call.provider, call.deployment, failed)
    if call.usage is not None:
        _used(call, who)


def _used(call: UpstreamCall, who: tuple[str, str, str, str]) -> None:
    usage = call.usage
    assert usage is not None
    for counter, tokens in (
        (instruments.INPUT_TOKENS, usage.input_tokens),
        (instruments.OUTPUT_TOKENS, usage.output_tokens),
        (instruments.CACHE_READ_TOKENS, usage.cached_tokens),
        (instruments.CACHE_WRITE_TOKENS, usage.cache_write_tokens),
        (instruments.REASONING_TOKENS, usage.reasoning_tokens),
    ):
        counter.add(tokens, *who)
    instruments.TOKEN_USAGE.record(usage.input_tokens, *who, "input")
    instruments.TOKEN_USAGE.record(usage.output_tokens, *who, "output")
    if call.cost is None:
        instruments.COST_UNKNOWN.add(1, *who[1:])
    else:
        instruments.COST.add(float(call.cost), *who[1:])
