"""History: what was said in a chain of responses. Works on bytes, and parses as little of them as it can."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

_value = json.JSONDecoder().raw_decode
_MARKS = {mark: re.compile(rf"[ \t\n\r]*{mark}[ \t\n\r]*") for mark in "{,:"}


def walk(start: str, previous: Mapping[str, str | None]) -> Iterator[str]:
    """The ids from `start` back, newest first. It turns round for ever in a circle: stop at what comes again."""
    at: str | None = start
    while at is not None:
        yield at
        at = previous.get(at)


def items(turns: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Everything said, as a JSON array: of each turn its input (a JSON array), then the output in its response.

    Instructions are not history: the API takes them afresh with every request.

    Raises:
        ValueError: something in here is not what it should be.
    """
    return array(filter(None, (_inside(part) for input_, body in turns for part in (input_, output(body)))))


def array(said: Iterable[bytes]) -> bytes:
    """A JSON array of these."""
    return b"[" + b",".join(said) + b"]"


def output(body: bytes) -> bytes:
    """The output array of a response object, cut out as it stands: numbers and escapes are not written anew.

    Raises:
        ValueError: this is no object with an output.
    """
    text = body.decode("latin-1")  # a character per byte; all that structures JSON is ASCII, the rest is passed over
    at, mark = 0, "{"
    while True:
        key, at = _value(text, _past(mark, text, at))
        start = _past(":", text, at)
        _, at = _value(text, start)
        if key == "output":
            return body[start:at]
        mark = ","


def _past(mark: str, text: str, at: int) -> int:
    """Behind this mark and the space around it."""
    found = _MARKS[mark].match(text, at)
    if found is None:
        raise ValueError(f"no {mark!r} where one is due")
    return found.end()


def _inside(text: bytes) -> bytes:
    """The items of a JSON array, without its brackets."""
    text = text.strip()
    if text and not (text.startswith(b"[") and text.endswith(b"]")):
        raise ValueError("not a JSON array")
    return text[1:-1].strip()
