"""What a request says about its own way: read from its fields and its headers, and taken out of the fields.

Names are LiteLLM's. What is taken out is checked here, the rest of the body as ever.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from warren import requests
from warren.contracts import Knobs, Target
from warren.errors import InvalidRequest
from warren.requests.refusals import mistyped
from warren.requests.rewritten import FIXED
from warren.routing.fallbacks import EVERY

UNSAID = Knobs()
"""Of a request that says nothing about its way."""
_MOST_FALLBACKS = 32
_MOST_TAGS = 64
_LONGEST = 512
_LISTS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_TESTS = {
    "mock_testing_fallbacks": "fallbacks",
    "mock_testing_context_fallbacks": "context_window",
    "mock_testing_content_policy_fallbacks": "content_policy",
    "mock_testing_rate_limit_error": "rate_limit",
}
_REWRITTEN = "rewritten"
_PREFIXES = ("x-litellm-", "x-warren-")
_METADATA = ("metadata", "litellm_metadata")
_SESSION_HEADERS = ("x-warren-session-id", "x-litellm-session-id", "x-litellm-trace-id")


def taken(given: dict[str, Any], headers: Mapping[str, str] | None = None) -> tuple[Knobs, bool]:
    """The knobs of a request, whose fields lose them; and whether they had any. What the fields say goes before the
    headers, whose names are in small letters.

    Raises:
        InvalidRequest: one of them is not what it should be; `param` names it.
    """
    said = dict(_from_headers(headers)) if headers is not None else {}
    before = len(given)
    said |= dict(_from_body(given))
    changed = bool(said.pop(_REWRITTEN, False)) or len(given) != before
    return (Knobs(**said) if said else UNSAID), changed


def _from_body(given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The knobs among these fields, which lose them; `_REWRITTEN` tells that one of the others became another one."""
    asked = {name: given.pop(name) for name in _NAMES & given.keys()}
    for name in sorted(asked):
        if name in _READ and asked[name] is not None:
            yield name, _READ[name](name, asked[name], given)
        elif name in _TESTS and _flag(name, asked[name], given):
            yield "mock_testing", _TESTS[name]
    tags = asked.get("tags")
    for name in _METADATA:
        metadata = given.get(name) if name == "metadata" else asked.get(name)
        if name == "litellm_metadata" and metadata is not None and not isinstance(metadata, dict):
            raise mistyped(name, "an object", metadata)
        if not isinstance(metadata, dict):
            continue
        if isinstance(session := metadata.get("session_id"), str):
            yield "session", session[:_LONGEST]
        if name == "litellm_metadata" and isinstance(user := metadata.get("user"), str):
            yield "user", user
        if tags is None and isinstance(metadata.get("tags"), list):
            tags = metadata["tags"]
            yield "tags", _texts(f"{name}.tags", tags, given)
            if name == "metadata":
                given[name] = {key: value for key, value in metadata.items() if key != "tags"}
                yield _REWRITTEN, True


def _from_headers(headers: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    if not any(name.startswith(_PREFIXES) for name in headers):
        return
    for name, number in (("timeout", _seconds), ("stream_timeout", _seconds), ("num_retries", _count)):
        for header in (f"x-litellm-{name.replace('_', '-')}", f"x-warren-{name.replace('_', '-')}"):
            if (text := headers.get(header)) is not None:
                yield name, number(header, _number(header, text), {})
    for header in ("x-litellm-tags", "x-warren-tags"):
        if (text := headers.get(header)) is not None:
            yield "tags", _texts(header, [tag.strip() for tag in text.split(",") if tag.strip()], {})
    session = next((headers[name] for name in _SESSION_HEADERS if headers.get(name)), None)
    if session is not None:
        yield "session", session[:_LONGEST]


def _number(name: str, text: str) -> float:
    try:
        return int(text) if text.strip().isdecimal() else float(text)
    except ValueError:
        raise mistyped(name, "a number", text) from None


def _flag(name: str, value: Any, _given: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise mistyped(name, "a boolean", value)
    return bool(value)


def _text(name: str, value: Any, _given: Any) -> str:
    if not isinstance(value, str):
        raise mistyped(name, "a string", value)
    return value


def _count(name: str, value: Any, _given: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise mistyped(name, "an integer", value)
    if not 0 <= value <= 100:
        raise InvalidRequest(f"Invalid '{name}': Expected 0 to 100.", param=name, code="invalid_value")
    return value


def _seconds(name: str, value: Any, _given: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise mistyped(name, "a number", value)
    if not 0 < value <= 86_400:
        raise InvalidRequest(f"Invalid '{name}': Expected seconds, above 0.", param=name, code="invalid_value")
    return float(value)


def _texts(name: str, value: Any, _given: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise mistyped(name, "an array", value)
    for number, one in enumerate(value):
        if not isinstance(one, str):
            raise mistyped(f"{name}[{number}]", "a string", one)
    if len(value) > _MOST_TAGS or any(len(one) > _LONGEST for one in value):
        raise InvalidRequest(f"Invalid '{name}': too many, or too long.", param=name, code="invalid_value")
    return tuple(value)


def _fallbacks(name: str, value: Any, given: dict[str, Any]) -> dict[str, tuple[Target, ...]]:
    """`["b", {"model": "c", "temperature": 0}]` for whatever fails, or `[{"a": ["b"]}]` by what does."""
    if not isinstance(value, list):
        raise mistyped(name, "an array", value)
    if len(value) > _MOST_FALLBACKS:
        raise InvalidRequest(f"Invalid '{name}': too many.", param=name, code="invalid_value")
    found: dict[str, tuple[Target, ...]] = {}
    for number, one in enumerate(value):
        path = f"{name}[{number}]"
        if isinstance(one, dict) and not isinstance(one.get("model"), str):
            for group, targets in one.items():
                listed = targets if isinstance(targets, list) else [targets]
                found[group] = tuple(_target(f"{path}.{group}[{at}]", t, given) for at, t in enumerate(listed))
        else:
            found[EVERY] = (*found.get(EVERY, ()), _target(path, one, given))
    return found or {EVERY: ()}


def _target(path: str, value: Any, given: dict[str, Any]) -> Target:
    if isinstance(value, str):
        return Target(model=value)
    if not isinstance(value, dict) or not isinstance(value.get("model"), str):
        raise mistyped(path, "the name of a model, or an object with one", value)
    overrides = {name: one for name, one in value.items() if name != "model"}
    for name in overrides:
        if name in FIXED:
            raise InvalidRequest(
                f"'{path}.{name}' cannot be another one than the request's.",
                param=f"{path}.{name}",
                code="unsupported_parameter",
            )
    if overrides:
        try:
            requests.checked({**_without_knobs(given), **overrides, "model": value["model"]})
        except InvalidRequest as error:
            error.param = f"{path}.{error.param}" if error.param in overrides else error.param
            raise
    return Target(model=value["model"], overrides=overrides)


def _without_knobs(given: dict[str, Any]) -> dict[str, Any]:
    """What the request asks for, whatever else is in it."""
    kept = {name: value for name, value in given.items() if name not in _METADATA}
    return {"input": "", **kept}


_READ: dict[str, Callable[[str, Any, dict[str, Any]], Any]] = {
    **dict.fromkeys(_LISTS, _fallbacks),
    "disable_fallbacks": _flag,
    "num_retries": _count,
    "timeout": _seconds,
    "stream_timeout": _seconds,
    "tags": _texts,
    "drop_params": _flag,
    "mock_response": _text,
}
_NAMES = _READ.keys() | _TESTS.keys() | {"litellm_metadata"}
