"""What Ollama streams: an object a line, the last of which says that it is done."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json, to_json

from warren import sse
from warren.errors import UpstreamError
from warren.objects import Item
from warren_worker.dialect import Arguments, Delta, Kept, Stop, Text, Thought, Tokens, ToolCall, used
from warren_worker.dialects.ollama.messages import BY
from warren_worker.dialects.ollama.refusals import inside
from warren_worker.dialects.ollama.tags import Tags

_STOPS = {"stop": Stop(), "length": Stop("max_output_tokens"), "": Stop()}
"""Old servers give no reason. Any other, `load` among them, is that of an answer which says nothing."""


class OllamaReader:
    __slots__ = ("_calls", "_ended", "_logs", "_tags", "_thinks")

    def __init__(self) -> None:
        self._tags = Tags()
        self._thinks = False
        self._calls = 0
        self._logs: list[Item] = []
        self._ended = False

    def feed(self, event: sse.Event) -> Iterable[Delta]:
        if self._ended:
            return
        try:
            yield from self._line(from_json(event.data))
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UpstreamError("The provider sent an event that is no part of an answer.") from None

    def _line(self, line: Item) -> Iterator[Delta]:
        if line.get("error"):
            raise inside(line)
        yield from self._message(line.get("message") or {}, line.get("logprobs") or ())
        if line.get("done"):
            self._ended = True
            yield from self._told(self._tags.end())
            yield from _usage(line)
            yield _stop(line.get("done_reason") or "")

    def _message(self, message: Item, logprobs: Iterable[Item]) -> Iterator[Delta]:
        if thought := message.get("thinking"):
            yield from self._told(self._tags.end())
            yield from self._told([Thought(_str(thought))])
        else:
            self._logs += map(_log, logprobs)  # they may come before the text that they are of
        if text := message.get("content"):
            yield from self._told(self._tags.feed(_str(text)))
        for call in message.get("tool_calls") or ():
            yield from self._told(self._tags.end())
            yield from self._call(call)

    def _told(self, said: Iterable[Text | Thought]) -> Iterator[Delta]:
        for one in said:
            if isinstance(one, Text):
                self._thinks = False
                logs, self._logs = self._logs, []
                yield Text(one.text, logs)
                continue
            self._logs = []
            yield one
            if not self._thinks:
                self._thinks = True
                yield Kept({"by": BY})

    def _call(self, call: Item) -> Iterator[Delta]:
        """Whole, and on old servers without an id."""
        function = call["function"]
        handle, self._calls, self._thinks = self._calls, self._calls + 1, False
        id_ = call.get("id")
        yield ToolCall(handle, str(id_) if id_ else None, _str(function["name"]))
        arguments = function.get("arguments") or {}
        yield Arguments(handle, arguments if isinstance(arguments, str) else to_json(arguments).decode())


def _usage(line: Item) -> Iterator[Tokens]:
    """A count that would be 0 is left out: a prompt of which all was cached has none, and an estimate must do."""
    written = line.get("eval_count")
    return used(line.get("prompt_eval_count"), None, None, 0 if written is None else written, None)


def _stop(reason: Any) -> Stop:
    if (stop := _STOPS.get(_str(reason))) is None:
        raise UpstreamError(f"The provider ended its answer with {reason[:40]!r}.")
    return stop


def _log(entry: Item) -> Item:
    return {**_token(entry), "top_logprobs": [_token(top) for top in entry.get("top_logprobs") or ()]}


def _token(entry: Item) -> Item:
    token = _str(entry.get("token", ""))
    return {
        "token": token,
        "logprob": entry.get("logprob", 0.0),
        "bytes": entry.get("bytes") or list(token.encode(errors="replace")),
    }


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value
