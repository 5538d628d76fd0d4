"""What the fake provider says, as it knows it and as its answers are checked.

Every prompt carries a number and every reply begins with it, so an answer that went to the wrong client is noticed.
"""

import re
from dataclasses import dataclass
from itertools import cycle, islice

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


def prompt(number: int) -> str:
    return f"This is case {number:0{DIGITS}}. Say the number and then some words about rabbits and where they live."


def pieces(words: int, number: str) -> list[str]:
    """The text as it is streamed: the number first."""
    return [number, *(f" {word}" for word in islice(cycle(_WORDS), words - 1))]


def text(words: int, number: int) -> str:
    return "".join(pieces(words, f"{number:0{DIGITS}}"))
