"""Where the prices of a price file come from: a path, or a URL."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from time import time

import pytest

from tests.costs.making import deployment
from tests.rig.sockets import serving
from warren import pricing
from warren.contracts import Usage
from warren.costs import Prices, Served
from warren.outbound import Reach
from warren.params import Secret
from warren.settings import Complaint

pytestmark = pytest.mark.anyio
NEAR = Reach.of(["127.0.0.1"])
GPT = deployment("openai/gpt-5")


def content(price: float) -> bytes:
    entry = {"input_cost_per_token": price, "output_cost_per_token": 1, "litellm_provider": "openai"}
    return json.dumps({"sample_spec": {}, "gpt-5": entry}).encode()


def price(prices: Prices) -> tuple[Decimal | None, str | None, str | None]:
    made = prices.bill(GPT, Usage(input_tokens=1), Served(at=time()))
    return made.amount, made.source, made.date


async def test_a_file_is_read_and_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "SOON", 0.02)
    path = tmp_path / "prices.json"
    path.write_bytes(content(0.5))
    async with pricing.kept(Secret(str(path)), {}, NEAR) as prices:
        amount, source, date = price(prices)
        assert (amount, source) == (Decimal("0.5"), "prices.json")
        assert date is not None
        assert len(date) == 10
        path.write_bytes(b"not yet")
        await asyncio.sleep(0.1)
        assert price(prices)[0] == Decimal("0.5")
        path.write_bytes(content(0.25))
        async with asyncio.timeout(5):
            while price(prices)[0] != Decimal("0.25"):
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(("text", "why"), [(None, "cannot be read: No such file"), ("[]", "this is no price file")])
async def test_a_file_that_is_none_is_complained_about(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "prices.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Complaint, match=why):
        async with pricing.kept(Secret(str(path)), {}, NEAR):
            pass


async def test_without_a_file_prices_are_those_that_are_known() -> None:
    async with pricing.kept(None, {}, NEAR) as prices:
        assert price(prices)[:2] == (Decimal("0.00000125"), "genai-prices 0.2.3")


async def test_a_url_is_asked_until_it_gives_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "SOON", 0.02)
    answers = [b"", b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", said(b"[1]"), said(content(0.5))]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0) if len(answers) > 1 else answers[0])

    async with (
        serving(answer) as port,
        pricing.kept(Secret(f"http://127.0.0.1:{port}/prices.json?key=secret"), {}, NEAR) as prices,
    ):
        assert price(prices)[1] == "genai-prices 0.2.3"
        async with asyncio.timeout(10):
            while price(prices)[0] != Decimal("0.5"):
                await asyncio.sleep(0.02)
    assert price(prices)[1] == f"http://127.0.0.1:{port}/prices.json"


async def test_only_who_may_be_asked_is_asked_for_prices() -> None:
    asked = False

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked = True

    async with serving(answer) as port, pricing.kept(Secret(f"http://127.0.0.1:{port}/prices.json"), {}, Reach()):
        pass
    assert not asked


def said(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body
