"""The plain input of a custom tool as the arguments of a function, `{"input": "…"}`, and out of them again."""

import re
from collections.abc import Callable

from pydantic_core import from_json, to_json

KEY = "input"

_HEAD = '{"input":"'
_OPENED = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_PLAIN = re.compile(r'[^"\\]+')
_HIGH = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}")
_LOW = re.compile(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_UNIT = re.compile(r"\\u[0-9a-fA-F]{4}")
_BEGUN = re.compile(r"\\(u[0-9a-fA-F]{0,3})?")
_BEGUN_LOW = re.compile(r"(\\(u([dD]([c-fC-F][0-9a-fA-F]?)?)?)?)?")
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}
_LONGEST_HEAD = 1000


def wrapped(text: str) -> str:
    return to_json({KEY: text}).decode()


class Unwrapper:
    """Gives the input as its arguments come, piece by piece. What is not of that form is itself the input."""

    def __init__(self) -> None:
        self._held = ""
        self._whole: list[str] | None = None  # an object of another form: nothing is known before its end
        self._feed: Callable[[str], str] = self._head

    def feed(self, part: str) -> str:
        """What this piece of the arguments adds to the input."""
        return self._feed(part)

    def end(self) -> str:
        """What is still missing, now that no more arguments come."""
        if self._whole is not None:
            return _only_text("".join(self._whole))
        return self._held if self._feed == self._head else ""

    def _head(self, part: str) -> str:
        self._held += part
        if opened := _OPENED.match(self._held):
            rest, self._held = self._held[opened.end() :], ""
            self._feed = self._text
            return self._text(rest)
        begun = "".join(self._held.split())
        if _HEAD.startswith(begun) and len(self._held) < _LONGEST_HEAD:
            return ""
        if begun.startswith("{"):
            self._whole = [self._held]
            self._feed = self._gather
            return ""
        rest, self._held = self._held, ""
        self._feed = self._raw
        return rest

    def _text(self, part: str) -> str:
        text = self._held + part
        self._held = ""
        said: list[str] = []
        at = 0
        while at < len(text):
            if plain := _PLAIN.match(text, at):
                said.append(plain[0])
                at = plain.end()
            elif text[at] == '"':
                self._feed = self._nothing
                break
            else:
                piece, after = _escaped(text, at)
                if piece is None:
                    self._held = text[at:]
                    break
                said.append(piece)
                at = after
        return "".join(said)

    def _gather(self, part: str) -> str:
        assert self._whole is not None
        self._whole.append(part)
        return ""

    def _raw(self, part: str) -> str:
        return part

    def _nothing(self, _: str) -> str:
        return ""


def _escaped(text: str, at: int) -> tuple[str | None, int]:
    """The character that is escaped here, and where it ends; None if more must come first.

    Half a pair becomes U+FFFD. What is no escape stays as it is: models forget to double a backslash.
    """
    if _BEGUN.fullmatch(text, at):
        return None, at
    if high := _HIGH.match(text, at):
        if low := _LOW.match(text, high.end()):
            return from_json(f'"{high[0]}{low[0]}"'), low.end()
        return (None, at) if _BEGUN_LOW.fullmatch(text, high.end()) else ("\ufffd", high.end())
    if unit := _UNIT.match(text, at):
        return ("\ufffd" if _LOW.match(text, at) else from_json(f'"{unit[0]}"')), unit.end()
    follows = text[at + 1]
    return _SIMPLE.get(follows, "\\" + follows), at + 2


def _only_text(arguments: str) -> str:
    """The input in arguments that do not begin with it: its key, or else the only one, if it holds text."""
    try:
        given = from_json(arguments)
    except ValueError:
        return arguments
    if isinstance(given, dict):
        value = given.get(KEY, next(iter(given.values())) if len(given) == 1 else None)
        if isinstance(value, str):
            return value
    return arguments
