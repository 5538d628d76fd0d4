"""What the ops page is told: by the same figures as everything else, and to those who may know."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.rig.services import KEY
from tests.system.conftest import System
from tests.system.managing import Manager, client, respond

pytestmark = pytest.mark.anyio
Json = dict[str, Any]


@pytest.fixture
def manager(system: System) -> Manager:
    return Manager(system.url)


async def until(look: Callable[[], Awaitable[Any]], seconds: float = 15) -> Any:
    """What this finds, once it finds something."""
    for _ in range(int(seconds / 0.2)):
        if found := await look():
            return found
        await asyncio.sleep(0.2)
    raise AssertionError("it does not come")


async def test_what_ends_is_counted_wherever_it_was_served(system: System, manager: Manager) -> None:
    before = (await manager.get("/ops/overview", window=300))["total"]
    for _ in range(3):
        assert (await respond(system.url, KEY)).status_code == 200
    assert (await respond(system.url, KEY, model="status-400-999")).status_code == 400
    assert (await respond(system.url, KEY, temperature="warm")).status_code == 400
    assert (await respond(system.url, KEY, background=True)).json()["status"] == "queued"

    async def counted() -> Json | None:
        told = await manager.get("/ops/overview", window=300)
        total = told["total"]
        grown = {name: total[name] - before[name] for name in ("requests", "failed", "refused", "background")}
        whole = grown == {"requests": 5, "failed": 1, "refused": 1, "background": 1}
        return told if whole else None

    told = await until(counted)
    total = told["total"]
    assert total["output_tokens"] - before["output_tokens"] == 12
    assert total["errors"]["upstream_refused"] >= 1
    assert total["refusals"]["invalid_type"] >= 1
    assert 0 < total["first"][0] <= total["seconds"][2] < 60
    assert sum(point["requests"] for point in told["points"]) == total["requests"]


async def test_processes_queues_and_deployments_are_told(system: System, manager: Manager) -> None:
    async def living() -> Json | None:
        told = await manager.get("/ops/overview")
        services = [one["service"] for one in told["processes"]]
        return told if sorted(services) == ["gateway", "ledger", "worker"] else None

    told = await until(living)
    assert told["states"] == {"bus": "up", "ledger": "up", "store": "up"}
    [worker] = [one for one in told["processes"] if one["service"] == "worker"]
    assert worker["slots"] > 0
    assert worker["takes"] == ["openai"]
    assert all(one["version"] and one["started_at"] for one in told["processes"])
    queues = {one["name"]: one for one in told["queues"]}
    assert queues["jobs.openai"] == {"name": "jobs.openai", "ready": 0, "consumers": 1}
    assert queues["ledger.write"]["consumers"] == queues["ledger.ask"]["consumers"] == 1
    [words] = [one for one in told["deployments"] if one["group"] == "words-3"]
    assert (words["provider"], words["model"], words["cooling_until"]) == ("openai", "words-3", None)


async def test_what_has_not_changed_is_not_sent_again(system: System) -> None:
    async with client(system.url, KEY) as http:
        first = await http.get("/ops/session")
        again = await http.get("/ops/session", headers={"if-none-match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


async def test_responses_are_listed_found_and_filtered(system: System, manager: Manager) -> None:
    key = await manager.key(account="found", key_alias="of the finder")
    made = [(await respond(system.url, key, user="erna")).json()["id"] for _ in range(3)]
    named = await respond(system.url, key, headers={"x-request-id": "my-own.1"})
    unnamed = await respond(system.url, key)
    assert unnamed.headers["x-request-id"] == f"req_{unnamed.json()['id'].removeprefix('resp_')}"
    await respond(system.url, key, model="status-400-999")

    async def ids(**query: Any) -> list[str]:
        return [one["response_id"] for one in (await manager.get("/ops/responses", account="found", **query))["data"]]

    whole = await until(lambda: _enough(ids, 6))
    assert whole[1:] == [unnamed.json()["id"], named.json()["id"], *reversed(made)]
    assert await ids(search=made[1]) == [made[1]]
    assert set(await ids(search=made[1][:14])) <= set(whole)
    assert await ids(search="erna") == [*reversed(made)]
    assert await ids(search="my-own.1") == [named.json()["id"]]
    assert await ids(search=unnamed.headers["x-request-id"]) == [unnamed.json()["id"]]
    assert await ids(search="nobody") == []
    assert await ids(key="of the finder", status="failed") == whole[:1]
    assert await ids(error="upstream_refused", model="status-400-999") == whole[:1]
    assert await ids(deployment="no such thing") == []
    assert await ids(provider="openai", limit=2) == whole[:2]
    assert await ids(after=whole[1], limit=2) == whole[2:4]
    assert await ids(until=1) == []
    with pytest.raises(AssertionError, match="go on behind"):  # an account hears of no other
        await manager.get("/ops/responses", account="elsewhere", after=whole[1])
    page = await manager.get("/ops/responses", account="found", limit=2)
    assert (page["has_more"], page["last_id"]) == (True, whole[1])
    row = page["data"][1]
    assert (row["key_alias"], row["status"], row["calls"], row["output_tokens"]) == ("of the finder", "completed", 1, 3)
    assert "hello" not in str(page)


async def _enough(ids: Callable[[], Awaitable[list[str]]], many: int) -> list[str] | None:
    found = await ids()
    return found if len(found) >= many else None


async def test_one_response_is_told_with_its_calls_and_then_read(system: System, manager: Manager) -> None:
    key = await manager.key(account="told")
    first = (await respond(system.url, key, input="who is there")).json()
    more = (await respond(system.url, key, input="and then", previous_response_id=first["id"])).json()
    async with client(system.url, key) as http:
        told = (await http.get(f"/ops/responses/{more['id']}")).json()
        assert (told["account"], told["status"], told["stored"], told["readable"]) == ("told", "completed", True, True)
        assert told["previous_response_id"] == first["id"]
        [call] = told["calls"]
        assert (call["status"], call["error"], call["usage"]["output_tokens"]) == (200, None, 3)
        assert told["created_at"] <= call["started_at"] <= told["ended_at"]
        assert 0 < call["first_event_seconds"] <= call["seconds"]
        assert call["unpriced"]
        assert "who is there" not in str(told)
        said = (await http.get(f"/ops/responses/{more['id']}/transcript")).json()
        texts = [(one["role"], one["text"]) for one in said["data"]]
        assert [role for role, _ in texts] == ["user", "assistant"] * 2
        assert (texts[0][1], texts[2][1]) == ("who is there", "and then")
        assert (await http.delete(f"/v1/responses/{more['id']}")).status_code == 200
        assert (await http.get(f"/ops/responses/{more['id']}")).json()["stored"] is False
        assert (await http.get(f"/ops/responses/{more['id']}/transcript")).status_code == 404


async def test_a_conversation_is_read_by_its_account(system: System, manager: Manager) -> None:
    key = await manager.key(account="talkers")
    async with client(system.url, key) as http:
        made = (await http.post("/v1/conversations", json={"metadata": {"topic": "x"}})).json()["id"]
        await respond(system.url, key, input="good morning", conversation=made)
        listed = (await http.get("/ops/conversations")).json()
        assert [(one["id"], one["metadata"]) for one in listed["data"]] == [(made, {"topic": "x"})]
        said = (await http.get(f"/ops/conversations/{made}")).json()
        assert [one["role"] for one in said["data"]] == ["user", "assistant"]


async def test_a_key_sees_of_the_session_what_is_its_own(system: System, manager: Manager) -> None:
    key = await manager.key(account="sessions", key_alias="of a session")
    async with client(system.url, key) as http:
        told = (await http.get("/ops/session")).json()
    assert told["operator"] is False
    assert (told["account"], told["key"], told["readable"]) == ("sessions", "of a session", ["sessions"])
    assert told["trace_url"] is None
    assert "deployments" not in told
    assert (await manager.get("/ops/session"))["operator"] is True


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("overview", {"window": "7"}),
        ("overview", {"windows": "300"}),
        ("spend", {"days": "2"}),
        ("responses", {"limit": "0"}),
        ("responses", {"status": "odd"}),
        ("responses", {"since": "yesterday"}),
        ("responses", {"after": "resp_unknown"}),
        ("session", {"x": "1"}),
    ],
)
async def test_what_cannot_be_told_is_refused_by_name(system: System, path: str, query: dict[str, str]) -> None:
    async with client(system.url, KEY) as http:
        refusal = await http.get(f"/ops/{path}", params=query)
    assert (refusal.status_code, refusal.json()["error"]["param"]) == (400, *query)


async def test_spend_is_that_of_the_reports(system: System, manager: Manager) -> None:
    key = await manager.key(account="spenders", key_alias="of spenders")
    await respond(system.url, key)

    async def there() -> Json | None:
        told = await manager.get("/ops/spend", days=7)
        return told if any(one["account"] == "spenders" for one in told["keys"]["data"]) else None

    told = await until(there)
    assert set(told) == {"first", "last", "days", "models", "deployments", "keys", "users", "tags"}
    [mine] = [one for one in told["keys"]["data"] if one["account"] == "spenders"]
    assert (mine["key_alias"], mine["requests"], mine["spend"], mine["unpriced_calls"]) == ("of spenders", 1, None, 1)
