"""Providers explain themselves in words that quote the prompt, or the key they were asked with. The words go on to
clients and into stored responses, the quotes do not.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

LEFT_OUT = "[…]"
_RUN = 24
"""Characters that words and prompt do not share by chance."""
_SIZE = 2000
"""Characters of a provider's words that are looked at, and told."""
_LOOKED_AT = 1024 * 1024
"""Characters of what was said that are looked at: more would hold up all others."""
_TOKEN = re.compile(r"(?=[\w.-]*\d)\w[\w.-]*\w")
_TOKEN_SIZE = 8
_NAMES = frozenset({"call_id", "encrypted_content", "file_url", "id", "image_url", "name", "role", "status", "type"})
"""Fields that hold no prompt, or what a client wants to see named."""


def without(words: str, said: Iterable[str]) -> str:
    """These words, with LEFT_OUT for what they share with something that was said: `_RUN` characters and more, or
    a word with a digit in it, as keys and numbers are, of `_TOKEN_SIZE` and more.
    """
    words = words[:_SIZE]
    tokens = {token for token in _TOKEN.findall(words) if len(token) >= _TOKEN_SIZE}
    shared = [False] * len(words)
    left = _LOOKED_AT
    for whole in said:
        text = whole[:left]
        left -= len(text)
        if not text:
            break
        for at in _found(words, text):
            shared[at] = True
        for token in [token for token in tokens if token in text]:
            tokens.discard(token)
            for match in re.finditer(re.escape(token), words):
                shared[match.start() : match.end()] = [True] * len(token)
    if not any(shared):
        return words
    return "".join(
        LEFT_OUT if hidden else words[at] for at, hidden in enumerate(shared) if not (hidden and at and shared[at - 1])
    )


def content(value: Any) -> Iterator[str]:
    """All that is said in items and their parts, but for names."""
    match value:
        case str():
            if len(value) >= _TOKEN_SIZE:
                yield value
        case list():
            for inner in value:
                yield from content(inner)
        case dict():
            for name, inner in value.items():
                if name not in _NAMES:
                    yield from content(inner)


def _found(words: str, text: str) -> Iterator[int]:
    """The places in these words that belong to a run of _RUN characters which the text has, too.

    Every such run holds one of the pieces that start at multiples of half its size: only these are looked for.
    """
    if len(text) < _RUN:
        return
    half = _RUN // 2
    done = 0
    for at in range(0, len(words) - half + 1, half):
        if at < done or words[at : at + half] not in text:
            continue
        start, end = at, at + half
        while start > done and words[start - 1 : end] in text:
            start -= 1
        while end < len(words) and words[start : end + 1] in text:
            end += 1
        if end - start >= _RUN:
            yield from range(start, end)
            done = end
