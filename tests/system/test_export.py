"""All that is kept of an account, and nothing of another one."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rig.services import KEY
from tests.system.conftest import System
from tests.system.managing import Manager, client, code, respond

pytestmark = pytest.mark.anyio


async def exported(manager: Manager, account: str) -> list[dict[str, Any]]:
    answer = await manager.send("GET", "/account/export", params={"account": account})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_an_account_is_exported_whole(system: System) -> None:
    manager = Manager(system.url)
    key = await manager.key(account="exported")
    async with client(system.url, key) as http:
        items = [{"role": "user", "content": f"item {number}"} for number in range(3)]
        made = await http.post("/v1/conversations", json={"items": items, "metadata": {"a": "b"}})
        conversation = made.json()["id"]
    first = (await respond(system.url, key, input="the first")).json()
    second = (await respond(system.url, key, input="the second", conversation=conversation)).json()
    await respond(system.url, key, input="not kept", store=False)
    await respond(system.url, await manager.key(account="another"), input="another's")
    lines = await exported(manager, "exported")
    kinds = [line["object"].removeprefix("export.") for line in lines]
    assert kinds == ["conversation", *["item"] * 5, "response", "response", *["charge"] * 3, "end"]
    assert lines[-1] == {
        "object": "export.end", "account": "exported", "conversations": 1, "items": 5, "responses": 2, "charges": 3,
    }  # fmt: skip
    assert lines[0]["conversation"]["metadata"] == {"a": "b"}
    assert [line["item"]["role"] for line in lines[1:6]] == ["user", "user", "user", "user", "assistant"]
    assert [line["response"] for line in lines if "response" in line] == [first, second]
    assert lines[6]["input"][0]["content"][0]["text"] == "the first"
    text = json.dumps(lines)
    assert "another's" not in text
    assert "not kept" not in text


async def test_what_is_deleted_is_in_no_copy(system: System) -> None:
    manager = Manager(system.url)
    key = await manager.key(account="forgetting")
    response = (await respond(system.url, key, input="forget me")).json()
    async with client(system.url, key) as http:
        assert (await http.delete(f"/v1/responses/{response['id']}")).status_code == 200
    lines = await exported(manager, "forgetting")
    assert [line["object"] for line in lines] == ["export.charge", "export.end"]
    assert lines[0]["charge"]["response_id"] == response["id"]
    assert "forget me" not in json.dumps(lines)


async def test_of_nobody_there_is_nothing(system: System) -> None:
    [line] = await exported(Manager(system.url), "nobody")
    assert line["object"] == "export.end"
    assert code(await Manager(system.url).send("GET", "/account/export")) == (400, "missing_required_parameter")


async def test_the_command_writes_it(system: System) -> None:
    key = await Manager(system.url).key(account="commanded")
    made = (await respond(system.url, key)).json()
    environ = {**os.environ, "WARREN_MASTER_KEY": KEY, "WARREN_BASE_URL": system.url}
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("warren")), "export", "commanded", env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    lines = [json.loads(line) for line in output.splitlines()]
    assert lines[0]["response"] == made
    assert lines[-1]["object"] == "export.end"
