"""A model that thinks in rules: the fake provider's `agent`. It does what a request asks, always the same way.

It calls the tools that the user mentions, with arguments that fit their schemas and are made of his words; it reports
what the tools answered; it speaks JSON where a format is asked for, stops at its limit of words, thinks aloud when told
how hard to think, and remembers all that the user has said.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Piece = Json | str
"""A choice's delta (beside its own keys there may be `logprobs` and `usage`), or the reason why the answer ends."""


def answer(body: Json) -> Iterator[Piece]:
    """What the model says to this request for a chat completion."""
    if body.get("reasoning_effort", "none") != "none":
        yield from thought(f"Somebody said {asked(body)!r}. ")
    if wanted := _wanted(body):
        for at, tool in enumerate(wanted):
            yield from call(at, tool["name"], arguments(tool, asked(body)), f"call_{len(body['messages'])}_{at}")
        yield "tool_calls"
        return
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 1_000_000
    spoken = list(words(text(body)))
    for number, word in enumerate(spoken[:limit]):
        yield _with_logprobs(word, number) if body.get("logprobs") else word
    yield "length" if len(spoken) > limit else "stop"


def text(body: Json) -> str:
    """The answer when no tool is to be called: a value of the format, or a report in prose."""
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return json.dumps(example(schema, asked(body)))
        case {"type": "json_object"}:
            keys = re.findall(r"'(\w+)'", asked(body)) or ["said"]
            return json.dumps(dict.fromkeys(keys, asked(body)))
    if results := [said(message) for message in _turn(body) if message["role"] == "tool"]:
        return f"The tools said: {' and '.join(results)}"
    return f"You said: {' / '.join(said(message) for message in body['messages'] if message['role'] == 'user')}"


def asked(body: Json) -> str:
    """What the user said last."""
    return next((said(message) for message in reversed(body["messages"]) if message["role"] == "user"), "nothing")


def said(message: Json) -> str:
    """The text of a message, its parts in one line."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text") or f"[{part['type']}]") for part in content)


def words(whole: str) -> Iterator[Json]:
    for word in re.findall(r"\s*\S+\s*", whole):
        yield {"content": word}


def thought(whole: str) -> Iterator[Json]:
    for word in words(whole):
        yield {"reasoning_content": word["content"]}


def call(at: int, name: str, arguments: str, call_id: str | None) -> Iterator[Json]:
    """A call as it streams: its name, then its arguments in pieces."""
    begun = {"index": at, "type": "function", "function": {"name": name, "arguments": ""}}
    yield {"tool_calls": [begun if call_id is None else {**begun, "id": call_id}]}
    for start in range(0, len(arguments), 9):
        yield {"tool_calls": [{"index": at, "function": {"arguments": arguments[start : start + 9]}}]}


def arguments(tool: Json, said: str) -> str:
    return json.dumps(example(tool.get("parameters") or {}, said), ensure_ascii=False)


def example(schema: Json, said: str, root: Json | None = None) -> Any:
    """A value that this JSON schema allows, made of the words and numbers of what was said."""
    root = root or schema
    match schema:
        case {"$ref": str(ref)}:
            found = root
            for name in ref.removeprefix("#/").split("/"):
                found = found[name]
            return example(found, said, root)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            return example(first, said, root)
        case {"type": [kind, *_]}:
            return example({**schema, "type": kind}, said, root)
        case {"type": "array"}:
            return [example(schema.get("items") or {"type": "string"}, said, root)] * max(1, schema.get("minItems", 1))
        case {"type": "integer" | "number" as kind}:
            return _number(said, kind)
        case {"type": "boolean"}:
            return True
        case {"type": "null"}:
            return None
        case {"type": "string"}:
            return _name(said)
        case _:
            properties = schema.get("properties") or {}
            return {name: example(properties[name], said, root) for name in schema.get("required") or properties}


def _number(said: str, kind: str) -> float:
    found = re.search(r"-?\d+(\.\d+)?", said)
    value = float(found[0] if found else 1)
    return int(value) if kind == "integer" or value.is_integer() else value


def _name(said: str) -> str:
    """What stands in quotes, else a name inside a sentence, else the last word."""
    if quoted := re.search(r"""(?<!\w)['"](.+?)['"](?!\w)""", said):
        return quoted[1]
    if named := re.search(r"(?<=\w )[A-Z]\w+( [A-Z]\w+)*", said):
        return named[0]
    spoken: list[str] = re.findall(r"\w+", said)
    return spoken[-1] if spoken else "nothing"


def _turn(body: Json) -> list[Json]:
    """The messages since the user spoke."""
    messages: list[Json] = body["messages"]
    last = max((at for at, message in enumerate(messages) if message["role"] == "user"), default=-1)
    return messages[last + 1 :]


def _wanted(body: Json) -> list[Json]:
    """The tools to call now. None is called twice in a turn, unless it is asked for by name."""
    tools = [tool["function"] for tool in body.get("tools") or ()]
    called = {one["function"]["name"] for message in _turn(body) for one in message.get("tool_calls") or ()}
    left = [tool for tool in tools if tool["name"] not in called]
    match body.get("tool_choice"):
        case "none":
            return []
        case {"function": {"name": name}}:
            return [tool for tool in tools if tool["name"] == name]
        case "required":
            wanted = _mentioned(left, asked(body)) or left[:1] or tools[:1]
        case _:
            wanted = _mentioned(left, asked(body))
    return wanted[:1] if body.get("parallel_tool_calls") is False else wanted


def _mentioned(tools: list[Json], said: str) -> list[Json]:
    """By their full names, else by a word of their names."""
    spoken = set(re.findall(r"[a-z]{4,}", said.lower()))
    return [tool for tool in tools if re.search(rf"\b{re.escape(tool['name'])}\b", said)] or [
        tool for tool in tools if spoken & set(re.findall(r"[a-z]{4,}", tool["name"].lower()))
    ]


def _with_logprobs(word: Json, number: int) -> Json:
    token = {"token": word["content"], "logprob": -number / 8, "bytes": list(word["content"].encode())}
    return {**word, "logprobs": {"content": [{**token, "top_logprobs": [token]}]}}
