"""Responses that ended a while ago, to be put into a store: as many as wanted, of all kinds."""

import json
import random
from collections.abc import Iterator
from decimal import Decimal

from warren import ids
from warren.contracts import Outcome, Payer, Terminal, UpstreamCall, Usage

_MODELS = (("gpt-5", "openai", "gpt-5-east"), ("claude", "anthropic", "claude"), ("llama", "groq", "llama"))
_ENDS: tuple[tuple[Terminal, str | None], ...] = (
    *((("completed", None),) * 16),
    ("failed", "rate_limit_exceeded"),
    ("failed", "upstream_error"),
    ("incomplete", None),
    ("cancelled", None),
)
_STEP = 3.7
"""Seconds from one to the next."""


def outcomes(count: int, now: float, seed: int = 5) -> Iterator[Outcome]:
    """The oldest first; the last one began a few seconds ago."""
    chance = random.Random(seed)
    for number in range(count):
        model, provider, deployment = chance.choice(_MODELS)
        status, error = chance.choice(_ENDS)
        began = now - (count - number) * _STEP
        took = chance.uniform(0.3, 9)
        used = Usage(input_tokens=chance.randrange(20, 4000), output_tokens=chance.randrange(5, 900))
        attempt = ids.new("att")
        call = UpstreamCall(
            call_id=f"{attempt}.1", deployment=deployment, provider=provider, model=model, started_at=began + 0.01,
            seconds=took - 0.02, first_event_seconds=None if error else took / 4, status=429 if error else 200,
            error=error, usage=None if error else used, usage_source=None if error else "reported",
            cost=None if error else Decimal(used.output_tokens) / 100_000,
        )  # fmt: skip
        body = json.dumps(
            {"id": "", "status": status, "output": [{"role": "assistant", "content": f"answer {number}"}]}
        )
        said = json.dumps([{"type": "message", "role": "user", "content": f"question {number}"}])
        yield Outcome(
            response_id=ids.new("resp"), account=chance.choice(("shop", "support", "lab")), attempt=attempt,
            status=status, store=True, model=model, created_at=began, ended_at=began + took, split=len(body),
            deployment=deployment, error=error, calls=(call,), payer=Payer(end_user=f"user-{number % 97}"),
            payload=(body + said).encode(),
        )  # fmt: skip
