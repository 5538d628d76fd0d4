"""What a provider's errors mean, as an answer to a call or inside a stream.

A dialect whose vendor writes errors of another form reads them itself (`detail` finds the object, `retry_after` the
time to wait) and makes what it found by `of_status`, or by the functions that are named for what went wrong.
"""

from warren_worker.refusal.causes import (
    failed,
    filtered,
    of_status,
    overloaded,
    quota,
    rate_limited,
    refused,
    timed_out,
    too_long,
    unaccepted,
)
from warren_worker.refusal.reading import detail, inside, refusal, retry_after

__all__ = [
    "detail",
    "failed",
    "filtered",
    "inside",
    "of_status",
    "overloaded",
    "quota",
    "rate_limited",
    "refusal",
    "refused",
    "retry_after",
    "timed_out",
    "too_long",
    "unaccepted",
]
