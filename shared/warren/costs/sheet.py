"""What is known of one model's prices, ready to be asked: an entry of a price file, read once."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

from warren import price_keys as keys
from warren.costs.bill import MONEY
from warren.costs.hours import Hours
from warren.price_keys import amount, token_key

_SUFFIXES = {
    "flex": "flex", "priority": "priority", "fast": "priority", "balanced": "balanced", "ultrafast": "ultrafast",
    "batch": "batches",
}  # fmt: skip
"""Of service tiers that have prices of their own; all others are served at the plain ones."""
_INCLUSIVE = frozenset({"xai"})
"""Who charges more from a threshold on, not only above it."""
_CACHED_SHARE = {"fireworks_ai": Decimal("0.5")}
"""What a cached token costs of one that is not, where an entry does not say and the vendor does."""

Find = Callable[[str], Decimal | None]


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars for a token of each kind; None where nobody knows. Named like `quantities.Quantities`."""

    input: Decimal | None
    cache_read: Decimal | None
    cache_read_audio: Decimal | None
    cache_read_image: Decimal | None
    cache_write: Decimal | None
    cache_write_1h: Decimal | None
    cache_write_12h: Decimal | None
    input_audio: Decimal | None
    input_image: Decimal | None
    input_video: Decimal | None
    output: Decimal | None
    reasoning: Decimal | None
    output_audio: Decimal | None
    output_image: Decimal | None

    def times(self, factor: Decimal) -> "Rates":
        if factor == 1:
            return self
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: MONEY.multiply(rate, factor) for name, rate in given.items() if rate is not None})


class Sheet:
    """The prices of one model.

    A request is charged at one set of rates, by the number of its input tokens: above a threshold all its tokens cost
    what they cost there. Kinds of tokens without a rate of their own cost what the next more general kind does.
    """

    def __init__(self, entry: Mapping[str, Any], provider: str, source: str, date: str | None = None) -> None:
        """Read an entry of a price file, whose provider is this.

        Raises:
            ValueError: a price in it is none.
        """
        self.provider = provider
        self.source = source
        self.date = date
        self._numbers = {name: amount(entry[name]) for name in keys.NUMBERS if entry.get(name) is not None}
        self._steps = _steps(entry)
        self._inclusive = provider in _INCLUSIVE
        self._share = _CACHED_SHARE.get(provider)
        self._bands = _Bands(entry.get(keys.TIERED) or ())
        off_peak = entry.get(keys.OFF_PEAK) or {}
        self._hours = Hours.of(off_peak) if off_peak else None
        self._off_peak = _amounts(off_peak)
        self._factors = _amounts(entry.get(keys.SPECIFIC) or {}, numbers_only=True)
        self.searches = _amounts(entry.get(keys.SEARCHES) or {})
        self.search_unit: str | None = entry.get(keys.SEARCH_UNIT)
        self.vendor = "anthropic" if "anthropic" in str(entry.get("litellm_provider")) else provider
        """Whose model it is, if that decides what tools cost: Claude's do not cost at Google's what Google's do."""
        thresholds = {above for steps in self._steps.values() for above in steps}
        self._thresholds = sorted(self._bands.ends or thresholds - {0})
        self._rates: dict[tuple[int, str, bool], Rates] = {}

    def number(self, name: str) -> Decimal | None:
        return self._numbers.get(name)

    @property
    def per_second(self) -> Decimal | None:
        """US dollars for a second of a call, if tokens have no price here."""
        if self._steps.get((keys.INPUT, "")) or self._steps.get((keys.OUTPUT, "")) or self._bands.ends:
            return None
        return next((self._numbers[name] for name in keys.SECONDS if name in self._numbers), None)

    def rates(self, tokens: int, tier: str | None, at: float) -> Rates:
        """What holds for a request of so many input tokens, served at this tier and time."""
        find_place = bisect_right if self._inclusive else bisect_left
        place = find_place(self._thresholds, tokens)
        cheap = self._hours is not None and self._hours.hold(at)
        which = (place, _SUFFIXES.get((tier or "").lower(), ""), cheap)
        if (found := self._rates.get(which)) is None:
            found = self._rates[which] = self._resolved(*which)
        return found

    def factor(self, geo: str | None, *, fast: bool) -> Decimal:
        """What the rates of tokens are multiplied by for where, and how, the model was run."""
        made = self._factors.get(geo.lower(), Decimal(1)) if geo else Decimal(1)
        return MONEY.multiply(made, self._factors["fast"]) if fast and "fast" in self._factors else made

    def _resolved(self, place: int, suffix: str, cheap: bool) -> Rates:
        find: Find
        if self._bands.ends:
            find = self._bands.finder(place, self._flat)
        else:
            reached = set(self._thresholds[:place])

            def find(base: str) -> Decimal | None:
                return self._step(base, suffix, reached)

        if cheap:
            return _filled(lambda base: self._off_peak.get(base, find(base)), self._share)
        return _filled(find, self._share)

    def _flat(self, base: str) -> Decimal | None:
        return self._step(base, "", set())

    def _step(self, base: str, suffix: str, reached: set[int]) -> Decimal | None:
        """The rate at the highest threshold reached that has one; the tier's own goes before the plain one there."""
        plain, own = self._steps.get((base, ""), {}), self._steps.get((base, suffix), {})
        if base == keys.REASONING and suffix and not own and (keys.OUTPUT, suffix) in self._steps:
            return None  # at this tier, thoughts cost what all output does
        steps = plain | own
        at = max((above for above in steps if above == 0 or above in reached), default=None)
        return None if at is None else steps[at]


class _Bands:
    """`tiered_pricing`: which rates hold up to how many input tokens."""

    def __init__(self, table: Any) -> None:
        rows = [row for row in table if "range" in row and keys.INPUT in row]
        rows.sort(key=lambda row: amount(row["range"][0]))
        self.ends = [int(amount(row["range"][1])) for row in rows[:-1]]
        self._rows = [_amounts(row) for row in rows]
        if len(rows) == 1:
            self.ends = [int(amount(rows[0]["range"][1]))]
            self._rows *= 2

    def finder(self, place: int, flat: Find) -> Find:
        """Rates of the row that begins at this end. If it is for input only, output costs what the entry says."""
        row = self._rows[place]
        if keys.OUTPUT in row:
            return row.get
        return lambda base: row.get(base, flat(base) if base in (keys.OUTPUT, keys.REASONING) else None)


def _steps(entry: Mapping[str, Any]) -> dict[tuple[str, str], dict[int, Decimal]]:
    """By base and tier: the rate above each threshold."""
    made: dict[tuple[str, str], dict[int, Decimal]] = {}
    for name, value in entry.items():
        if value is not None and (key := token_key(name)) is not None:
            made.setdefault((key.base, key.tier), {})[key.above] = amount(value)
    return made


def _amounts(given: Mapping[str, Any], *, numbers_only: bool = False) -> dict[str, Decimal]:
    """What of this is a price; only with `numbers_only` anything but a price may have such a name."""
    return dict(_priced(given, numbers_only=numbers_only))


def _priced(given: Mapping[str, Any], *, numbers_only: bool) -> Iterator[tuple[str, Decimal]]:
    for name, value in given.items():
        if numbers_only and not isinstance(value, int | float | Decimal):
            continue
        if value is not None and (numbers_only or "cost" in name or name.startswith("search_context_size")):
            yield name, amount(value)


def _filled(find: Find, share: Decimal | None) -> Rates:
    """All rates, of those that there are."""
    read = find(keys.INPUT)
    cached = _first(find(keys.CACHE_READ), find(keys.CACHE_HIT), _share(read, share), read)
    written = _first(find(keys.CACHE_WRITE), read)
    said = _first(find(keys.OUTPUT), find(keys.IMAGE_OUT))
    return Rates(
        input=read,
        cache_read=cached,
        cache_read_audio=_first(find(keys.AUDIO_READ), cached),
        cache_read_image=_first(find(keys.IMAGE_READ), cached),
        cache_write=written,
        cache_write_1h=_first(find(keys.CACHE_WRITE_1H), written),
        cache_write_12h=_first(find(keys.CACHE_WRITE_12H), written),
        input_audio=_first(find(keys.AUDIO_IN), read),
        input_image=_first(find(keys.IMAGE_IN), read),
        input_video=_first(find(keys.VIDEO_IN), read),
        output=said,
        reasoning=_first(find(keys.REASONING), said),
        output_audio=_first(find(keys.AUDIO_OUT), said),
        output_image=_first(find(keys.IMAGE_OUT), said),
    )


def _first(*rates: Decimal | None) -> Decimal | None:
    return next((rate for rate in rates if rate is not None), None)


def _share(rate: Decimal | None, share: Decimal | None) -> Decimal | None:
    return None if rate is None or share is None else MONEY.multiply(rate, share)
