"""Whatever is sent, the answer is a refusal by name, memory stays bounded, and nobody else waits for it."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.prober import probing
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ, free_ports
from tests.rig.schema import tried_out
from tests.rig.services import KEY, Service, embedded, models, ready, stack
from tests.rig.upstream import FakeProvider

pytestmark = pytest.mark.anyio
HEADERS = {"authorization": f"Bearer {KEY}"}
MEGABYTE = 1024 * 1024
BLOCKED = 0.1
"""Seconds that nobody may keep the loop of a gateway."""
AT_ONCE = 4
GROWN = 700 * MEGABYTE
"""What a gateway may have grown by, with AT_ONCE bodies of 30 MB under way."""


@dataclass
class Target:
    gateway: Service
    url: str

    def resident(self) -> int:
        """Bytes that the gateway had in memory at its worst."""
        status = Path(f"/proc/{self.gateway.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


@pytest.fixture
async def target(
    rabbitmq: RabbitMQ | ExternalRabbitMQ, mongod: Mongod | ExternalMongod, upstream: FakeProvider, tmp_path: Path
) -> AsyncIterator[Target]:
    database = f"{mongod.url}fuzz_{uuid4().hex[:8]}"
    with stack(rabbitmq.url, database, models(upstream.url, "words-3"), tmp_path) as services:
        await services.ledger()
        await services.worker()
        yield Target(*await services.gateway())
        assert not services.errors()


def create(given: bytes) -> bytes:
    return b'{"model":"words-3","input":' + given + b"}"


def filled(unit: bytes, size: int) -> bytes:
    """A list of so many of these that it has about this size."""
    return b"[" + b",".join([unit] * (size // (len(unit) + 1))) + b"]"


HUGE = 30 * MEGABYTE
HOSTILE: dict[str, Callable[[], bytes]] = {
    "deep lists": lambda: create(b"[" * HUGE),
    "deep objects": lambda: create(b'{"a":' * (HUGE // 5)),
    "deep and closed": lambda: create(b"[" * 1_000_000 + b"]" * 1_000_000),
    "wide lists": lambda: create(filled(b"1", HUGE)),
    "wide objects": lambda: create(b"{" + b",".join(b'"k%d":1' % number for number in range(2_000_000)) + b"}"),
    "many empty objects": lambda: create(filled(b"{}", HUGE)),
    "many strings": lambda: create(filled(b'"x"', HUGE)),
    "many items": lambda: create(filled(b'{"role":"user","content":"x"}', HUGE)),
    "one wrong at the end": lambda: create(filled(b'{"role":"user","content":"x"}', 990_000)[:-1] + b',{"role":1}]'),
    "quotes": lambda: create(b'"' + b'\\"' * (HUGE // 2) + b'"'),
    "backslashes": lambda: create(b'"' + b"\\" * (HUGE + 1) + b'"'),
    "escapes": lambda: create(b'["' + b"\\u0041" * (HUGE // 6) + b'"]'),
    "an open string": lambda: create(b'"' + b"x" * HUGE),
    "one long text": lambda: create(b'"' + b"x" * HUGE + b'"'),
    "a long key": lambda: b'{"' + b"k" * HUGE + b'":1}',
    "a long number": lambda: create(b"9" * HUGE),
    "a long fraction": lambda: create(b"0." + b"9" * HUGE),
    "an exponent": lambda: create(b"1e999999999"),
    "not a number": lambda: create(b"NaN"),
    "no end": lambda: create(b"-Infinity"),
    "the same key again": lambda: b'{"model":"words-3","model":"words-3","input":"x"}',
    "the same key inside": lambda: create(b'[{"role":"user","role":"system","content":"x"}]'),
    "half a character": lambda: create(b'"\\ud800"'),
    "not UTF-8": lambda: create(b'"\xff\xfe"'),
    "a byte order mark": lambda: b"\xef\xbb\xbf" + create(b'"x"'),
    "spaces": lambda: b" " * HUGE,
    "nulls": lambda: b"\x00" * HUGE,
    "noise": lambda: random.Random(1).randbytes(HUGE),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_body_is_refused_and_nobody_waits_for_it(target: Target, kind: str) -> None:
    body = HOSTILE[kind]()
    before = target.resident()
    async with httpx.AsyncClient(headers=HEADERS, timeout=120) as http, probing(target.url) as prober:
        waits = []
        for path in ("/v1/responses", "/v1/responses/input_tokens", "/v1/conversations"):
            answer = await http.post(target.url + path, content=body)
            waits.append(await prober.longest())
            assert 400 <= answer.status_code < 500, (path, answer.status_code)
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        blocked = min(waits)  # what blocks the loop does so every time; a busy machine does not
        await asyncio.gather(*(http.post(f"{target.url}/v1/responses", content=body) for _ in range(AT_ONCE)))
        waited = await prober.longest()
    print(f"{kind}: blocked {blocked * 1000:.0f} ms, {AT_ONCE} at once {waited * 1000:.0f} ms, "
          f"grown by {(target.resident() - before) // MEGABYTE} MB")  # fmt: skip
    assert target.resident() - before < GROWN
    assert blocked < BLOCKED


IMAGE = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * (20 * MEGABYTE - 100)}
GOOD: dict[str, Any] = {
    "an image and a text": [{"role": "user", "content": [IMAGE, {"type": "input_text", "text": "x" * 9 * MEGABYTE}]}],
    "many messages": [{"role": "user", "content": "x"}] * 33_000,
}


@pytest.mark.parametrize("kind", GOOD)
async def test_large_requests_that_are_good_keep_nobody_waiting(target: Target, kind: str) -> None:
    body = json.dumps({"model": "words-3", "input": GOOD[kind]}).encode()
    before = target.resident()
    waits = []
    async with httpx.AsyncClient(headers=HEADERS, timeout=120) as http, probing(target.url) as prober:
        for _ in range(3):
            answer = await http.post(f"{target.url}/v1/responses", content=body)
            waits.append(await prober.longest())
            assert answer.status_code == 200, answer.text
    print(f"{kind}: blocked {min(waits) * 1000:.0f} ms, grown by {(target.resident() - before) // MEGABYTE} MB")
    assert target.resident() - before < GROWN
    assert min(waits) < BLOCKED


async def test_a_body_that_never_ends_is_not_kept(target: Target) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1024 * MEGABYTE:
            sent += MEGABYTE
            yield b"x" * MEGABYTE

    before = target.resident()
    async with httpx.AsyncClient(headers=HEADERS, timeout=120) as http:
        try:
            answer = await http.post(f"{target.url}/v1/responses", content=endless())
            assert answer.status_code == 413
        except httpx.NetworkError:
            pass  # it hung up, which says the same
    assert target.resident() - before < 200 * MEGABYTE


def values(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON, the smaller the deeper."""
    match chance.randrange(9 if depth < 4 else 6):
        case 0:
            return None
        case 1:
            return chance.choice([True, False])
        case 2:
            return chance.choice([0, -1, 2**63, 2**64, -(2**63) - 1, chance.random() * 1e308])
        case 3 | 4:
            return chance.choice(["", "x", "\x00", "\U0001f600", "message", "function_call", "resp_x", "a" * 70])
        case 5:
            return chance.choice(["user", "words-3", "auto", "input_text", "msg_1"])
        case 6:
            return [values(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(FIELDS): values(chance, depth + 1) for _ in range(chance.randrange(6))}


FIELDS = (
    "model", "input", "type", "role", "content", "text", "tools", "name", "parameters", "tool_choice", "reasoning",
    "effort", "format", "metadata", "conversation", "previous_response_id", "store", "include", "stream", "items", "id",
    "call_id", "output", "arguments", "image_url", "generate", "", "\x00", "__proto__",
)  # fmt: skip


def bodies(count: int) -> Iterator[bytes]:
    chance = random.Random(1)
    for _ in range(count):
        body = {**{chance.choice(FIELDS): values(chance) for _ in range(8)}, "model": "words-3", "stream": False}
        yield json.dumps(body if chance.random() < 0.9 else values(chance)).encode()


async def test_no_json_is_a_failure_of_ours(target: Target) -> None:
    made = bodies(5_000)
    paths = ("/v1/responses", "/v1/responses/input_tokens", "/v1/responses/compact", "/v1/conversations")

    async def send(http: httpx.AsyncClient) -> None:
        for body in made:
            for path in paths:
                answer = await http.post(target.url + path, content=body)
                assert answer.status_code < 500, (path, body, answer.text)
                assert answer.headers["content-type"] == "application/json"

    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        await asyncio.gather(*(send(http) for _ in range(8)))


async def test_the_api_is_as_it_is_described(upstream: FakeProvider, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    service = embedded(models(upstream.url, "words-3"), tmp_path, port)
    url = f"http://127.0.0.1:{port}"
    try:
        await ready(url)
        code, said = await tried_out(
            url, tmp_path, "words-3", "--phases", "examples,coverage,fuzzing", "--max-examples", "200"
        )
        assert code == 0, said
        assert '"error"' not in service.log.read_text()
    finally:
        service.kill()
