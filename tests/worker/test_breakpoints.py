"""Cache breakpoints, where there is no cache to mark."""

from typing import Any

import pytest

from warren.errors import InvalidRequest
from warren.objects import items
from warren_worker.dialect import Conversation, Dialect
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.cohere import Cohere
from warren_worker.dialects.converse import Converse
from warren_worker.dialects.gemini import Gemini
from warren_worker.dialects.ollama import Ollama

Item = dict[str, Any]
PART = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": [PART]}
USER = {"role": "user", "content": "b"}
DIALECTS = [Chat(), Gemini(), Cohere(), Ollama(), Converse(vendor="meta")]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: type(dialect).__name__)
@pytest.mark.parametrize(
    ("said", "path"),
    [
        ([{"role": "user", "content": [PART]}], "input[0].content[0]"),
        ([USER, {"role": "developer", "content": [PART]}], "input[1].content[0]"),
        ([USER, CALL, RESULT], "input[2].output[0]"),
    ],
    ids=["user", "developer", "tool"],
)
def test_one_is_refused_by_name_unless_it_is_of_an_earlier_turn(dialect: Dialect, said: list[Item], path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        dialect.call(Conversation({"model": "m", "input": said}, said), "x")
    assert (caught.value.param, caught.value.code) == (f"{path}.prompt_cache_breakpoint", "unsupported_parameter")
    later = {"model": "m", "previous_response_id": "resp_1", "input": "more"}
    assert "more" in str(dialect.call(Conversation(later, [*said, *items("more")]), "x").body)
