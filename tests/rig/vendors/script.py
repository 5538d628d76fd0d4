"""What fake vendors say, in nobody's words. A model's name is the name of its script:

text            two sentences, in pieces
think           thoughts with a signature, then text
tool            text, then a call of `lookup` with {"q": "rain"}
parallel        two calls of `lookup`
bare            a call of `ping`, without arguments
loop            thoughts and a call of the first tool; once there is a result, a text that quotes all results
rounds          thoughts and two calls of `lookup`; then thoughts and a third; then a text that quotes all results
json            a value that is valid against the schema that was asked for
search          a hosted web search, and text that cites what it found
length          text cut off at its limit
filter          text cut off by a filter
refuse          nothing, but a refusal
echo            what the user said last
remember        all that it was told, a line for each turn
usage           text, and usage in all detail
cut             text, and then the connection ends
inside          text, and then an error inside the stream
error-STATUS    the vendor's error with this HTTP status
error-context   the vendor's way to say that the input is too long
error-key       the vendor's way to say that our key is bad, naming it
error-quota     the vendor's way to say that there is no money left
error-overload  the vendor's way to say that it is overloaded
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Think:
    text: str
    signature: str = "c2lnbmF0dXJlLW9mLXRoZS12ZW5kb3I="


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class Cited:
    """Text, and where it is from."""

    text: str
    url: str
    title: str


@dataclass(frozen=True)
class Search:
    query: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Use:
    """A call of a tool. Vendors without ids leave it out."""

    name: str
    arguments: dict[str, Any]
    call_id: str = "call_1"


@dataclass(frozen=True)
class Refuse:
    text: str


Step = Think | Say | Cited | Search | Use | Refuse


@dataclass(frozen=True)
class Used:
    """In OpenAI's way of counting: `read` has `cached` and `cache_written` in it, `written` has `reasoned` in it."""

    read: int = 31
    cached: int = 0
    cache_written: int = 0
    written: int = 17
    reasoned: int = 0


@dataclass(frozen=True)
class Script:
    steps: tuple[Step, ...]
    stop: Literal["end", "length", "filter", "tool", "cut", "inside"] = "end"
    used: Used = Used()
    error: str | None = None
    """An HTTP status, or what an `error-…` is called."""


@dataclass(frozen=True)
class Asked:
    """A request as a fake reads it."""

    stream: bool
    system: str = ""
    said: tuple[tuple[str, str], ...] = ()
    """Role and text of every turn; of a result, `tool` and its text."""
    tools: tuple[str, ...] = ()
    results: tuple[tuple[str, str], ...] = ()
    """Name or id, and text, of what tools gave back."""
    signatures: tuple[str, ...] = ()
    """Of thoughts that came back."""
    schema: dict[str, Any] | None = None
    thinks: bool = False
    """It was asked to reason."""
    more: dict[str, Any] = field(default_factory=dict)


ANSWER = "It rains in Spain. Take an umbrella: “ünïcödé”."
THOUGHT = "Rain falls. Where? In the plain."
URLS = ("https://weather.example/spain", "https://umbrella.example/")


def script(model: str, asked: Asked) -> Script:
    """What this model says to that."""
    if model.startswith("error-"):
        return Script((), error=model.removeprefix("error-"))
    said = _SCRIPTS.get(model, Script((), error="404"))
    return said if isinstance(said, Script) else said(asked)


def _json(asked: Asked) -> Script:
    return Script((Say(json.dumps(_fitting(asked.schema or {"type": "object"}))),))


def _echo(asked: Asked) -> Script:
    return Script((Say(next((text for role, text in reversed(asked.said) if role == "user"), "")),))


def _remember(asked: Asked) -> Script:
    return Script((Say("\n".join(f"{role}: {text}" for role, text in asked.said)),))


def _loop(asked: Asked) -> Script:
    if asked.results:
        return Script((Say("The tool said: " + " | ".join(text for _, text in asked.results)),))
    name = asked.tools[0] if asked.tools else "lookup"
    thoughts = (Think(THOUGHT),) if asked.thinks else ()
    return replace(Script((*thoughts, Use(name, {"q": "rain"})), "tool"), used=Used(reasoned=9 if thoughts else 0))


def _rounds(asked: Asked) -> Script:
    thoughts = (Think(THOUGHT),) if asked.thinks else ()
    match len(asked.results):
        case 0:
            return Script((*thoughts, Use("lookup", {"q": "rain"}), Use("lookup", {"q": "sun"}, "call_2")), "tool")
        case 2:
            return Script((*thoughts, Use("lookup", {"q": "snow"}, "call_3")), "tool")
        case _:
            return _loop(asked)


def _fitting(schema: dict[str, Any]) -> Any:
    """A value that is valid against a simple schema."""
    match schema.get("type"):
        case "object":
            return {name: _fitting(inner) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [_fitting(schema.get("items", {"type": "string"}))]
        case "integer":
            return 7
        case "number":
            return 0.5
        case "boolean":
            return True
        case _:
            return schema.get("enum", ["rain"])[0]


_SCRIPTS: dict[str, Script | Callable[[Asked], Script]] = {
    "text": Script((Say(ANSWER),)),
    "think": Script((Think(THOUGHT), Say(ANSWER)), used=Used(reasoned=9)),
    "tool": Script((Say("Let me look."), Use("lookup", {"q": "rain"})), "tool"),
    "parallel": Script((Use("lookup", {"q": "rain"}), Use("lookup", {"q": "sun"}, "call_2")), "tool"),
    "bare": Script((Use("ping", {}),), "tool"),
    "loop": _loop,
    "rounds": _rounds,
    "json": _json,
    "search": Script((Search("rain in spain", URLS), Cited(ANSWER, URLS[0], "Spain"))),
    "length": Script((Say("It rains in"),), "length"),
    "filter": Script((Say("It rains"),), "filter"),
    "refuse": Script((Refuse("That I will not say."),), "filter"),
    "echo": _echo,
    "remember": _remember,
    "usage": Script((Say(ANSWER),), used=Used(read=1000, cached=600, cache_written=100, written=70)),
    "cut": Script((Say(ANSWER),), "cut"),
    "inside": Script((Say("It rains"),), "inside"),
}
