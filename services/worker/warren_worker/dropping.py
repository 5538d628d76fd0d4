"""What is left out of a request, or goes around the dialect, because the configuration says so.

`drop_params`: what the deployment cannot take. `additional_drop_params`: these, whoever could take them.
`allowed_openai_params`: these are not left out or refused, but sent as they are. All that is left out is told. What the
conversation is made of is never left out, nor what decides whose it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from warren.config import UNDROPPABLE
from warren.errors import InvalidRequest
from warren.naming import CHATS
from warren.objects import Item
from warren.requests.defaults import laid_under
from warren_worker.admission import given, surplus
from warren_worker.dialect import Call, Conversation
from warren_worker.parameters import NAMES
from warren_worker.provider import Endpoint

_STEP = re.compile(r"(\w+)|\[(\d+|\*)\]")
_OF_CHATS = re.compile(r"^(tools\[(?:\d+|\*)\])\.function\.")


def call(endpoint: Endpoint, conversation: Conversation) -> tuple[Call, Conversation, tuple[str, ...]]:
    """The call that asks for this, of what conversation, and what had to be left out of the request.

    Raises:
        InvalidRequest: as `Dialect.call`, for what must not be left out.
    """
    asked = _Asked(laid_under(endpoint.defaults, conversation.request) if endpoint.defaults else conversation.request)
    around = asked.taken_around(endpoint.raw)
    asked.lose([(path, True) for name in endpoint.unwanted for path in asked.places(name)])
    if endpoint.facts.reasoning == "none" and (asked.left.get("reasoning") or {}).get("effort") == "none":
        asked.lose([("reasoning.effort", False)])
    asked.lose(surplus(asked.left, conversation.items, endpoint.parameters, drop=endpoint.drops))
    while True:
        conversation = replace(conversation, request=asked.left)
        try:
            made = endpoint.dialect.call(conversation, endpoint.model)
        except InvalidRequest as refused:
            if not endpoint.drops or refused.code != "unsupported_parameter" or refused.param is None:
                raise
            if not asked.lose([(_field_or_element(refused.param), True)]):
                raise
        else:
            made = replace(made, body={**made.body, **around}) if around else made
            return made, conversation, tuple(asked.lost)


class _Asked:
    """A request that gets smaller. What it lost is told by the places where that stood at first."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.left = request
        self.lost: list[str] = []
        self._stood: dict[str, list[int]] = {}  # of a list that lost some: where those that are left once stood

    def places(self, name: str) -> list[str]:
        """Where this parameter is: `user`, `reasoning.effort`, `tools[*].strict`; or as Chat Completions call it."""
        name = CHATS.get(name, _OF_CHATS.sub(r"\1.", name))
        if name in NAMES and ":" in name:
            row = NAMES[name]
            return [path for used, path, _ in given(self.left, []) if used is row]
        return [_written(steps) for steps in _expanded(self.left, _steps(name)) if steps]

    def taken_around(self, raw: Mapping[str, str]) -> Item:
        """The values at these paths, by the names that they go out under. They are no part of the request any more."""
        around = {}
        for path, name in raw.items():
            steps = _steps(path)
            if (value := _at(self.left, steps)) is not None:
                around[name] = _as_in_chats(name, value)
                self.lose([(path, False)])
        return around

    def lose(self, paths: Iterable[tuple[str, bool]]) -> bool:
        """Take these out, and tell those that are to be told. Elements of one list come in their order.

        Gives whether there was anything to take out.
        """
        lost = []
        for path, told in reversed(list(paths)):  # the last first: the numbers of the others stay
            steps = _steps(path)
            if not steps or steps[0] in UNDROPPABLE or _at(self.left, steps) is None:
                continue
            first = self._first(steps)
            if told:
                lost.append(_written(first))
            self._lose(steps)
            if steps[0] == "tools":
                lost = [*self._lose_choice(), *lost]
        self.lost += lost[::-1]
        return bool(lost)

    def _first(self, steps: "_Steps") -> "_Steps":
        """The same place in the request as it came."""
        match steps:
            case [name, int(at), *rest] if name in self._stood:
                return [name, self._stood[name][at], *rest]
        return steps

    def _lose(self, steps: "_Steps") -> None:
        before = self.left[steps[0]]
        self.left = _without(self.left, steps)
        after = self.left.get(steps[0], [])
        if isinstance(before, list) and len(after) < len(before) and len(steps) > 1:
            del self._stood.setdefault(steps[0], list(range(len(before))))[steps[1]]

    def _lose_choice(self) -> list[str]:
        """Between no tools there is no choice."""
        if "tools" in self.left or self.left.get("tool_choice") is None:
            return []
        choice = self.left["tool_choice"]
        self.left = _without(self.left, ["tool_choice"])
        return [] if choice in ("auto", "none") else ["tool_choice"]


_Steps = list[Any]
"""A path: names of fields, and numbers of elements, or a star for them all."""


def _steps(path: str) -> _Steps:
    found = _STEP.finditer(path)
    return [name or (number if number == "*" else int(number)) for name, number in (step.groups() for step in found)]


def _written(steps: _Steps) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _field_or_element(path: str) -> str:
    """The largest thing that this path is in, and that can go: a key of a field, an element of a list, or the field.

    A tool of which something cannot be said is not told half.
    """
    return _written(_steps(path)[:2])


def _at(value: Any, steps: _Steps) -> Any:
    for step in steps:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def _expanded(value: Any, steps: _Steps) -> Iterator[_Steps]:
    """The places that this pattern finds."""
    match steps:
        case []:
            yield []
        case ["*", *rest] if isinstance(value, list):
            for at, inner in enumerate(value):
                yield from ([at, *found] for found in _expanded(inner, rest))
        case [step, *rest] if (inner := _at(value, [step])) is not None:
            yield from ([step, *found] for found in _expanded(inner, rest))


def _without(value: Any, steps: _Steps) -> Any:
    """The value without what is at this place, nor what is empty then."""
    step, *rest = steps
    left = _without(value[step], rest) if rest else None
    if isinstance(value, list):
        return [*value[:step], *([left] if left else []), *value[step + 1 :]]
    if not left and step == "tools" and value.get("type") == "namespace":
        return None  # it is nothing else than its tools
    rest_of_it = {key: inner for key, inner in value.items() if key != step}
    return {**rest_of_it, step: left} if left else rest_of_it


def _as_in_chats(name: str, value: Any) -> Any:
    match name, value:
        case "response_format", {"type": "json_schema" as kind, **schema}:
            return {"type": kind, kind: schema}
    return value
