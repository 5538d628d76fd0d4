"""A conversation with thoughts and a call of a tool, begun at one provider, goes on at every other.

What a provider wants to see again of its own comes back to it as it was, and to nobody else.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response

from tests.providers.cases import CASES
from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, embedded, ready
from tests.rig.vendors import Call, Fake, chat, converse, fake, gemini, messages, responses
from tests.rig.vendors.script import THOUGHT, Think

pytestmark = pytest.mark.anyio

FAMILIES = {
    "openai": "openai", "openai-chat": "open", "anthropic": "claude", "gemini": "gemini", "bedrock": "claude",
}  # fmt: skip
"""A way to a provider for every dialect, and who understands the same signatures."""
PAIRS = [(first, second) for first in FAMILIES for second in FAMILIES]
SIGNATURE = Think(THOUGHT).signature
SIGNED: dict[str, Any] = {
    "anthropic": {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE},
    "bedrock": {"text": THOUGHT, "signature": SIGNATURE},
    "gemini": {"thoughtSignature": SIGNATURE},
}
"""How the provider itself said it."""
OURS = "wsl1."
"""How begins what Warren has sealed."""
LOOKUP: Any = {
    "type": "function",
    "name": "lookup",
    "parameters": {
        "type": "object",
        "properties": {"q": {"type": "string"}},
        "required": ["q"],
        "additionalProperties": False,
    },
    "strict": False,
}
QUESTION: Any = {"role": "user", "content": "Does it rain?"}


@dataclass
class Warren:
    client: AsyncOpenAI
    vendors: Fake

    async def ask(self, provider: str, **asked: Any) -> tuple[Response, Call]:
        """The answer, and how the provider was asked for it."""
        before = len(self.vendors.calls)
        response = await self.client.responses.create(
            model=f"{provider}/loop", tools=[LOOKUP], reasoning={"effort": "low", "summary": "auto"}, **asked
        )
        assert response.status == "completed"
        assert self.vendors.refused == []
        (call,) = self.vendors.calls[before:]
        return response, call


@pytest.fixture(scope="module")
async def warren(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Warren]:
    (port,) = free_ports(1)
    async with fake(*(module.mount for module in (chat, responses, messages, gemini, converse))) as vendors:
        config = {"model_list": [case.entry("loop", vendors.url, "") for case in CASES if case.name in FAMILIES]}
        service = embedded(config, tmp_path_factory.mktemp("handover"), port)
        try:
            await ready(f"http://127.0.0.1:{port}")
            async with AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0) as client:
                yield Warren(client, vendors)
        finally:
            service.kill()


def called(response: Response) -> str:
    """The id of the call in it, behind a thought."""
    assert [item.type for item in response.output] == ["reasoning", "function_call"]
    call = response.output[-1]
    assert call.type == "function_call"
    return call.call_id


def result(call_id: str) -> Any:
    return {"type": "function_call_output", "call_id": call_id, "output": "cats and dogs"}


def check_told(call: Call, first: str, second: str, *, sealed: bool = False) -> None:
    """All that was said is in there, and of the thoughts only what is understood."""
    body = json.dumps(call.body)
    assert "Does it rain?" in body
    assert "cats and dogs" in body
    if FAMILIES[first] != FAMILIES[second]:
        assert SIGNATURE not in body
        assert THOUGHT not in body
    elif second in SIGNED:
        assert list(signed(call.body)) == [SIGNED[second]]
    elif second == "openai" and sealed:
        assert [one["encrypted_content"] for one in signed(call.body)] == [SIGNATURE]
    assert OURS not in body


def signed(body: Any) -> Iterator[Any]:
    """The smallest objects with the signature in them; of Gemini without what was called."""
    inner = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    if isinstance(body, dict) and SIGNATURE in body.values():
        yield {name: value for name, value in body.items() if name != "functionCall"}
    for value in inner:
        yield from signed(value)


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_a_stored_conversation_goes_on_anywhere(warren: Warren, first: str, second: str) -> None:
    begun, _ = await warren.ask(first, input=[QUESTION])
    said = {"previous_response_id": begun.id, "input": [result(called(begun))]}
    there, call = await warren.ask(second, **said)
    assert "cats and dogs" in there.output_text
    check_told(call, first, second)
    again, back = await warren.ask(first, previous_response_id=there.id, input="And now?")
    assert "cats and dogs" in again.output_text
    check_told(back, first, first)


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_a_client_that_keeps_its_conversation_goes_on_anywhere(warren: Warren, first: str, second: str) -> None:
    kept: Any = {"store": False, "include": ["reasoning.encrypted_content"]}
    begun, _ = await warren.ask(first, input=[QUESTION], **kept)
    said = [QUESTION, *(item.model_dump(exclude_none=True) for item in begun.output), result(called(begun))]
    assert (SIGNATURE in json.dumps(said)) == (first == "openai")
    assert (OURS in json.dumps(said)) == (first != "openai")
    there, call = await warren.ask(second, input=said, **kept)
    assert "cats and dogs" in there.output_text
    check_told(call, first, second, sealed=True)
    said += [*(item.model_dump(exclude_none=True) for item in there.output), {"role": "user", "content": "And now?"}]
    _, back = await warren.ask(first, input=said, **kept)
    check_told(back, first, first, sealed=True)


@pytest.mark.parametrize("provider", FAMILIES)
async def test_who_sends_stored_items_again_need_not_send_what_belongs_to_them(warren: Warren, provider: str) -> None:
    begun, _ = await warren.ask(provider, input=[QUESTION])
    said = [QUESTION, *(item.model_dump(exclude_none=True) for item in begun.output), result(called(begun))]
    there, call = await warren.ask(provider, input=said)
    check_told(call, provider, provider)
    _, back = await warren.ask(provider, previous_response_id=there.id, input="And now?")
    check_told(back, provider, provider)


@pytest.mark.parametrize("provider", FAMILIES)
async def test_a_conversation_keeps_what_belongs_to_its_items(warren: Warren, provider: str) -> None:
    conversation = await warren.client.conversations.create()
    begun, _ = await warren.ask(provider, input=[QUESTION], conversation=conversation.id, store=False)
    _, call = await warren.ask(provider, input=[result(called(begun))], conversation=conversation.id)
    check_told(call, provider, provider)
    items = await warren.client.conversations.items.list(conversation.id)
    if FAMILIES[provider] in ("claude", "gemini"):
        assert SIGNATURE not in items.model_dump_json()
