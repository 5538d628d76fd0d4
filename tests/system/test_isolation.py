"""Every route × no key, a key that is none of ours, and the key of somebody else."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.rig.services import KEY
from tests.system.conftest import System
from tests.system.managing import Manager, client, code, respond
from tests.system.test_websocket import address, answer, ask, opened, refused, say
from warren_gateway import app, openapi

pytestmark = pytest.mark.anyio
Json = dict[str, Any]

ROUTES = sorted(
    (method.upper(), prefix + path.removeprefix("/v1"))
    for path, methods in openapi.document([])["paths"].items()
    if path.startswith("/v1/")
    for method in methods
    for prefix in app.PREFIXES
)
MANAGEMENT = sorted(
    (method, route.path)
    for module in app.MANAGEMENT
    for route in module.router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
)
OPS = [f"/ops/{name}" for name in ("overview", "spend")]
"""What operators see of the whole."""
OPS_OF_ACCOUNTS = [
    f"/ops/{name}"
    for name in (
        "session", "responses", "responses/{response_id}", "responses/{response_id}/transcript", "conversations",
        "conversations/{conversation_id}",
    )
]  # fmt: skip
"""What everybody sees of his own."""
OPEN = {"/openapi.json", "/health/liveliness", "/health/liveness", "/health/readiness"}
NOT_OURS = (
    None,
    "sk-wrong",
    "sk-wrong-and-as-long-as-keys-are-1234567",
    "'; DROP TABLE entries; --",
    "sk-" + "x" * 5000,
)


@dataclass
class Somebody:
    """A key, and what belongs to its account."""

    key: str
    response: str
    background: str
    conversation: str
    item: str


@pytest.fixture(scope="module")
async def owner(system: System) -> Somebody:
    key = await Manager(system.url).key(account="owners")
    async with client(system.url, key) as http:
        made = await http.post("/v1/conversations", json={"items": [{"role": "user", "content": "mine"}]})
        conversation = made.json()["id"]
        item = (await http.get(f"/v1/conversations/{conversation}/items")).json()["data"][0]["id"]
        response = (await respond(system.url, key)).json()["id"]
        background = (await respond(system.url, key, background=True, model="words-200-20")).json()["id"]
    return Somebody(key, response, background, conversation, item)


@pytest.fixture(scope="module")
async def stranger(system: System) -> str:
    return await Manager(system.url).key(account="strangers")


@pytest.fixture(scope="module")
async def colleague(system: System) -> str:
    return await Manager(system.url).key(account="owners")


def filled(path: str, owner: Somebody) -> str:
    values = {"response_id": owner.response, "conversation_id": owner.conversation, "item_id": owner.item,
              "model": "words-3"}  # fmt: skip
    return path.format(**values)


def body_of(method: str) -> Json | None:
    return {"model": "words-3", "input": "x"} if method == "POST" else None


async def test_there_are_no_routes_but_these(system: System) -> None:
    async with client(system.url, None) as http:
        document = (await http.get("/openapi.json")).json()
    others = {path for path in document["paths"] if not path.startswith("/v1/")}
    assert others <= OPEN | {"/health", *OPS, *OPS_OF_ACCOUNTS} | {path for _, path in MANAGEMENT}
    assert {path for path in others if path.startswith("/ops/")} == {*OPS, *OPS_OF_ACCOUNTS}
    assert len(ROUTES) > 50
    assert len(MANAGEMENT) == 8 + 3 * 7 + 8


@pytest.mark.parametrize(
    ("method", "path"),
    [*ROUTES, *MANAGEMENT, ("GET", "/health"), *(("GET", path) for path in (*OPS, *OPS_OF_ACCOUNTS))],
)
async def test_no_route_opens_without_a_key_of_ours(system: System, owner: Somebody, method: str, path: str) -> None:
    async with client(system.url, None) as http:
        for key in NOT_OURS:
            headers = {} if key is None else {"authorization": f"Bearer {key}"}
            refusal = await http.request(method, filled(path, owner), json=body_of(method), headers=headers)
            assert code(refusal) == (401, "invalid_api_key"), key


@pytest.mark.parametrize(("method", "path"), MANAGEMENT)
async def test_only_the_master_key_manages(system: System, owner: Somebody, method: str, path: str) -> None:
    async with client(system.url, owner.key) as http:
        assert code(await http.request(method, path, json={})) == (403, "permission_denied")
    async with client(system.url, KEY) as http:
        assert (await http.request(method, path, json={})).status_code in (200, 400)


async def test_only_the_master_key_sees_how_deployments_do(system: System, owner: Somebody) -> None:
    for key, status in ((owner.key, 403), (KEY, 200)):
        async with client(system.url, key) as http:
            assert (await http.get("/health")).status_code == status


@pytest.mark.parametrize("path", OPS)
async def test_only_operators_see_the_whole(system: System, owner: Somebody, path: str) -> None:
    async with client(system.url, owner.key) as http:
        assert code(await http.get(path)) == (403, "permission_denied")
    async with client(system.url, KEY) as http:
        assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize("path", [path for path in OPS_OF_ACCOUNTS if "{" in path])
async def test_of_anothers_the_ops_page_shows_nothing(
    system: System, owner: Somebody, stranger: str, colleague: str, path: str
) -> None:
    for key, status in ((owner.key, 200), (colleague, 200), (stranger, 404)):
        async with client(system.url, key) as http:
            assert (await http.get(filled(path, owner))).status_code == status
    async with client(system.url, stranger) as http:
        made_up = (await http.get(filled(path, owner).replace("_0", "_1"))).json()["error"]
        refusal = (await http.get(filled(path, owner))).json()["error"]
        assert (refusal["code"], refusal["type"], refusal["param"]) == (
            made_up["code"], made_up["type"], made_up["param"],
        )  # fmt: skip


async def test_what_was_said_in_other_accounts_is_not_the_master_keys(system: System, owner: Somebody) -> None:
    async with client(system.url, KEY) as http:
        known = await http.get(f"/ops/responses/{owner.response}")
        assert (known.json()["account"], known.json()["readable"]) == ("owners", False)
        assert code(await http.get(f"/ops/responses/{owner.response}/transcript")) == (403, "permission_denied")
        for path in ("/ops/conversations", f"/ops/conversations/{owner.conversation}"):
            assert code(await http.get(path, params={"account": "owners"})) == (403, "permission_denied")


async def test_a_stranger_lists_nothing_of_others(system: System, owner: Somebody, stranger: str) -> None:
    async with client(system.url, stranger) as http:
        listed = await http.get("/ops/responses", params={"search": owner.response})
        assert listed.json()["data"] == []
        assert code(await http.get("/ops/responses", params={"account": "owners"})) == (403, "permission_denied")
        assert code(await http.get("/ops/conversations", params={"account": "owners"})) == (403, "permission_denied")


async def test_the_page_itself_holds_nothing_and_asks_nobody_else(system: System) -> None:
    async with client(system.url, None) as http:
        page = await http.get("/ops")
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert "://" not in page.text
        assert (await http.get("/ops", headers={"if-none-match": page.headers["etag"]})).status_code == 304
        for name in ("../app.py", "%2e%2e%2fapp.py", "nothing.js", "__init__.py"):
            assert (await http.get(f"/ops/page/{name}")).status_code == 404


BY_ID = [(method, path) for method, path in ROUTES if "response_id" in path or "conversation_id" in path]


@pytest.mark.parametrize(("method", "path"), BY_ID)
async def test_what_is_anothers_is_not_there(
    system: System, owner: Somebody, stranger: str, method: str, path: str
) -> None:
    bodies = {"/items": {"items": [{"role": "user", "content": "x"}]}, "}": {"metadata": {"a": "b"}}}
    body = next((body for end, body in bodies.items() if path.endswith(end)), None) if method == "POST" else None
    for key in (stranger, KEY):
        async with client(system.url, key) as http:
            refusal = await http.request(method, filled(path, owner), json=body)
            unknown = await http.request(method, filled(path, owner).replace("_0", "_1"), json=body)
        assert refusal.status_code == unknown.status_code == 404
        said, made_up = refusal.json()["error"], unknown.json()["error"]
        assert (said["code"], said["type"], said["param"]) == (made_up["code"], made_up["type"], made_up["param"])


async def test_what_a_stranger_tried_changed_nothing(system: System, owner: Somebody, colleague: str) -> None:
    for key in (owner.key, colleague):
        async with client(system.url, key) as http:
            assert (await http.get(f"/v1/responses/{owner.response}")).status_code == 200
            conversation = (await http.get(f"/v1/conversations/{owner.conversation}")).json()
            assert conversation["metadata"] == {}
            items = (await http.get(f"/v1/conversations/{owner.conversation}/items")).json()
            assert [item["id"] for item in items["data"]] == [owner.item]
            assert (await http.get(f"/v1/responses/{owner.background}")).json()["status"] != "cancelled"


async def test_a_stream_in_the_background_is_its_accounts(
    system: System, owner: Somebody, stranger: str, colleague: str
) -> None:
    async with client(system.url, owner.key) as http:
        body = {"model": "words-3", "input": "x", "background": True, "stream": True}
        made = (await http.post("/v1/responses", json=body)).text
        id_ = json.loads(made.split("data: ", 2)[1].split("\n")[0])["response"]["id"]
    for key, status in ((colleague, 200), (stranger, 404), (KEY, 404)):
        async with client(system.url, key) as http:
            followed = await http.get(f"/v1/responses/{id_}", params={"stream": "true"})
            assert followed.status_code == status


@pytest.mark.parametrize(
    ("field", "status", "refusal"),
    [
        ("previous_response_id", 400, "previous_response_not_found"),
        ("conversation", 404, None),
        ("item_reference", 404, None),
    ],
)
async def test_nobody_goes_on_where_another_was(
    system: System, owner: Somebody, stranger: str, colleague: str, field: str, status: int, refusal: str | None
) -> None:
    bodies: dict[str, Json] = {
        "previous_response_id": {"previous_response_id": owner.response},
        "conversation": {"conversation": owner.conversation},
        "item_reference": {"input": [{"type": "item_reference", "id": owner.item}]},
    }
    body = bodies[field]
    for key in (stranger, KEY):
        # What a reference names the worker looks up, when a stream may have begun: that ends with the error.
        ways: list[Json] = [{}] if field == "item_reference" else [{}, {"stream": True}, {"background": True}]
        for more in ways:
            said = await respond(system.url, key, **body, **more)
            assert code(said)[0] == status, said.text
            assert code(said)[1] == refusal
    if field != "conversation":  # it would be part of it
        assert (await respond(system.url, colleague, **body)).status_code == 200
    async with opened(system.url, authorization=f"Bearer {stranger}") as socket:
        await say(socket, **{"input": "x", **body})
        event = next(event for event in await answer(socket) if event["type"] == "error")
        assert event.get("status", status) == status
    for path in ("/v1/responses/compact", "/v1/responses/input_tokens"):
        if field == "previous_response_id":
            async with client(system.url, stranger) as http:
                assert code(await http.post(path, json={"model": "words-3", "input": "x", **body}))[0] == status


async def test_lists_hold_what_is_ones_own(system: System, owner: Somebody, stranger: str, colleague: str) -> None:
    async def listed(key: str) -> set[str]:
        async with client(system.url, key) as http:
            return {one["id"] for one in (await http.get("/v1/responses", params={"limit": 100})).json()["data"]}

    assert owner.response in await listed(owner.key)
    assert owner.response in await listed(colleague)
    assert owner.response not in await listed(stranger)
    assert owner.response not in await listed(KEY)
    async with client(system.url, stranger) as http:
        assert (await http.get("/v1/responses", params={"after": owner.response})).status_code in (400, 404)
        assert (await http.get("/v1/responses", params={"conversation": owner.conversation})).status_code == 404


async def test_an_idempotency_key_is_its_accounts(
    system: System, owner: Somebody, stranger: str, colleague: str
) -> None:
    headers, said = {"idempotency-key": uuid4().hex}, uuid4().hex
    first = await respond(system.url, owner.key, headers=headers, input=said)
    again = await respond(system.url, colleague, headers=headers, input=said)
    other = await respond(system.url, stranger, headers=headers, input=said)
    assert again.json() == first.json()
    assert other.json()["id"] != first.json()["id"]
    assert "idempotent-replayed" not in other.headers


async def test_a_socket_opens_to_keys_of_ours_only(system: System, owner: Somebody, stranger: str) -> None:
    for key in NOT_OURS[:3]:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        with pytest.raises(InvalidStatus) as status:
            await connect(address(system.url), additional_headers=headers)
        assert status.value.response.status_code == 401
    async with opened(system.url, authorization=f"Bearer {owner.key}") as mine:
        final = await ask(mine, input="x")
    async with opened(system.url, authorization=f"Bearer {stranger}") as theirs:
        event = await refused(theirs, input="x", previous_response_id=final["id"])
        assert event["error"]["code"] == "previous_response_not_found"
