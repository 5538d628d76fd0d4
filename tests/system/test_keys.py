"""Virtual keys: made with the master key, good for what they were made for, and for as long."""

import asyncio
import sqlite3
import time
from pathlib import Path

import openai
import pytest

from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, embedded, models, ready
from tests.system.conftest import System
from tests.system.managing import Manager, client, code, respond
from tests.system.test_websocket import opened, refused

pytestmark = pytest.mark.anyio


@pytest.fixture
def manager(system: System) -> Manager:
    return Manager(system.url)


async def test_a_key_works_as_any_openai_key_does(system: System, manager: Manager) -> None:
    made = await manager.post("/key/generate", key_alias="of the sdk", metadata={"$where": {"a.b": [1]}})
    key = made["key"]
    assert key.startswith("sk-")
    assert (made["key_name"], made["account"]) == (f"sk-...{key[-4:]}", made["id"])
    assert made["metadata"] == {"$where": {"a.b": [1]}}
    async with openai.AsyncOpenAI(base_url=f"{system.url}/v1", api_key=key, max_retries=0) as sdk:
        response = await sdk.responses.create(model="words-3", input="hello")
        assert (await sdk.responses.retrieve(response.id)).id == response.id
    with pytest.raises(openai.NotFoundError):
        async with system.client() as master:
            await master.responses.retrieve(response.id)


async def test_a_key_is_shown_once(manager: Manager) -> None:
    made = await manager.post("/key/generate", account="once")
    for answer in (
        await manager.send("GET", "/key/info", params={"key": made["key"]}),
        await manager.send("GET", "/key/list", params={"account": "once"}),
        await manager.send("POST", "/key/update", json={"key": made["id"], "rpm_limit": 5}),
    ):
        assert answer.status_code == 200
        assert made["id"] in answer.text
        assert made["key"] not in answer.text


async def test_a_key_is_found_by_itself_its_id_and_its_alias(manager: Manager) -> None:
    made = await manager.post("/key/generate", key_alias="found by this", max_budget=0.1, budget_duration="30d")
    infos = [
        await manager.get("/key/info", key=made["key"]),
        await manager.get("/key/info", key=made["id"]),
        await manager.get("/key/info", key_alias="found by this"),
    ]
    assert infos[0] == infos[1] == infos[2]
    info = infos[0]["info"]
    assert (info["key_alias"], info["max_budget"], info["budget_duration"]) == ("found by this", 0.1, "30d")
    assert code(await manager.send("GET", "/key/info", params={"key": "sk-unknown-unknown-unknown"})) == (404, None)
    assert code(await manager.send("GET", "/key/info")) == (400, "missing_required_parameter")


async def test_an_alias_and_a_key_of_ones_own_stand_for_one(manager: Manager) -> None:
    own = "sk-brought-along-1234567890"
    made = await manager.post("/key/generate", key=own, key_alias="mine")
    assert made["key"] == own
    for taken in ({"key": own}, {"key_alias": "mine"}):
        assert code(await manager.send("POST", "/key/generate", json=taken)) == (400, "already_exists")


async def test_a_blocked_key_is_good_again_when_it_is_unblocked(system: System, manager: Manager) -> None:
    key = await manager.key()
    assert (await respond(system.url, key)).status_code == 200
    assert (await manager.post("/key/block", key=key))["blocked"] is True
    assert code(await respond(system.url, key)) == (401, "key_blocked")
    await manager.post("/key/unblock", key=key)
    assert (await respond(system.url, key)).status_code == 200


async def test_a_deleted_key_is_none_of_ours(system: System, manager: Manager) -> None:
    made = await manager.post("/key/generate")
    assert (await respond(system.url, made["key"])).status_code == 200
    assert await manager.post("/key/delete", keys=[made["key"], "sk-unknown-unknown-unknown"]) == {
        "deleted_keys": [made["id"]]
    }
    assert code(await respond(system.url, made["key"])) == (401, "invalid_api_key")
    assert code(await manager.send("POST", "/key/block", json={"key": made["id"]})) == (404, None)


async def test_a_regenerated_key_is_the_same_with_another_secret(system: System, manager: Manager) -> None:
    made = await manager.post("/key/generate")
    response = (await respond(system.url, made["key"])).json()
    again = await manager.post("/key/regenerate", key=made["key"])
    assert (again["id"], again["key"] != made["key"]) == (made["id"], True)
    assert code(await respond(system.url, made["key"])) == (401, "invalid_api_key")
    async with client(system.url, again["key"]) as http:
        assert (await http.get(f"/v1/responses/{response['id']}")).status_code == 200


async def test_a_key_expires(system: System, manager: Manager) -> None:
    key = await manager.key(duration="2s")
    assert (await respond(system.url, key)).status_code == 200
    deadline = time.monotonic() + 10
    while (answer := await respond(system.url, key)).status_code == 200 and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert code(answer) == (401, "key_expired")
    await manager.post("/key/update", key=key, duration=None)
    assert (await respond(system.url, key)).status_code == 200


async def test_a_key_may_ask_for_its_models_only(system: System, manager: Manager) -> None:
    key = await manager.key(models=["words-2*"])
    assert (await respond(system.url, key, model="words-20")).status_code == 200
    assert code(await respond(system.url, key)) == (404, "model_not_found")
    async with client(system.url, key) as http:
        assert {one["id"] for one in (await http.get("/v1/models")).json()["data"]} == {
            "words-20", "words-200", "words-200-20"
        }  # fmt: skip
        assert code(await http.get("/v1/models/words-3")) == (404, "model_not_found")
        for path in ("/v1/responses/compact", "/v1/responses/input_tokens"):
            assert code(await http.post(path, json={"model": "words-3", "input": "x"})) == (404, "model_not_found")
    async with opened(system.url, authorization=f"Bearer {key}") as socket:
        assert (await refused(socket, input="x"))["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1"])
async def test_a_key_may_use_its_routes_only(system: System, manager: Manager, prefix: str) -> None:
    key = await manager.key(allowed_routes=["/v1/responses", "/v1/models"])
    async with client(system.url, key) as http:
        made = await http.post(f"{prefix}/responses", json={"model": "words-3", "input": "x"})
        assert made.status_code == 200
        assert (await http.get(f"{prefix}/models")).status_code == 200
        answer = await http.get(f"{prefix}/responses/{made.json()['id']}")
        assert code(answer) == (403, "permission_denied")
        assert code(await http.post(f"{prefix}/conversations", json={})) == (403, "permission_denied")


@pytest.mark.parametrize(
    "header", ["x-litellm-api-key", "api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key"]
)
async def test_a_key_may_come_in_any_clients_header(system: System, manager: Manager, header: str) -> None:
    key = await manager.key()
    assert (await respond(system.url, None, headers={header: key})).status_code == 200
    assert (await respond(system.url, None, headers={header: f"Bearer {key}"})).status_code == 200
    assert (await respond(system.url, None, headers={header: KEY})).status_code == 200
    assert code(await respond(system.url, None, headers={header: "sk-wrong"})) == (401, "invalid_api_key")
    assert code(await respond(system.url, None, headers={"authorization": f"Basic {key}"})) == (401, "invalid_api_key")


async def test_an_open_socket_does_not_outlive_its_key(system: System, manager: Manager) -> None:
    key = await manager.key()
    async with opened(system.url, authorization=f"Bearer {key}") as socket:
        await manager.post("/key/block", key=key)
        event = await refused(socket, input="x")
        assert (event["status"], event["error"]["code"]) == (401, "key_blocked")
        await manager.post("/key/unblock", key=key)


async def test_lists_are_of_an_account_and_go_on(manager: Manager) -> None:
    made = sorted([(await manager.post("/key/generate", account="listed"))["id"] for _ in range(3)])
    first = await manager.get("/key/list", account="listed", limit=2)
    assert [key["id"] for key in first["keys"]] == made[:2]
    assert first["has_more"]
    rest = await manager.get("/key/list", account="listed", limit=2, after=made[1])
    assert ([key["id"] for key in rest["keys"]], rest["has_more"]) == (made[2:], False)


@pytest.mark.parametrize(
    ("path", "body", "param", "refusal"),
    [
        ("/key/generate", {"user_role": "proxy_admin"}, "user_role", "unknown_parameter"),
        ("/key/generate", {"id": "key_1"}, "id", "unknown_parameter"),
        ("/key/generate", {"expires": 5}, "expires", "unknown_parameter"),
        ("/key/generate", {"models": "all"}, "models", "invalid_type"),
        ("/key/generate", {"key": "sk-short"}, "key", "invalid_type"),
        ("/key/generate", {"duration": "soon"}, "duration", "invalid_type"),
        ("/key/generate", {"budget_duration": "1y"}, "budget_duration", "invalid_type"),
        ("/key/generate", {"max_budget": -1}, "max_budget", "integer_below_min_value"),
        ("/key/generate", {"rpm_limit": "5"}, "rpm_limit", "invalid_type"),
        ("/key/generate", {"allowed_routes": ["management_routes"]}, "allowed_routes[0]", "invalid_type"),
        ("/key/generate", {"account": "a\u0000b"}, "account", "invalid_value"),
        ("/key/update", {"rpm_limit": 5}, "key", "missing_required_parameter"),
        ("/key/update", {"key": "k", "token": "x"}, "token", "unknown_parameter"),
        ("/key/delete", {"keys": []}, "keys", "empty_array"),
        ("/customer/new", {"user_id": "u", "spend": 0}, "spend", "unknown_parameter"),
        ("/account/update", {"account": "a", "keys": []}, "keys", "unknown_parameter"),
    ],
)  # fmt: skip
async def test_what_nobody_has_thought_of_is_refused_by_name(
    manager: Manager, path: str, body: dict[str, object], param: str, refusal: str
) -> None:
    answer = await manager.send("POST", path, json=body)
    assert code(answer) == (400, refusal), answer.text
    assert answer.json()["error"]["param"] == param


async def test_null_takes_a_limit_away(manager: Manager) -> None:
    made = await manager.post("/key/generate", models=["m"], rpm_limit=5, max_budget=1, tags=["a"], duration="1d")
    nothing = {"models": None, "rpm_limit": None, "max_budget": None, "tags": None, "duration": None}
    changed = await manager.post("/key/update", key=made["id"], **nothing)
    assert (changed["models"], changed["rpm_limit"], changed["max_budget"]) == ([], None, None)
    assert (changed["tags"], changed["expires"]) == ([], None)


async def test_a_store_holds_no_key(tmp_path: Path, system: System) -> None:
    (port,) = free_ports(1)
    service = embedded(models(system.upstream.url, "words-3"), tmp_path, port)
    try:
        url = f"http://127.0.0.1:{port}"
        await ready(url)
        key = await Manager(url).key(key_alias="hidden")
        assert (await respond(url, key)).status_code == 200
        await service.stop()
    finally:
        service.kill()
    with sqlite3.connect(tmp_path / "data" / "warren.db") as database:
        everything = "\n".join(database.iterdump())
    assert "hidden" in everything
    assert key not in everything
    assert key not in service.log.read_text()


async def test_without_a_master_key_there_are_no_others(tmp_path: Path, system: System) -> None:
    (port,) = free_ports(1)
    service = embedded(models(system.upstream.url, "words-3"), tmp_path, port, WARREN_MASTER_KEY="")
    try:
        url = f"http://127.0.0.1:{port}"
        await ready(url)
        assert (await respond(url, "sk-anything")).status_code == 200
        assert (await respond(url, None)).status_code == 200
        assert code(await Manager(url).send("POST", "/key/generate", json={})) == (403, "permission_denied")
    finally:
        service.kill()
