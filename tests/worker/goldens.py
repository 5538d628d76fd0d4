"""Golden files of a vendor: `calls` (a conversation and the call it makes), `answers` (events and what they make).

They were read before they were kept.
"""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.rig.legal import check_stream
from tests.worker.telling import REQUEST, assembler, fed, wire
from warren.errors import WarrenError
from warren.objects import items
from warren_worker.assembler import Assembler
from warren_worker.dialect import Conversation, Dialect

Item = dict[str, Any]
_ROOT = Path(__file__).parents[1] / "golden"
_CHANGING = {"output", "status", "error", "usage", "incomplete_details", "completed_at"}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def golden(vendor: str, kind: str) -> list[Any]:
    paths = sorted((_ROOT / vendor / kind).glob("*.json"))
    assert paths
    return [pytest.param(json.loads(path.read_text()), id=path.stem) for path in paths]


def conversation(case: Item) -> Conversation:
    """`history` stands before what the request says; `kept` is what its items brought with them."""
    request = case["request"]
    return Conversation(request, [*case.get("history", []), *items(request["input"])], kept=case.get("kept", {}))


def stream_of(dialect: Dialect, events: list[Any]) -> tuple[Assembler, list[Item], WarrenError | None]:
    """What is made of an answer of these events, as it is sent."""
    one = assembler(read=10)
    sent = wire(one.start())
    error: WarrenError | None = None
    try:
        for delta in fed(dialect.reader(Conversation(REQUEST, [])), events):
            sent += wire(one.feed(delta))
        sent += wire(one.finish(at=9))
    except WarrenError as failed:
        error = failed
        sent += wire(one.fail(failed))
    return one, sent, error


def outcome_of(dialect: Dialect, events: list[Any]) -> Item:
    """What an answer of these events comes to; its stream must be legal."""
    one, sent, error = stream_of(dialect, events)
    final, blank = check_stream(sent), assembler().response
    return {
        "status": final["status"],
        "error": None if error is None else {"kind": type(error).__name__, "status": error.status, **error.detail()},
        "incomplete_details": final["incomplete_details"],
        "output": final["output"],
        "kept": one.kept,
        "usage": final["usage"],
        "usage_source": one.usage_source,
        "upstream_id": one.upstream_id,
        "deltas": [event["delta"] for event in sent if "delta" in event],
        "changed": {key: final[key] for key in sorted(blank.keys() - _CHANGING) if final[key] != blank[key]},
    }


@st.composite
def spoiled(draw: st.DrawFn, cases: list[Any], names: tuple[str, ...]) -> list[Any]:
    """An answer of the golden files of which something is out of place: lost, said twice, or of another form."""
    events: list[Any] = deepcopy(draw(st.sampled_from([case.values[0]["events"] for case in cases])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(events) - 1))
        match draw(st.sampled_from(["lose", "repeat", "change", "change", "change", "swap", "garbage"])):
            case "lose":
                events.pop(at)
            case "repeat":
                events.insert(draw(st.integers(0, len(events))), deepcopy(events[at]))
            case "swap":
                events[at], events[-1] = events[-1], events[at]
            case "garbage":
                events.insert(at, draw(st.binary(max_size=5) | _JSON.map(json.dumps)))
            case "change":
                _change(draw, events[at], names)
        if not events:
            break
    return events


def _change(draw: st.DrawFn, value: Any, names: tuple[str, ...]) -> None:
    while isinstance(value, dict | list) and value:
        key: Any = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else list(range(len(value)))))
        if draw(st.booleans()) or not isinstance(value[key], dict | list):
            value[key] = draw(_JSON)
            if isinstance(value, dict):
                value[draw(st.sampled_from(names))] = draw(_JSON)
            return
        value = value[key]
