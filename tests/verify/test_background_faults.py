"""Background work outlives whoever was near it: gateway, worker, ledger, broker."""

import asyncio
import json
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.rig.legal import check_stream, parse_sse
from tests.verify.conftest import Asked, Fleet, client, under_way

pytestmark = pytest.mark.anyio
WORDS = 250
MODEL = f"words-{WORDS}-40"
COUNT = 20


async def begin(http: httpx.AsyncClient, url: str, marker: str, seen: Asked, *, model: str = MODEL) -> None:
    """Stream a background response for as long as its gateway lives."""
    body = {"model": model, "input": marker, "background": True, "stream": True}
    try:
        async with http.stream("POST", f"{url}/v1/responses", json=body) as answer:
            seen.status = answer.status_code
            async for piece in answer.aiter_raw():
                seen.body += piece
    except httpx.HTTPError:
        pass


def whole_events(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream that was cut anywhere."""
    return parse_sse(body[: body.rfind(b"\n\n") + 2])


async def resumed(http: httpx.AsyncClient, url: str, seen: Asked) -> list[dict[str, Any]]:
    """What was seen, and what another gateway sends after it."""
    before = whole_events(seen.body)
    id_, last = before[0]["response"]["id"], before[-1]["sequence_number"]
    answer = await http.get(f"{url}/v1/responses/{id_}", params={"stream": "true", "starting_after": last})
    assert answer.status_code == 200, answer.text
    after = parse_sse(answer.content)
    assert after[0]["sequence_number"] == last + 1
    return before + after


async def polled(http: httpx.AsyncClient, url: str, id_: str, timeout: float = 60) -> dict[str, Any]:
    """The response, once it has ended."""
    deadline = monotonic() + timeout
    while True:
        answer = await http.get(f"{url}/v1/responses/{id_}")
        assert answer.status_code == 200, answer.text
        response: dict[str, Any] = answer.json()
        if response["status"] not in ("queued", "in_progress"):
            return response
        assert monotonic() < deadline, response["status"]
        await asyncio.sleep(0.2)


def words_of(response: dict[str, Any]) -> list[str]:
    return [word for item in response["output"] for part in item["content"] for word in part["text"].split()]


def assert_one_call(response: dict[str, Any], count: int = WORDS) -> None:
    words = words_of(response)
    call = words[0].partition("w")[0]
    assert words == [f"{call}w{number}" for number in range(count)]


async def test_streams_go_on_at_another_gateway_when_theirs_is_killed(fleet: Fleet) -> None:
    async with client() as http:
        seen = [Asked(f"<background {at}>", stream=True) for at in range(COUNT)]
        streams = [asyncio.create_task(begin(http, fleet.urls[0], one.marker, one)) for one in seen]
        await under_way(fleet.upstream, COUNT)
        while not all(b"output_text.delta" in one.body for one in seen):
            await asyncio.sleep(0.05)
        fleet.gateways[0].kill()
        await asyncio.gather(*streams)
        assert all(b"response.completed" not in one.body for one in seen)
        ended = await asyncio.gather(*(resumed(http, fleet.urls[1], one) for one in seen))
        for events in ended:
            final = check_stream(events)
            assert final["status"] == "completed"
            assert_one_call(final)
            answer = await http.get(f"{fleet.urls[1]}/v1/responses/{final['id']}")
            assert answer.json() == final
    assert len(fleet.upstream.calls) == COUNT
    print(f"{COUNT} streams were cut at {min(len(whole_events(one.body)) for one in seen)} events or later and resumed")


async def test_a_killed_worker_costs_streams_their_end_and_others_nothing(fleet: Fleet) -> None:
    async with client() as http:
        seen = [Asked(f"<background {at}>", stream=True) for at in range(COUNT)]
        streams = [asyncio.create_task(begin(http, fleet.urls[at % 2], one.marker, one)) for at, one in enumerate(seen)]
        ids = []
        for at in range(COUNT):
            body = {"model": MODEL, "input": f"<silent {at}>", "background": True}
            answer = await http.post(f"{fleet.urls[at % 2]}/v1/responses", json=body)
            assert (answer.status_code, answer.json()["status"]) == (200, "queued")
            ids.append(answer.json()["id"])
        await under_way(fleet.upstream, 2 * COUNT)
        fleet.workers[0].kill()
        await asyncio.gather(*streams)
        broken = 0
        for one in seen:
            final = one.final
            if final["status"] != "completed":
                broken += 1
                assert (final["status"], final["error"]["code"]) == ("failed", "interrupted")
            else:
                assert_one_call(final)
            answer = await http.get(f"{fleet.urls[0]}/v1/responses/{final['id']}")
            assert answer.json() == final
            assert len(fleet.upstream.asked(one.marker)) == 1
        assert 0 < broken < COUNT, "both workers had streams"
        for id_ in ids:
            final = await polled(http, fleet.urls[1], id_)
            assert final["status"] == "completed"
            assert_one_call(final)
    print(f"{broken} of {COUNT} streams were interrupted, all {COUNT} silent ones completed")


async def test_a_killed_ledger_costs_nothing(fleet: Fleet) -> None:
    async with client() as http:
        seen = [Asked(f"<background {at}>", stream=True) for at in range(COUNT)]
        streams = [asyncio.create_task(begin(http, fleet.urls[at % 2], one.marker, one)) for at, one in enumerate(seen)]
        await under_way(fleet.upstream, COUNT)
        fleet.ledgers[0].kill()
        await asyncio.gather(*streams)
        for one in seen:
            assert one.final["status"] == "completed"
            assert_one_call(one.final)
    assert len(fleet.upstream.calls) == COUNT


async def test_a_restarted_broker_costs_nothing(fleet: Fleet) -> None:
    async with client() as http:
        seen = [Asked(f"<background {at}>", stream=True) for at in range(COUNT)]
        streams = [asyncio.create_task(begin(http, fleet.urls[at % 2], one.marker, one)) for at, one in enumerate(seen)]
        await under_way(fleet.upstream, COUNT)
        await asyncio.sleep(1.5)
        fleet.broker.kill()
        await asyncio.sleep(1)
        fleet.broker.start()
        await asyncio.gather(*streams)
        for one in seen:
            events = whole_events(one.body)
            if events[-1]["type"] != "response.completed":
                events = await resumed(http, fleet.urls[0], one)
            final = check_stream(events)
            assert final["status"] == "completed"
            assert_one_call(final)


async def test_a_database_that_is_away_costs_nothing(fleet: Fleet) -> None:
    async with client() as http:
        seen = [Asked(f"<background {at}>", stream=True) for at in range(COUNT)]
        streams = [asyncio.create_task(begin(http, fleet.urls[at % 2], one.marker, one)) for at, one in enumerate(seen)]
        await under_way(fleet.upstream, COUNT)
        fleet.database.kill()
        await asyncio.sleep(12)  # longer than the streams last, and than workers and ledgers are doubted
        fleet.database.start()
        await asyncio.gather(*streams)
        for one in seen:
            assert one.final["status"] == "completed"
            assert_one_call(one.final)
            answer = await http.get(f"{fleet.urls[0]}/v1/responses/{one.final['id']}")
            assert answer.json() == one.final
    assert len(fleet.upstream.calls) == COUNT


async def test_cancelling_stops_the_call_within_a_second_and_again_changes_nothing(fleet: Fleet) -> None:
    async with client() as http:
        seen = Asked("<to be cancelled>", stream=True)
        stream = asyncio.create_task(begin(http, fleet.urls[0], seen.marker, seen))
        await under_way(fleet.upstream, 1)
        while b"output_text.delta" not in seen.body:
            await asyncio.sleep(0.05)
        id_ = whole_events(seen.body)[0]["response"]["id"]
        began = monotonic()
        first = await http.post(f"{fleet.urls[1]}/v1/responses/{id_}/cancel")
        took = monotonic() - began
        assert (first.status_code, first.json()["status"]) == (200, "cancelled")
        await stream
        (call,) = fleet.upstream.calls
        while call.ended is None:
            await asyncio.sleep(0.02)
        assert not call.finished
        assert call.ended - began < 1.5
        assert seen.final == first.json()
        assert seen.final["usage"]["output_tokens"] > 0
        second = await http.post(f"{fleet.urls[0]}/v1/responses/{id_}/cancel")
        assert second.json() == first.json()
    print(f"cancelled in {took:.2f} s")


async def test_what_nobody_runs_ends(fleet: Fleet) -> None:
    """Queued, then cancelled or deleted, while there is no worker at all."""
    for worker in fleet.workers:
        worker.kill()
    async with client() as http:
        ids = []
        for at in range(2):
            body = {"model": MODEL, "input": f"<nobody {at}>", "background": True}
            ids.append((await http.post(f"{fleet.urls[0]}/v1/responses", json=body)).json()["id"])
        cancelled = await http.post(f"{fleet.urls[1]}/v1/responses/{ids[0]}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        assert (await http.delete(f"{fleet.urls[1]}/v1/responses/{ids[1]}")).status_code == 200
        fleet.workers.append(await fleet.stack.worker())
        last = await http.post(f"{fleet.urls[0]}/v1/responses", json={"model": "words-3", "input": "<after>"})
        assert last.status_code == 200
        assert json.dumps([call.body for call in fleet.upstream.calls]).count("<nobody") == 0
        assert (await http.get(f"{fleet.urls[0]}/v1/responses/{ids[1]}")).status_code == 404
