"""A provider is added by a setting, by a row, or by a module; each has a request answered over HTTP."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import pytest
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from tests.rig import parrot
from tests.rig.vendors import Call, Fake, chat, fake, sse
from tests.rig.vendors.script import ANSWER
from warren import compatible, config, objects
from warren.compatible import Row
from warren.errors import InvalidRequest
from warren.objects import Item
from warren_worker import providers
from warren_worker.assembler import Assembler
from warren_worker.dialect import Conversation
from warren_worker.exchange import Calls, text
from warren_worker.provider import endpoint, find
from warren_worker.upstream import Patience, connect

pytestmark = pytest.mark.anyio


def cage(made: Fake) -> APIRouter:
    """Where parrots live."""
    router = APIRouter()

    @router.post("/talk")
    async def talk(request: Request) -> StreamingResponse:
        body = await request.json()
        made.calls.append(Call("POST", request.url.path, "", dict(request.headers), body, body["parrot"]))
        words = body["heard"][-1].split()
        events: list[tuple[None, Item]] = [(None, {"word": f"{word} "}) for word in words]
        events.append((None, {"silent": True, "heard": len(words), "said": len(words)}))
        return StreamingResponse(sse(events), media_type="text/event-stream")

    return router


@pytest.fixture
async def vendor() -> AsyncIterator[Fake]:
    async with fake(cage, chat.mount) as made:
        yield made


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No provider of these tests is remembered."""
    yield
    find.cache_clear()


@asynccontextmanager
async def answered(params: dict[str, Any], environ: dict[str, str], **request: Any) -> AsyncIterator[Item]:
    """The response of a deployment that a user has configured so, and what was left out of the request."""
    file = config.parse(str({"model_list": [{"model_name": "m", "litellm_params": params}]}))
    assert file.reports == ()
    (deployment,) = file.deployments.values()
    asked = {"model": "m", "input": "Pretty Polly", **request}
    assembler = Assembler(objects.blank(asked, response_id="resp_1", created_at=0), request=asked)
    async with connect(Patience(), 1) as upstream:
        calls = Calls(upstream, "attempt", time() + 20)
        await calls.ask(endpoint(deployment, environ), Conversation(asked, objects.items(asked["input"])), assembler)
    yield {**assembler.response, "dropped": calls.dropped}


async def test_by_a_setting(vendor: Fake) -> None:
    params = {"model": "openai/text", "api_base": f"{vendor.url}/v1", "api_key": "k", "use_chat_completions_api": True}
    async with answered(params, {}) as response:
        assert text(response) == ANSWER


async def test_by_a_row(vendor: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(base_url=f"{vendor.url}/v1", keys=("ACME_API_KEY",), parameters={"temperature": "droppable"})
    monkeypatch.setitem(compatible.ROWS, "acme", row)
    monkeypatch.setattr(config, "PROVIDERS", config.PROVIDERS | {"acme"})
    params = {"model": "acme/text", "drop_params": True}
    async with answered(params, {"ACME_API_KEY": "k"}, temperature=0.5) as response:
        assert text(response) == ANSWER
        assert response["dropped"] == ("temperature",)
    (call,) = vendor.calls
    assert call.headers["authorization"] == "Bearer k"
    assert "temperature" not in call.body


async def test_by_a_module_with_a_dialect_of_its_own(vendor: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(next(iter(parrot.__path__))) / "providers"
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(folder)])
    monkeypatch.setattr(config, "PROVIDERS", config.PROVIDERS | {"parrot"})
    params = {"model": "parrot/polly", "api_base": vendor.url}
    environ = {"PARROT_API_KEY": "cracker"}
    async with answered(params, environ, instructions="Speak up.", temperature=0.5) as response:
        assert (response["status"], text(response)) == ("completed", "Pretty Polly ")
        assert response["usage"]["total_tokens"] == 4
    (call,) = vendor.calls
    assert call.headers["x-cracker"] == "cracker"
    assert call.body == {"parrot": "polly", "heard": ["Speak up.", "Pretty Polly"], "temperature": 0.5}
    with pytest.raises(InvalidRequest) as caught:
        async with answered(params, environ, tools=[{"type": "function", "name": "fly"}]):
            pass
    assert caught.value.param == "tools[0].type"
