"""The ops page in a browser: whether it opens, follows what happens, and lets a response be found and read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.rig import chromium
from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, embedded, models, ready
from tests.rig.upstream import provider
from tests.system.managing import respond

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(chromium.installed() is None, reason="there is no Chromium, and it may not be installed"),
]

expect.set_options(timeout=20_000)  # the machine may be busy


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium.browser() as opened:
        yield opened


@pytest.fixture(scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    folder: Path = tmp_path_factory.mktemp("page")
    async with provider() as upstream:
        service = embedded(models(upstream.url, "words-3", "status-500-999"), folder, port, WARREN_OPS_CONTENT="*")
        try:
            await ready(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            service.kill()


async def test_it_opens_to_a_key_follows_what_happens_and_shows_a_response(url: str, browser: Browser) -> None:
    await respond(url, KEY, model="status-500-999")
    await respond(url, KEY, input="what is a warren", user="ada")
    async with chromium.visit(browser, url, color_scheme="dark") as visit:
        page = visit.page
        await page.goto(f"{url}/ops")
        await page.get_by_label("Master key").fill("sk-wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("Incorrect API key provided.")
        assert [one for one in visit.complaints if "401" not in one] == []  # which Chromium tells of every refusal
        visit.complaints.clear()
        await visit.enter(KEY)
        await expect(page.locator("#live")).to_have_text("live")
        await expect(page.get_by_role("link", name="words-3").first).to_be_visible()
        await page.keyboard.press("2")
        rows = page.locator("#list tbody tr")
        await expect(rows).to_have_count(2)
        made = (await respond(url, KEY, input="more")).json()["id"]
        await expect(page.locator(f"[data-id={made}]")).to_be_visible()
        await page.keyboard.press("/")
        await page.keyboard.type("ada")
        await page.keyboard.press("Enter")
        await expect(rows).to_have_count(1)
        await page.keyboard.press("Escape")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.locator(".waterfall li")).to_have_count(2)
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".transcript .user .text")).to_have_text("what is a warren")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 12, 14)"
        await page.keyboard.press("t")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 251, 252)"
        await page.keyboard.press("Escape")
        await expect(rows).to_have_count(1)
        assert visit.complaints == []
        assert visit.strangers == []
