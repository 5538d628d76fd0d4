"""What Cohere's errors mean: `{"id", "message"}`, and statuses, some of them its own."""

from collections.abc import Mapping

from warren.errors import WarrenError
from warren_worker import refusal as common


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> WarrenError:
    """The error that this answer is."""
    words = common.detail(body).get("message")
    said = words if isinstance(words, str) else ""
    match status:
        case 400 if "too many tokens" in said and "max tokens" not in said:
            return common.too_long(said)
        case 429 if "/ month" in said:  # of a trial key, which has another for each minute
            return common.quota(common.retry_after(headers))
        case 498:  # something in it is on a list of what must not be said
            return common.filtered(said)
        case 499:  # it was cancelled, and not by us: nobody would read this
            return common.failed(status)
        case _:
            return common.refusal(status, headers, body)
