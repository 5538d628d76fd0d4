"""Sessions stay where they are, and go on elsewhere, whole, when that place is gone."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_core import to_json

from tests.rig.parts import Parts, parts
from tests.rig.services import KEY
from tests.rig.upstream import FakeProvider, provider
from warren import config

pytestmark = pytest.mark.anyio
ROUNDS = 5
NATIVE = (True, True, False, False)
"""Which of the deployments speak the Responses API. None remembers: each is told the whole session each time."""


@dataclass
class Place:
    """A deployment at a server of its own."""

    id: str
    upstream: FakeProvider
    killed: AsyncExitStack


@dataclass
class Session:
    number: int
    previous: str | None = None
    places: list[str] = field(default_factory=list)

    @property
    def question(self) -> str:
        return f"question {len(self.places)} of session {self.number};"


@pytest.fixture(params=["embedded", "services"])
async def made(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Parts]:
    async with parts(request.param, request, tmp_path) as made:
        yield made


@asynccontextmanager
async def running(made: Parts) -> AsyncIterator[tuple[httpx.AsyncClient, list[Place]]]:
    async with AsyncExitStack() as stack:
        places = []
        for number in range(len(NATIVE)):
            killed = await stack.enter_async_context(AsyncExitStack())
            places.append(Place(f"d{number}", await killed.enter_async_context(provider()), killed))
        entries = [
            {
                "model_name": "m",
                "litellm_params": {
                    "model": "openai/words-3", "api_base": place.upstream.url, "api_key": "k",
                    "use_chat_completions_api": not native,
                },
                "model_info": {"id": place.id},
            }
            for place, native in zip(places, NATIVE, strict=True)
        ]  # fmt: skip
        checks = {"optional_pre_call_checks": ["responses_api_deployment_check"]}
        given = config.parse(to_json({"model_list": entries, "router_settings": checks}).decode())
        await stack.enter_async_context(made.ledger())
        await stack.enter_async_context(made.worker(given))
        url = await stack.enter_async_context(made.gateway(given))
        headers = {"authorization": f"Bearer {KEY}"}
        yield await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=60)), places


async def asked(http: httpx.AsyncClient, session: Session, room: asyncio.Semaphore) -> None:
    """One more turn of this session."""
    body: dict[str, Any] = {"model": "m", "input": session.question}
    if session.previous is not None:
        body["previous_response_id"] = session.previous
    async with room:
        answer = await http.post("/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "completed"
    session.previous = answer.json()["id"]
    session.places.append(answer.headers["x-warren-deployment"])


@pytest.mark.parametrize(("many", "least"), [(40, 1), pytest.param(200, 26, marks=pytest.mark.long)])
async def test_follow_ups_stay_and_those_of_a_dead_deployment_go_on_elsewhere(
    made: Parts, many: int, least: int
) -> None:
    sessions, room = [Session(number) for number in range(many)], asyncio.Semaphore(16)
    async with running(made) as (http, places):
        for _ in range(1 + ROUNDS):
            await asyncio.gather(*(asked(http, session, room) for session in sessions))
        assert all(len(set(session.places)) == 1 for session in sessions)
        at: defaultdict[str, list[Session]] = defaultdict(list)
        for session in sessions:
            at[session.places[0]].append(session)
        for place in places:
            assert len(at[place.id]) >= least
            assert len(place.upstream.calls) == len(at[place.id]) * (1 + ROUNDS)
            turns = [len(call.said) for call in place.upstream.calls if "question 5 " in json.dumps(call.said[-1])]
            assert set(turns) == {1 + 2 * ROUNDS}

        dead, living = places[0], places[1:]
        await dead.killed.aclose()
        await asyncio.gather(*(asked(http, session, room) for session in sessions))
        for session in sessions:
            if session.places[0] != dead.id:
                assert len(set(session.places)) == 1, "nobody moves who does not have to"
                continue
            (where,) = (place for place in living if place.id == session.places[-1])
            (call,) = where.upstream.asked(f"question {ROUNDS + 1} of session {session.number};")
            told = json.dumps(call.said)
            assert all(f"question {turn} of session {session.number};" in told for turn in range(ROUNDS + 2))
            assert len(call.said) == 1 + 2 * (ROUNDS + 1)
        await asyncio.gather(*(asked(http, session, room) for session in at[dead.id]))
        assert all(session.places[-1] == session.places[-2] for session in at[dead.id]), "and there they stay"
