"""What the fake provider says, as it knows it and as its answers are checked.

Every prompt carries a number and every reply begins with it, so an answer that went to the wrong client is noticed.
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, cycle, islice, product

DIGITS = 7
NUMBER = re.compile(rb"case (\d{7})")
_MODEL = re.compile(r"words-(\d+)(?:-after-(\d+))?(?:-every-(\d+))?")
_WORDS = ("burrow", "clover", "thistle", "meadow", "hedge", "bramble", "warren")


@dataclass(frozen=True, slots=True)
class Model:
    """How it answers. `words-200-after-50-every-10` thinks for 50 ms and then says a word every 10 ms."""

    words: int
    after: float = 0.0
    """Seconds before the answer begins."""
    every: float = 0.0
    """Seconds between two words; with 0 all of them come at once."""


def model(name: str) -> Model:
    """What this name says.

    Raises:
        ValueError: it says nothing.
    """
    found = _MODEL.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no model like words-16")
    words, after, every = (int(group or 0) for group in found.groups())
    return Model(max(1, words), after / 1000, every / 1000)


def prompt(number: int, size: int = 0) -> str:
    """What to ask; `size` bytes of prose go before, or about as many, different each time."""
    said = f"This is case {number:0{DIGITS}}. Say the number and then some words about rabbits and where they live."
    return f"{prose(number, size)} {said}" if size else said


def prose(number: int, size: int) -> str:
    """Words as often as languages have them (by Zipf's law), so that it can be compressed as they can."""
    words, weights = _vocabulary()
    chance = random.Random(number)
    return " ".join(chance.choices(words, cum_weights=weights, k=size // 6))[:size]


@cache
def _vocabulary() -> tuple[list[str], list[float]]:
    syllables = [a + b for a, b in product(("b", "cl", "d", "f", "gr", "l", "m", "n", "p", "r", "st", "t"), "aeiou")]
    chance = random.Random(0)
    words = ["".join(chance.choices(syllables, k=chance.choice((1, 2, 2, 3, 3, 4)))) for _ in range(5000)]
    return words, list(accumulate(1 / (rank + 1) for rank in range(len(words))))


def pieces(words: int, number: str) -> list[str]:
    """The text as it is streamed: the number first."""
    return [number, *(f" {word}" for word in islice(cycle(_WORDS), words - 1))]


def text(words: int, number: int) -> str:
    return "".join(pieces(words, f"{number:0{DIGITS}}"))
