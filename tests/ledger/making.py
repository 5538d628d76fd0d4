"""Outcomes to store, and a clock to move."""

import json
import time
from decimal import Decimal
from typing import Any

from warren import ids
from warren.contracts import Outcome, Terminal, UpstreamCall, Usage

ACCOUNT = "acme"


class Clock:
    """The time of a store under test."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def fresh() -> str:
    return ids.new("resp")


def message(text: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text}


def call(call_id: str | None = None, cost: Decimal | None = Decimal("0.000125"), **changes: Any) -> UpstreamCall:
    values = {
        "call_id": call_id or f"{ids.new('att')}.1",
        "deployment": "openai/gpt",
        "provider": "openai",
        "model": "gpt",
        "started_at": 1.5,
        "seconds": 0.25,
        "usage": Usage(input_tokens=2, output_tokens=3),
        "usage_source": "reported",
        "cost": cost,
    }
    return UpstreamCall.model_validate({**values, **changes})


def outcome(
    response_id: str | None = None,
    *,
    account: str = ACCOUNT,
    attempt: str = "a",
    status: Terminal = "completed",
    previous: str | None = None,
    store: bool = True,
    body: bytes | None = None,
    said: bytes | None = None,
    calls: tuple[UpstreamCall, ...] = (),
    ended_at: float | None = None,
) -> Outcome:
    """An outcome that tells whose it is: the input is `in <id>`, the output `out <id>`."""
    id_ = response_id or fresh()
    if body is None:
        body = json.dumps({"id": id_, "status": status, "output": [message(f"out {id_}", "assistant")]}).encode()
    if said is None:
        said = json.dumps([message(f"in {id_}")]).encode()
    return Outcome(
        response_id=id_,
        account=account,
        attempt=attempt,
        status=status,
        store=store,
        model="gpt",
        created_at=time.time(),
        ended_at=time.time() if ended_at is None else ended_at,
        split=len(body),
        previous_response_id=previous,
        deployment="openai/gpt",
        upstream_id="resp_upstream",
        calls=calls,
        payload=body + said,
    )


def line(length: int, **changes: Any) -> list[Outcome]:
    """A conversation, oldest first."""
    outcomes: list[Outcome] = []
    for _ in range(length):
        outcomes.append(outcome(previous=outcomes[-1].response_id if outcomes else None, **changes))
    return outcomes
