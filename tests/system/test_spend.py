"""What was spent, as the master key is told: by the same figures whichever way it is asked for."""

import asyncio
import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, embedded, models, ready
from tests.rig.upstream import FakeProvider
from tests.system.conftest import System
from tests.system.managing import Manager, client, code, respond

pytestmark = pytest.mark.anyio
Json = dict[str, Any]


@pytest.fixture
def manager(system: System) -> Manager:
    return Manager(system.url)


async def counted(manager: Manager, requests: int, **where: str) -> Json:
    """The one row of a report, once so many requests are in it."""
    report: Json = {}
    for _ in range(100):
        report = await manager.get("/global/spend/report", group_by="account", **where)
        if report["data"] and report["data"][0]["requests"] >= requests:
            [row] = report["data"]
            return dict(row)
        await asyncio.sleep(0.1)
    raise AssertionError(report)


async def test_requests_are_summed_up_by_whose_they_are(system: System, manager: Manager) -> None:
    key = await manager.key(account="reported", key_alias="of reports")
    for user in ("ann", "ann", "bob"):
        answer = await respond(system.url, key, user=user)
        assert answer.status_code == 200
    assert (await respond(system.url, key, model="status-400-999")).status_code == 400
    row = await counted(manager, 4, key="of reports")
    assert (row["account"], row["requests"], row["failed_requests"]) == ("reported", 4, 1)
    assert row["output_tokens"] > 0
    by_key = (await manager.get("/spend/keys", account="reported"))["data"]
    assert [(one["key_alias"], one["requests"]) for one in by_key] == [("of reports", 4)]
    by_user = (await manager.get("/spend/users", account="reported"))["data"]
    assert {one["user"]: one["requests"] for one in by_user} == {"ann": 2, "bob": 1, "": 1}
    both = (await manager.get("/global/spend/report", group_by="day,model", key=key))["data"]
    assert {one["model"] for one in both} == {"words-3", "status-400-999"}
    assert len({one["day"] for one in both}) == 1


async def test_single_responses_are_listed_with_their_calls(system: System, manager: Manager) -> None:
    key = await manager.key(account="listed", key_alias="of lists")
    made = [(await respond(system.url, key, user="carol")).json() for _ in range(3)]
    page = await manager.get("/spend/logs", key=key, limit=2)
    assert [one["response_id"] for one in page["data"]] == [made[2]["id"], made[1]["id"]]
    assert page["has_more"]
    rest = await manager.get("/spend/logs", key=key, after=page["last_id"])
    assert [one["response_id"] for one in rest["data"]] == [made[0]["id"]]
    [one] = (await manager.get("/spend/logs", request_id=made[0]["id"]))["data"]
    assert (one["account"], one["key_alias"], one["user"], one["status"]) == (
        "listed",
        "of lists",
        "carol",
        "completed",
    )
    assert one["output_tokens"] == made[0]["usage"]["output_tokens"]
    assert [call["status"] for call in one["calls"]] == [200]
    assert "hello" not in str(page)
    listed = await manager.get("/spend/logs", account="listed", status="failed")
    assert listed["data"] == []


async def test_an_unknown_cost_is_no_zero(system: System, manager: Manager) -> None:
    key = await manager.key(account="unknown")
    await respond(system.url, key)
    row = await counted(manager, 1, account="unknown")
    assert (row["spend"], row["spend_exact"], row["unpriced_calls"]) == (None, None, 1)
    [one] = (await manager.get("/spend/logs", account="unknown"))["data"]
    assert (one["spend"], one["unpriced_calls"]) == (None, 1)


async def test_a_table_says_the_same(system: System, manager: Manager) -> None:
    key = await manager.key(account="tabled")
    await respond(system.url, key, user="=1+1")
    await counted(manager, 1, account="tabled")
    answer = await manager.send("GET", "/spend/users", params={"account": "tabled", "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["user"], row["requests"], row["spend"]) == ("'=1+1", "1", "")


async def test_what_cannot_be_told_is_refused_by_name(manager: Manager) -> None:
    async def refused(path: str, **query: Any) -> Json:
        answer = await manager.send("GET", path, params=query)
        assert answer.status_code == 400
        return dict(answer.json()["error"])

    assert (await refused("/global/spend/report", group_by="tag,key"))["param"] == "group_by"
    assert (await refused("/global/spend/report", group_by="moon"))["param"] == "group_by"
    assert (await refused("/global/spend/report", start="2026-01-01"))["param"] == "start"
    assert (await refused("/spend/logs", after="resp_unknown"))["param"] == "after"
    assert (await refused("/spend/logs", limit=0))["param"] == "limit"
    unknown = await manager.send("GET", "/spend/logs", params={"key": "sk-unknown-unknown-unknown"})
    assert code(unknown) == (404, None)


async def test_only_the_master_key_is_told(system: System, manager: Manager) -> None:
    key = await manager.key()
    for path in ("/global/spend/report", "/spend/logs", "/spend/keys", "/spend/users", "/spend/tags", "/spend/models"):
        for presented, status in ((None, 401), (key, 403)):
            async with client(system.url, presented) as http:
                assert (await http.get(path)).status_code == status


async def test_every_request_leaves_a_line_without_what_was_said(upstream: FakeProvider, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    log = tmp_path / "requests.log"
    service = embedded(models(upstream.url, "words-3"), tmp_path, port, WARREN_REQUEST_LOG=f"file:{log}")
    url = f"http://127.0.0.1:{port}"
    try:
        await ready(url)
        made = (await respond(url, KEY, input="the canary sings", user="dora")).json()
        for _ in range(100):
            if log.exists() and made["id"] in log.read_text():
                break
            await asyncio.sleep(0.1)
        [line] = [line for line in map(json.loads, log.read_text().splitlines()) if line["response_id"] == made["id"]]
        assert (line["user"], line["status"], line["output_tokens"]) == (
            "dora", "completed", made["usage"]["output_tokens"],
        )  # fmt: skip
        assert "canary" not in log.read_text()
    finally:
        service.kill()


async def command(system: System, *arguments: str) -> tuple[int, str, str]:
    environ = {**os.environ, "WARREN_MASTER_KEY": KEY, "WARREN_BASE_URL": system.url}
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("warren")), "spend", *arguments, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, complaints = await process.communicate()
    return process.returncode or 0, output.decode(), complaints.decode()


async def test_the_command_tells_the_same(system: System, manager: Manager) -> None:
    key = await manager.key(account="commanded", key_alias="of the command's")
    await respond(system.url, key)
    await counted(manager, 1, account="commanded")
    code_, text, complaints = await command(system, "--by", "key", "--account", "commanded")
    assert (code_, complaints) == (0, "")
    assert "of the command's" in text
    told = json.loads((await command(system, "--by", "key", "--account", "commanded", "--json"))[1])
    assert [row["requests"] for row in told["data"]] == [1]
    [row] = csv.DictReader(io.StringIO((await command(system, "--by", "key", "--account", "commanded", "--csv"))[1]))
    assert row["key_alias"] == "of the command's"
    code_, _, complaints = await command(system, "--by", "moon")
    assert (code_, "'moon'" in complaints) == (1, True)
