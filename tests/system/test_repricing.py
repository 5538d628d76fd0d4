"""Calls of a time, priced again by who has the master key, in both forms."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import System
from tests.system.managing import Manager, client, code, respond
from tests.system.test_spend import command, counted

pytestmark = pytest.mark.anyio
Json = dict[str, Any]

PRICES = {"openai/words-3": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01}}


@pytest.fixture
def manager(system: System) -> Manager:
    return Manager(system.url)


def today() -> Json:
    on = datetime.now(UTC).date().isoformat()
    return {"start_date": on, "end_date": on}


async def repriced(manager: Manager, **body: Any) -> Json:
    """What the last line says."""
    answer = await manager.send("POST", "/spend/reprice", json={**today(), **body})
    assert answer.status_code == 200, answer.text
    last: Json = json.loads(answer.text.splitlines()[-1])
    assert last["object"] == "reprice.end"
    return last


async def test_what_had_no_price_gets_one_and_everything_follows(system: System, manager: Manager) -> None:
    key = await manager.key(account="repriced", key_alias="repriced", max_budget=100)
    await manager.post("/account/new", account="repriced", max_budget=50)
    assert code(await respond(system.url, key)) == (403, "price_unknown")
    await manager.post("/key/update", key="repriced", max_budget=None)
    await manager.post("/account/update", account="repriced", max_budget=None)
    made = (await respond(system.url, key)).json()
    await counted(manager, 1, account="repriced")
    expected = made["usage"]["input_tokens"] * Decimal("0.001") + made["usage"]["output_tokens"] * Decimal("0.01")
    dry = await repriced(manager, model="words-3", prices=PRICES, dry_run=True)
    assert dry["newly_priced_calls"] >= 1
    [one] = (await manager.get("/spend/logs", account="repriced"))["data"]
    assert (one["spend"], one["repriced_calls"]) == (None, 0)
    done = await repriced(manager, model="words-3", prices=PRICES, source="prices of November.json")
    assert done["newly_priced_calls"] == dry["newly_priced_calls"]
    assert (await repriced(manager, model="words-3", prices=PRICES))["repriced_calls"] == 0
    [one] = (await manager.get("/spend/logs", account="repriced"))["data"]
    assert (Decimal(one["spend_exact"]), one["original_spend"], one["repriced_calls"]) == (expected, None, 1)
    [call] = one["calls"]
    assert (call["price_source"], call["original"]["spend"]) == ("prices of November.json", None)
    row: Json = {}
    while not row.get("repriced_calls"):
        row = await counted(manager, 1, account="repriced")
    assert (Decimal(row["spend_exact"]), row["original_spend"], row["unpriced_calls"]) == (expected, None, 0)


async def test_the_command_does_it(system: System, manager: Manager, tmp_path: Path) -> None:
    await respond(system.url, await manager.key(account="commanded again"))
    file = tmp_path / "some prices.json"
    entry = {"input_cost_per_token": 0.125, "output_cost_per_token": 0.25, "max_tokens": 4096, "litellm_provider": "x"}
    file.write_text(json.dumps({"sample_spec": {"max_tokens": "a number"}, "openai/words-3": entry}))
    on = today()["start_date"]
    flags = ("reprice", "--since", on, "--until", on, "--prices", str(file))
    exit_code, text, complaints = await command(system, *flags, "--dry-run")
    assert (exit_code, complaints) == (0, "")
    assert "would be priced anew" in text
    exit_code, text, _ = await command(system, *flags, "--json")
    assert (exit_code, json.loads(text)["object"]) == (0, "reprice.end")
    assert json.loads((await command(system, *flags, "--json"))[1])["repriced_calls"] == 0
    [one] = (await manager.get("/spend/logs", account="commanded again"))["data"]
    assert one["calls"][0]["price_source"] == "some prices.json"
    exit_code, _, complaints = await command(system, *flags[:-1], str(tmp_path / "nothing"))
    assert (exit_code, "cannot be read" in complaints) == (1, True)


async def test_only_the_master_key_may(system: System, manager: Manager) -> None:
    key = await manager.key()
    for presented, status in ((None, 401), (key, 403)):
        async with client(system.url, presented) as http:
            assert (await http.post("/spend/reprice", json=today())).status_code == status


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "start_date"),
        ({"start_date": "2026-13-01", "end_date": "2026-12-01"}, "start_date"),
        ({"start_date": "2026-12-02", "end_date": "2026-12-01"}, "start_date"),
        ({**today(), "prices": {"m": {"input_cost_per_token": -1}}}, "prices"),
        ({**today(), "prices": {"m": 1}}, "prices.m"),
        ({**today(), "from": 1}, "from"),
    ],
)
async def test_what_is_wrong_is_named(manager: Manager, body: Json, param: str) -> None:
    answer = await manager.send("POST", "/spend/reprice", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
