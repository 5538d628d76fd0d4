"""The ops page with ten thousand responses: at once there, live, to be searched, walked through by keys and read."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.rig import chromium, past
from tests.rig.mongod import ExternalMongod, Mongod
from tests.rig.rabbitmq import ExternalRabbitMQ, RabbitMQ, free_ports
from tests.rig.services import KEY, Service, embedded, models, ready, stack
from tests.rig.upstream import provider
from tests.system.managing import client, respond
from warren.contracts import Outcome
from warren_ledger.store import Store
from warren_ledger.store.mongo import MongoStore
from warren_ledger.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
expect.set_options(timeout=20_000)  # the machine may be busy
MANY = 10_000
SOON = 1.0
"""Seconds in which the page is there."""
VIEWS = ("overview", "responses", "conversations", "spend")


@dataclass
class Site:
    """A running Warren with a long past."""

    url: str
    past: Sequence[Outcome]
    gateway: Service


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium.browser() as opened:
        yield opened


@pytest.fixture(scope="module", params=["embedded", "services"])
async def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder: Path = tmp_path_factory.mktemp("page")
    made = list(past.outcomes(MANY, time.time()))
    more = {"WARREN_OPS_CONTENT": "shop", "WARREN_TRACE_URL": "https://traces.example.com/{trace_id}"}
    async with provider() as upstream:
        config = models(upstream.url, "words-3", "status-429-1", "status-401-999")
        if request.param == "embedded":
            (port,) = free_ports(1)
            (folder / "data").mkdir(mode=0o700)
            async with SqliteStore.open(folder / "data" / "warren.db") as store:
                await fill(store, made)
            service = embedded(config, folder, port, **more)
            try:
                await ready(f"http://127.0.0.1:{port}", timeout=150)
                yield Site(f"http://127.0.0.1:{port}", made, service)
            finally:
                service.kill()
            return
        rabbitmq: RabbitMQ | ExternalRabbitMQ = request.getfixturevalue("rabbitmq")
        mongod: Mongod | ExternalMongod = request.getfixturevalue("mongod")
        database = f"{mongod.url}page_{uuid4().hex[:8]}"
        with stack(rabbitmq.url, database, config, folder, **more) as services:
            await services.ledger()
            async with MongoStore.open(database) as store:
                await fill(store, made)
            await services.worker()
            gateway, address = await services.gateway()
            yield Site(address, made, gateway)


async def fill(store: Store, made: Sequence[Outcome]) -> None:
    for at in range(0, len(made), 500):
        await store.put(made[at : at + 500])


async def test_it_is_there_within_a_second(site: Site, browser: Browser) -> None:
    took = []
    for _ in range(5):
        async with chromium.visit(browser, site.url) as visit:
            await visit.page.add_init_script(f"sessionStorage.setItem('warren.key', '{KEY}')")
            began = time.monotonic()
            await visit.page.goto(f"{site.url}/ops#/responses", wait_until="commit")
            await visit.page.locator("#list tbody tr").first.wait_for()
            took.append(time.monotonic() - began)
            assert await visit.page.locator("#list tbody tr").count() >= 100
    print(f"navigation to rows: {', '.join(f'{one:.2f}' for one in took)} s")
    assert min(took) < SOON


async def test_every_list_of_it_is_answered_at_once(site: Site) -> None:
    queries: list[dict[str, Any]] = [
        {}, {"status": "failed"}, {"model": "gpt-5"}, {"deployment": "claude"}, {"provider": "groq"},
        {"account": "lab"}, {"error": "upstream_error"}, {"user": "user-7"}, {"search": site.past[77].response_id},
        {"search": "user-96"}, {"after": site.past[5000].response_id}, {"user": "nobody"},
    ]  # fmt: skip
    async with client(site.url, KEY) as http:
        for query in queries:
            took = []
            for _ in range(5):
                began = time.monotonic()
                answer = await http.get("/ops/responses", params={**query, "limit": 100})
                took.append(time.monotonic() - began)
                assert answer.status_code == 200
            print(f"{query}: {min(took) * 1000:.0f} ms")
            assert min(took) < 0.25, query


async def test_it_follows_what_happens_and_finds_what_has(site: Site, browser: Browser) -> None:
    async with chromium.visit(browser, site.url) as visit:
        page = visit.page
        await visit.enter(KEY, "responses")
        rows = page.locator("#list tbody tr")
        await expect(rows).to_have_count(100)
        for _ in range(3):
            made = (await respond(site.url, KEY)).json()["id"]
            await expect(rows.first).to_have_attribute("data-id", made)
        await page.get_by_label("Status").or_(page.get_by_label("any status")).select_option("failed")
        await expect(page.locator("#list tbody code").first).to_be_visible()
        assert {await one.inner_text() for one in await page.locator("#list .status").all()} <= {
            "rate_limit_exceeded", "upstream_error", "upstream_refused",
        }  # fmt: skip
        await page.get_by_role("button", name="Clear").click()
        await expect(page.get_by_role("button", name="Clear")).to_be_hidden()
        wanted = site.past[1234]
        await page.keyboard.press("/")
        await page.keyboard.type(wanted.response_id)
        await page.keyboard.press("Enter")
        await expect(rows).to_have_count(1)
        await page.keyboard.press("Escape")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text(wanted.response_id)
        await expect(page.locator(".waterfall li")).to_have_count(2)
        assert visit.complaints == []
        assert visit.strangers == []


async def test_what_was_said_is_shown_to_those_who_may(site: Site, browser: Browser) -> None:
    mine = next(one for one in site.past if one.account == "shop")
    other = next(one for one in site.past if one.account == "lab")
    async with chromium.visit(browser, site.url) as visit:
        page = visit.page
        await visit.enter(KEY, f"responses/{mine.response_id}")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".transcript .user .text")).to_contain_text("question")
        await page.goto(f"{site.url}/ops#/responses/{other.response_id}")
        await expect(page.get_by_text("Not shown for this account.")).to_be_visible()
        assert "question" not in await page.content()
        assert visit.complaints == []


async def test_all_ten_thousand_can_be_scrolled_through(site: Site, browser: Browser) -> None:
    async with chromium.visit(browser, site.url, viewport={"width": 1200, "height": 900}) as visit:
        page = visit.page
        await visit.enter(KEY, "responses")
        await page.locator("#list tbody tr").first.wait_for()
        deadline = time.monotonic() + 600
        while not await page.get_by_text(re.compile(r"^[\d,]+ responses$")).is_visible():
            assert time.monotonic() < deadline, await page.locator("#list tbody tr").count()
            await page.mouse.wheel(0, 100_000)
            await asyncio.sleep(0.05)
        ids = await page.evaluate("[...document.querySelectorAll('#list tbody tr')].map((row) => row.dataset.id)")
        assert len(ids) == len(set(ids))
        assert {one.response_id for one in site.past} <= set(ids)
        took = await page.evaluate(
            "new Promise((done) => { const began = performance.now();"
            " document.querySelector('#list tbody tr:nth-child(5000)').scrollIntoView();"
            " requestAnimationFrame(() => setTimeout(() => done(performance.now() - began))); })"
        )
        print(f"to the middle of {len(ids)} rows: {took:.0f} ms")
        assert took < 1000
        assert visit.complaints == []


async def test_it_outlives_the_gateway(site: Site, browser: Browser) -> None:
    async with chromium.visit(browser, site.url) as visit:
        page = visit.page
        await visit.enter(KEY)
        await expect(page.locator("#live")).to_have_text("live")
        site.gateway.kill()
        await expect(page.locator("#live")).to_have_text("reconnecting")
        site.gateway.start()
        await ready(site.url, timeout=150)
        await expect(page.locator("#live")).to_have_text("live")
        await page.keyboard.press("2")
        await expect(page.locator("#list tbody tr")).to_have_count(100)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_it_can_be_used_by_everybody(site: Site, browser: Browser, scheme: Any, width: int) -> None:
    """No rule of axe is broken, in no view; nothing is wider than its screen."""
    size: Any = {"width": width, "height": 844}
    async with chromium.visit(browser, site.url, color_scheme=scheme, viewport=size) as visit:
        page = visit.page
        await page.goto(f"{site.url}/ops")
        await page.get_by_label("Master key").wait_for()
        found = [("login", await Axe().run(page))]
        await visit.enter(KEY)
        for view in (*VIEWS, f"responses/{site.past[9].response_id}"):
            await page.goto(f"{site.url}/ops#/{view}")
            await asyncio.sleep(2)
            found.append((view, await Axe().run(page)))
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, view
        problems = [
            (view, problem["id"], [node["html"][:200] for node in problem["nodes"]][:3])
            for view, result in found
            for problem in result.response["violations"]
        ]
        assert problems == []


async def test_every_control_is_reached_by_the_keyboard(site: Site, browser: Browser) -> None:
    async with chromium.visit(browser, site.url) as visit:
        page = visit.page
        await visit.enter(KEY)
        await page.locator(".panel").first.wait_for()
        wanted = await page.locator("a:visible, button:visible, select:visible, input:visible").count()
        reached: set[str] = set()
        for _ in range(wanted + 20):
            await page.keyboard.press("Tab")
            reached.add(
                await page.evaluate(
                    "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
                    " return e.outerHTML.slice(0, 160) + (s.outlineStyle === 'none' ? ' NO FOCUS' : ''); })()"
                )
            )
        assert not [one for one in reached if one.endswith("NO FOCUS") and not one.startswith("<body")]
        text = " ".join(reached)
        for part in ("Skip to content", "#/responses", 'id="theme"', 'id="help"', "aria-pressed", "deployment="):
            assert part in text, part
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
