"""A day at a company that uses Warren: several models behind it, some of them slow or broken, and people who ask.

The providers are one small HTTP server that speaks Chat Completions; everything else is real.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from warren_gateway.server import listen, serving

Json = dict[str, Any]

ANSWERS = (
    "A circuit breaker stops calling a service that keeps failing, so that it can recover and its callers fail fast.",
    "The invoice was paid on 12 November; the reminder crossed with the payment, so nothing is left to do.",
    "Use a partial index on status where most rows are completed: it stays small, and is picked for the rest.",
    "Three things changed since Monday: the retry budget, the timeout of the importer, and the way dates are parsed.",
    "The shipment left Rotterdam this morning and should clear customs by Thursday; I have asked for the documents.",
)
QUESTIONS = (
    "Summarise yesterday's incident for the weekly review, in three sentences.",
    "Which invoices of Northwind are still open, and which of them are overdue?",
    "Why is this query slow? It filters by status and sorts by date.",
    "Draft a reply to the customer who waits for order 48213.",
    "Explain what changed in the last release, for people who do not read code.",
)


@dataclass(frozen=True)
class Model:
    """How a model behaves: seconds to its first word and between words, how much it says, and how often it fails."""

    first: float
    pause: float
    words: int
    failures: float = 0.0
    status: int = 500
    breaks: float = 0.0
    """How often it ends in the middle."""


MODELS = {
    "gpt-5": Model(0.35, 0.012, 60, failures=0.02),
    "gpt-5-mini": Model(0.16, 0.006, 45),
    "gpt-5-west": Model(0.5, 0.015, 60, failures=0.35, status=429),
    "anthropic/claude-sonnet-4.5": Model(0.55, 0.014, 90, breaks=0.08),
    "llama-3.3-70b-versatile": Model(0.08, 0.003, 70),
    "mistral-large-latest": Model(0.3, 0.016, 50, failures=0.05, status=503),
    "deepseek-chat": Model(0.2, 0.02, 80, failures=1.0, status=500),
}


class Providers:
    """All of them."""

    def __init__(self, seed: int = 7, speed: float = 1.0) -> None:
        self.url = ""
        self._random = random.Random(seed)
        self._speed = speed

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        model = MODELS[body["model"]]
        await asyncio.sleep(model.first * self._random.uniform(0.6, 1.9) / self._speed)
        if self._random.random() < model.failures:
            error = {"message": "The model is overloaded.", "type": "server_error", "param": None, "code": None}
            return JSONResponse({"error": error}, model.status, {"retry-after": "1", "x-request-id": self._id()})
        return StreamingResponse(
            self._words(body, model), media_type="text/event-stream", headers={"x-request-id": self._id()}
        )

    async def _words(self, body: Json, model: Model) -> AsyncIterator[bytes]:
        text = " ".join(self._random.sample(ANSWERS, 4)).split()
        count = int(model.words * self._random.uniform(0.4, 1.4))
        count = max(6, min(count, len(text), body.get("max_tokens") or count))
        breaks = self._random.random() < model.breaks
        for number, word in enumerate(text[:count]):
            if breaks and number == count // 2:
                return
            yield _chunk(body, choices=[{"index": 0, "delta": {"role": "assistant", "content": word + " "}}])
            await asyncio.sleep(model.pause * self._random.uniform(0.5, 1.5) / self._speed)
        yield _chunk(body, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        asked = len(json.dumps(body["messages"])) // 4
        usage = {
            "prompt_tokens": asked,
            "prompt_tokens_details": {"cached_tokens": asked // 3},
            "completion_tokens": count * 4 // 3,
            "total_tokens": asked + count * 4 // 3,
        }
        yield _chunk(body, choices=[], usage=usage)
        yield b"data: [DONE]\n\n"

    def _id(self) -> str:
        return f"req_{self._random.getrandbits(64):016x}"


def _chunk(body: Json, **fields: Any) -> bytes:
    made = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"], **fields}
    return b"data: " + json.dumps(made).encode() + b"\n\n"


@asynccontextmanager
async def providers(speed: float = 1.0) -> AsyncIterator[Providers]:
    made = Providers(speed=speed)
    app = FastAPI()
    app.add_api_route("/v1/chat/completions", made.answer, methods=["POST"], response_model=None)
    bound = listen("127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
    async with serving(app, bound, drain=0):
        yield made


def config(url: str) -> Json:
    """All of their models, some in groups, with fallbacks."""

    def entry(group: str, model: str, id_: str, **params: Any) -> Json:
        given = {"model": model, "api_base": url, "api_key": "k", "use_chat_completions_api": True, **params}
        return {"model_name": group, "litellm_params": given, "model_info": {"id": id_}}

    prices = {"input_cost_per_token": 3e-6, "output_cost_per_token": 15e-6}
    dear = {"input_cost_per_token": 1.25e-6, "output_cost_per_token": 10e-6}
    return {
        "model_list": [
            entry("gpt-5", "openai/gpt-5", "gpt-5-east"),
            entry("gpt-5", "openai/gpt-5-west", "gpt-5-west", cooldown_time=20, **dear),
            entry("gpt-5-mini", "openai/gpt-5-mini", "gpt-5-mini"),
            entry("claude-sonnet", "openrouter/anthropic/claude-sonnet-4.5", "claude-sonnet", **prices),
            entry("llama-70b", "groq/llama-3.3-70b-versatile", "llama-groq"),
            entry("mistral-large", "mistral/mistral-large-latest", "mistral-large"),
            entry("deepseek", "deepseek/deepseek-chat", "deepseek", cooldown_time=30),
        ],
        "litellm_settings": {"drop_params": True},
        "router_settings": {
            "num_retries": 2,
            "fallbacks": [{"deepseek": ["llama-70b"]}, {"mistral-large": ["gpt-5-mini"]}],
        },
    }


WISHES = (
    ("gpt-5", 5), ("gpt-5-mini", 8), ("claude-sonnet", 4), ("llama-70b", 6), ("mistral-large", 3), ("deepseek", 1),
)  # fmt: skip
PEOPLE = ("ada", "grace", "edsger", "barbara", "donald", "frances")
KEYS = {
    "support-bot": "support", "checkout": "shop", "search": "shop", "nightly-reports": "finance", "playground": "lab",
}  # fmt: skip


class Town:
    """Those who ask."""

    def __init__(self, url: str, master_key: str, seed: int = 11) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=60)
        self._master = {"authorization": f"Bearer {master_key}"}
        self._random = random.Random(seed)
        self._keys: list[str] = []
        self._last: dict[str, str] = {}

    async def move_in(self) -> None:
        """Everybody gets a key."""
        for alias, account in KEYS.items():
            body = {"key_alias": alias, "account": account}
            made = await self._http.post("/key/generate", json=body, headers=self._master)
            self._keys.append(made.json()["key"])

    async def ask(self) -> None:
        """Somebody asks something, perhaps in a conversation that goes on; which may come to nothing."""
        key = self._random.choices(self._keys, (6, 4, 3, 1, 1))[0]
        model = self._random.choices(*zip(*WISHES, strict=True))[0]
        body: Json = {"model": model, "input": self._random.choice(QUESTIONS), "user": self._random.choice(PEOPLE)}
        if (last := self._last.get(key)) and self._random.random() < 0.4:
            body["previous_response_id"] = last
        if self._random.random() < 0.5:
            body["stream"] = True
        if self._random.random() < 0.02:
            body["temperature"] = "warm"
        headers = {"authorization": f"Bearer {key}"}
        try:
            answer = await self._http.post("/v1/responses", json=body, headers=headers)
        except httpx.TransportError:
            return
        if answer.status_code == 200 and "stream" not in body and answer.json()["status"] == "completed":
            self._last[key] = answer.json()["id"]

    async def live(self, seconds: float, per_second: float) -> None:
        """So many ask in a second, now more, now less."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        async with asyncio.TaskGroup() as group:
            while loop.time() < until:
                group.create_task(self.ask())
                swing = 1.3 if loop.time() % 60 < 20 else 0.8
                await asyncio.sleep(self._random.expovariate(per_second * swing))

    async def leave(self) -> None:
        await self._http.aclose()
