import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from warren import local_model, sse
from warren.settings import Complaint

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    alone = httpx.Limits(max_keepalive_connections=0)  # it does not keep connections reliably, see its docstring
    async with (
        local_model.serving() as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=60, limits=alone) as client,
    ):
        yield client


def question(**more: object) -> dict[str, object]:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    return {"model": local_model.MODEL, "messages": messages, "seed": 1, "max_tokens": 16, **more}


async def test_it_answers_with_its_usage(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/chat/completions", json=question())).raise_for_status().json()

    assert answer["model"] == "smollm2"
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["prompt_tokens"] > 0
    assert 0 < answer["usage"]["completion_tokens"] <= 16


async def test_it_streams_and_reports_usage_when_asked(client: httpx.AsyncClient) -> None:
    body = question(stream=True, stream_options={"include_usage": True})
    reader = sse.Reader()
    async with client.stream("POST", "/chat/completions", json=body) as response:
        data = [event.data async for piece in response.aiter_raw() for event in reader.feed(piece)]

    assert data[-1] == b"[DONE]"
    chunks = [json.loads(one) for one in data[:-1]]
    assert any(chunk["choices"][0]["delta"].get("content") for chunk in chunks[:-1])
    assert chunks[-2]["choices"][0]["finish_reason"] in {"stop", "length"}
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0


async def test_a_seed_repeats_an_answer(client: httpx.AsyncClient) -> None:
    first, second = [
        (await client.post("/chat/completions", json=question(temperature=1))).json()["choices"] for _ in range(2)
    ]

    assert first == second


async def test_who_sets_no_limit_can_be_set_one() -> None:
    messages = [{"role": "user", "content": "Tell me a long story."}]
    async with local_model.serving(most=5) as base_url, httpx.AsyncClient(base_url=base_url, timeout=60) as client:
        for limit, tokens in (({}, 5), ({"max_tokens": 3}, 3), ({"max_tokens": 8}, 8)):
            body = {"model": local_model.MODEL, "messages": messages, **limit}
            answer = (await client.post("/chat/completions", json=body)).raise_for_status().json()
            assert answer["usage"]["completion_tokens"] == tokens


async def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Complaint, match=rf"^the local model cannot listen at 127\.0\.0\.1:{port}; .*\?$"):
            async with local_model.serving(port):
                pass


async def test_a_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_model, "find_spec", lambda name: None)
    with pytest.raises(Complaint, match=r"pip install 'warren\[local\]'"):
        async with local_model.serving():
            pass


async def test_sigterm_ends_it() -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "warren.local_model", "--port", "0"), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    assert (await child.stdout.readline()).startswith(b"http://127.0.0.1:")
    child.terminate()
    await child.communicate()

    assert child.returncode == 0


PARENT = """
import asyncio
from warren.local_model import serving

async def main():
    async with serving() as base_url:
        print(base_url, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_it_dies_with_a_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        base_url = parent.stdout.readline().strip()
        assert httpx.get(f"{base_url}/models").status_code == 200
        parent.send_signal(signal.SIGKILL)

    for _ in range(100):
        if not serves(base_url):
            break
        time.sleep(0.02)
    assert not serves(base_url)


def serves(base_url: str) -> bool:
    try:
        httpx.get(f"{base_url}/models")
    except httpx.TransportError:
        return False
    return True
