"""What the fake provider's models say in Chat Completions, beyond plain words: each by the first part of its name.

refuse            a refusal, in pieces
reason            thoughts, then text
mixed             text, a call, and text again
parallel          two calls whose arguments come in turns
noids             two calls without ids
custom            a call of the first tool, its input wrapped as that of a custom tool
json              a value that fits the format that was asked for
echo              what the user said last
remember          all that it was told, by whom
loop              a call of the first tool; once it has a result, a text that quotes it
cite              text with a citation
logprobs          text with the likelihood of each word
length            text cut off at its limit
filter            text cut off by a filter
odd               text, then an end for a reason that nobody knows
usage             text, and usage in all detail
agent             see `tests.rig.assistant`
"""

import json
from collections.abc import Callable, Iterator

from tests.rig import assistant
from tests.rig.assistant import Json, Piece, call, said, thought, words

Script = Callable[[Json], Iterator[Piece]]


def _refuse(body: Json) -> Iterator[Piece]:
    yield {"refusal": "That I "}
    yield {"refusal": "will not do."}
    yield "stop"


def _reason(body: Json) -> Iterator[Piece]:
    yield from thought("First one thinks. Then one speaks.")
    yield from words("This is what I think.")
    yield "stop"


def _mixed(body: Json) -> Iterator[Piece]:
    yield from words("Let me look.")
    yield from call(0, "lookup", '{"q": "text between"}', "call_mixed")
    yield from words("That is under way.")
    yield "tool_calls"


def _parallel(body: Json) -> Iterator[Piece]:
    first, second = (list(call(at, "lookup", json.dumps({"q": f"number {at}"}), f"call_{at}")) for at in (0, 1))
    for pair in zip(first, second, strict=True):
        yield from pair
    yield "tool_calls"


def _noids(body: Json) -> Iterator[Piece]:
    for at in (0, 1):
        yield from call(at, "lookup", json.dumps({"q": f"number {at}"}), None)
    yield "tool_calls"


def _custom(body: Json) -> Iterator[Piece]:
    tool = body["tools"][0]["function"]
    yield from call(0, tool["name"], json.dumps({"content": 'print("ünï")\n# done\\'}), "call_custom")
    yield "tool_calls"


def _text(body: Json) -> Iterator[Piece]:
    yield from words(assistant.text(body))
    yield "stop"


def _echo(body: Json) -> Iterator[Piece]:
    yield {"content": assistant.asked(body)}
    yield "stop"


def _remember(body: Json) -> Iterator[Piece]:
    yield from words(" | ".join(f"{message['role']}: {_told(message)}" for message in body["messages"]))
    yield "stop"


def _told(message: Json) -> str:
    calls = [f"{one['function']['name']}({one['function']['arguments']})" for one in message.get("tool_calls") or ()]
    return " ".join(filter(None, [said(message), *calls]))


def _loop(body: Json) -> Iterator[Piece]:
    if body["messages"][-1]["role"] == "tool":
        yield from words(assistant.text({"messages": body["messages"]}))
        yield "stop"
        return
    tool = body["tools"][0]["function"]
    yield from call(0, tool["name"], assistant.arguments(tool, assistant.asked(body)), "call_loop")
    yield "tool_calls"


def _cite(body: Json) -> Iterator[Piece]:
    yield from words("It stands in a book.")
    cited = {"start_index": 16, "end_index": 20, "url": "https://example.com/book", "title": "A book"}
    yield {"annotations": [{"type": "url_citation", "url_citation": cited}]}
    yield "stop"


def _logprobs(body: Json) -> Iterator[Piece]:
    yield from assistant.answer({"messages": body["messages"], "logprobs": True})


def _ending(reason: str) -> Script:
    def script(body: Json) -> Iterator[Piece]:
        yield from words("It was only the begin")
        yield reason

    return script


def _usage(body: Json) -> Iterator[Piece]:
    yield from words("Four tokens, no more.")
    yield {
        "usage": {
            "prompt_tokens": 1000, "completion_tokens": 60, "total_tokens": 1060,
            "prompt_tokens_details": {"cached_tokens": 900}, "completion_tokens_details": {"reasoning_tokens": 56},
        }
    }  # fmt: skip
    yield "stop"


SCRIPTS: dict[str, Script] = {
    "refuse": _refuse,
    "reason": _reason,
    "mixed": _mixed,
    "parallel": _parallel,
    "noids": _noids,
    "custom": _custom,
    "json": _text,
    "echo": _echo,
    "remember": _remember,
    "loop": _loop,
    "cite": _cite,
    "logprobs": _logprobs,
    "length": _ending("length"),
    "filter": _ending("content_filter"),
    "odd": _ending("tired"),
    "usage": _usage,
    "agent": assistant.answer,
    "gpt": assistant.answer,  # some clients look at the name
}
