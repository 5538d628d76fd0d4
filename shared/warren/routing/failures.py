"""What to make of a failure: whether another try may help, and where."""

from enum import Enum, auto

from warren.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    UpstreamAuth,
    UpstreamError,
    UpstreamQuotaExceeded,
    UpstreamRefused,
    WarrenError,
)

_UNFIT = "invalid_structured_output"


class Verdict(Enum):
    AGAIN = auto()
    """Anybody in the group may do better, the same one later."""
    ELSEWHERE = auto()
    """Not this one, but perhaps another one of the group."""
    DONE = auto()
    """Nobody in the group; perhaps another group."""
    FINAL = auto()
    """Nobody: it is the request, or ourselves."""


def verdict(error: WarrenError) -> Verdict:
    match error:
        case ContextLengthExceeded():
            return Verdict.DONE
        case InvalidRequest(code="unsupported_parameter"):
            return Verdict.ELSEWHERE
        case UpstreamAuth() | UpstreamQuotaExceeded() | UpstreamRefused(status=404):
            return Verdict.ELSEWHERE
        case UpstreamRefused():
            return Verdict.DONE
        case UpstreamError(retry=retry):
            return Verdict.AGAIN if retry else Verdict.ELSEWHERE
        case WarrenError(code=code) if code == _UNFIT:
            return Verdict.DONE
    return Verdict.FINAL
