"""LiteLLM's own calculator as an oracle: models of its price file, random usages, and what the two make of them."""

import json
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from tests.costs.making import deployment
from tests.rig import litellm
from warren import price_keys as keys
from warren.contracts import Usage
from warren.costs import Bill, Prices, Served, Table

AT = 1_795_437_000.0
"""A Monday, 12:30 UTC: off the peak."""
_PROGRAM = Path(__file__).with_name("litellm_bills.py")
_OURS = {"bedrock_converse": "bedrock", "cohere_chat": "cohere"}
_MODES = frozenset({"chat", "responses", "completion"})


@cache
def table() -> Table:
    return Table.parse(litellm.prices(), "litellm 1.109.1")


@dataclass(frozen=True)
class Model:
    provider: str
    """As LiteLLM calls it."""
    name: str
    entry: Mapping[str, Any]

    @property
    def ours(self) -> str:
        return "vertex_ai" if self.provider.startswith("vertex_ai") else _OURS.get(self.provider, self.provider)

    @property
    def theirs(self) -> str:
        return self.ours if self.ours in ("vertex_ai", "bedrock") else self.provider


@dataclass(frozen=True)
class Case:
    model: Model
    said: Mapping[str, Any]
    ours: Bill
    theirs: float | None

    @property
    def total(self) -> Decimal:
        """Of what has a price."""
        return sum((line.quantity * line.rate for line in self.ours.lines), Decimal(0))

    @property
    def differs(self) -> bool:
        return self.ours.amount is None or not self.theirs_is(self.ours.amount)

    def theirs_is(self, amount: Decimal) -> bool:
        """Whether LiteLLM says this, up to what floats lose."""
        if self.theirs is None:
            return False
        return abs(amount - Decimal(self.theirs)) <= Decimal("1e-12") * max(amount, Decimal("1e-9"))

    def line(self, what: str) -> Decimal:
        return sum((line.quantity * line.rate for line in self.ours.lines if line.what == what), Decimal(0))


def models(count: int) -> list[Model]:
    """Of each kind of entry, by its provider and the keys it has, as many as there is room for."""
    kinds: dict[tuple[object, ...], list[Model]] = {}
    seen: set[tuple[str, str]] = set()
    for name, entry in table().entries.items():
        provider = str(entry.get("litellm_provider"))
        if entry.get("mode") in _MODES and (keys.INPUT in entry or keys.TIERED in entry):
            known = frozenset(key for key in entry if keys.known(key))
            made = Model(provider, name.removeprefix(f"{provider}/").removeprefix("vertex_ai/"), entry)
            if (made.ours, made.name) not in seen:
                seen.add((made.ours, made.name))
                kinds.setdefault((provider, known), []).append(made)
    chance = random.Random(1)
    rows = [chance.sample(kind, len(kind)) for kind in kinds.values()]
    chance.shuffle(rows)
    rows.sort(key=lambda row: len({keys.token_key(name) for name in row[0].entry}), reverse=True)
    half = [row[0] for row in rows[: count // 2]]
    rest = [row[0] for row in rows[count // 2 :]] + [one for row in rows for one in row[1:]]
    return half + chance.sample(rest, count - len(half))


def usages(count: int) -> list[dict[str, Any]]:
    """Usages that make sense, of all sizes, many at a threshold, with all that may be counted apart."""
    return list(_usages(random.Random(2), count))


def _usages(chance: random.Random, count: int) -> Iterator[dict[str, Any]]:
    thresholds = [1000 * k for k in (32, 100, 128, 200, 256, 272, 512)]

    def some(most: int, likely: float = 0.5) -> int:
        return chance.randint(0, most) if chance.random() < likely else 0

    for _ in range(count):
        at = chance.choice(thresholds) + chance.choice((-1, 0, 1))
        read = chance.choice((at, chance.randint(0, 2000), int(10 ** chance.uniform(0, 6.1))))
        cached = some(read)
        written = some(read - cached, 0.3)
        hour = some(written)
        audio, image = some((read - cached - written) // 2, 0.15), some((read - cached - written) // 3, 0.15)
        said = some(int(10 ** chance.uniform(0, 5)), 0.95)
        thought = some(said)
        made: dict[str, Any] = {
            "input_tokens": read,
            "cached_tokens": cached,
            "cached_audio_tokens": (heard := some(cached, 0.1)),
            "cached_image_tokens": (seen := some(cached - heard, 0.1)),
            "cache_write_tokens": written,
            "cache_write_1h_tokens": hour,
            "cache_write_12h_tokens": some(written - hour, 0.2),
            "input_audio_tokens": audio + heard,
            "input_image_tokens": image + seen,
            "output_tokens": said,
            "reasoning_tokens": thought,
            "output_audio_tokens": (spoken := some((said - thought) // 2, 0.1)),
            "output_image_tokens": some((said - thought - spoken) // 2, 0.1),
            "tier": chance.choice((None, None, "flex", "priority", "default")),
            "geo": chance.choice((None, None, None, "us", "global")),
        }
        if chance.random() < 0.2:
            calls = chance.randint(1, 4)
            made["tools"] = {"web_search": calls, "web_queries": calls}
            if chance.random() < 0.3:
                made["tools"] = {**made["tools"], "file_search": chance.randint(1, 3)}
        yield made


def compared(some: Sequence[Model], said: Sequence[Mapping[str, Any]]) -> Iterator[Case]:
    """What both make of all these usages with each of these models."""
    asked = {"at": AT, "usages": said, "models": [(model.theirs, model.name) for model in some]}
    done = subprocess.run(
        [str(litellm.python()), str(_PROGRAM)], input=json.dumps(asked).encode(), capture_output=True, check=True
    )
    known = Prices(table())
    read = [(one, Usage(**{name: value for name, value in one.items() if name != "tier"})) for one in said]
    for model, theirs in zip(some, json.loads(done.stdout), strict=True):
        made = deployment(f"{model.ours}/{model.name}")
        for (one, usage), cost in zip(read, theirs, strict=True):
            yield Case(model, one, known.bill(made, usage, Served(at=AT, tier=one["tier"])), cost)
