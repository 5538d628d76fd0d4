"""The same by an asynchronous client, and over several loops."""

import asyncio
import gc
import warnings
from pathlib import Path

import pytest
from pydantic import BaseModel

import warren
from tests.clients.conftest import MODEL, OTHERS
from tests.rig.services import KEY, models
from tests.rig.upstream import FakeProvider
from warren import AsyncClient, Client

pytestmark = pytest.mark.anyio


class Event(BaseModel):
    title: str
    day: int
    public: bool


async def test_the_whole_life_of_a_response(async_client: AsyncClient) -> None:
    made = await async_client.responses("hello", MODEL)
    assert made.output_text.strip() == "You said: hello"
    assert await async_client.get_responses(made.id) == made
    assert (await async_client.list_input_items(made.id)).data[0]["content"][0]["text"] == "hello"
    assert (await async_client.delete_responses(made.id)).deleted
    with pytest.raises(warren.NotFoundError):
        await async_client.get_responses(made.id)


async def test_streams(async_client: AsyncClient) -> None:
    async with await async_client.responses("hello", MODEL, stream=True) as stream:
        kinds = [event.type async for event in stream]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert stream.response is not None
    again = await async_client.responses("again", MODEL, stream=True, previous_response_id=stream.response.id)
    assert (await again.until_done()).output_text.strip() == "You said: hello / again"


async def test_the_rest(async_client: AsyncClient) -> None:
    parsed = await async_client.responses("the event 'Ball' is on day 9", MODEL, text_format=Event)
    assert parsed.output_parsed == Event(title="Ball", day=9, public=True)
    waiting = await async_client.responses("hello", "words-400-50", background=True)
    assert (await async_client.cancel_responses(waiting.id)).status == "cancelled"
    compact = await async_client.compact_responses("hello", MODEL)
    assert compact.object == "response.compaction"
    assert MODEL in await async_client.list_models()
    assert (await async_client.list_responses(limit=1)).data


async def test_failures(async_client: AsyncClient) -> None:
    with pytest.raises(warren.NotFoundError):
        await async_client.responses("hello", "nobody", stream=True)
    stream = await async_client.responses("hello", "cut-3", stream=True)
    with pytest.raises(warren.BadGatewayError) as failed:
        [event async for event in stream]
    assert failed.value.outcome.output_text


async def test_a_cancelled_task_stops_the_call(async_client: AsyncClient, upstream: FakeProvider) -> None:
    calls = len(upstream.calls)
    asking = asyncio.create_task(async_client.responses("hello", "words-400-50"))
    while len(upstream.calls) == calls:
        await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    (call,) = upstream.calls[calls:]
    async with asyncio.timeout(5):
        while call.ended is None:
            await asyncio.sleep(0.02)
    assert not call.finished


async def test_many_at_once(async_client: AsyncClient) -> None:
    made = await asyncio.gather(*(async_client.responses(f"number {at}", MODEL) for at in range(40)))
    assert [one.output_text.strip() for one in made] == [f"You said: number {at}" for at in range(40)]


@pytest.mark.parametrize("way", ["gateway", "inside"])
def test_a_client_outlives_its_loops(way: str, gateway: str, upstream: FakeProvider, data: Path) -> None:
    """Each loop has connections of its own, and none is left open when the loop has gone."""
    client = (
        AsyncClient(gateway, KEY)
        if way == "gateway"
        else AsyncClient(config=models(upstream.url, MODEL, *OTHERS), data=data)
    )

    async def twice() -> str:
        first = await client.responses("hello", MODEL)
        return (await client.responses("again", MODEL, previous_response_id=first.id)).output_text

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(3):
            assert asyncio.run(twice()).strip() == "You said: hello / again"
            gc.collect()


async def test_sync_and_async_share_what_was_said(upstream: FakeProvider, data: Path) -> None:
    config = models(upstream.url, MODEL)
    with Client(config=config, data=data) as client:
        async with AsyncClient(config=config, data=data) as async_client:
            first = client.responses("my name is Ada", MODEL)
            second = await async_client.responses("who am I?", MODEL, previous_response_id=first.id)
            assert second.output_text.strip() == "You said: my name is Ada / who am I?"
            assert client.get_responses(second.id) == second
