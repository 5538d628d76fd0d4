"""What of a request may be another one where it goes on."""

from warren.requests.bodies import CreateResponse

FIXED = frozenset(
    {
        "model", "previous_response_id", "conversation", "store", "stream", "stream_options", "background",
        "background_options", "metadata",
    }
)  # fmt: skip
"""Fields that stay what they are."""


def overridable(name: str) -> bool:
    """Whether a fallback may say this field otherwise."""
    return name in CreateResponse.model_fields and name not in FIXED
