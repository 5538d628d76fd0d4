"""Take the pictures: start everything, let people ask for a while, look at it."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Page

from tests.rig import chromium
from tests.rig.rabbitmq import free_ports
from tests.rig.services import KEY, embedded, ready
from tests.screens.town import Town, config, providers

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LARGEST = 300_000
LIVED = 200.0
"""Seconds that people ask before anybody looks."""
PER_SECOND = 2.0
SIZE = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}


async def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        async with providers() as vendors:
            service = embedded(config(vendors.url), Path(folder), port, WARREN_OPS_CONTENT="*")
            try:
                await ready(url, timeout=180)
                town = Town(url, KEY)
                await town.move_in()
                living = asyncio.create_task(town.live(LIVED + 120, PER_SECOND))
                await asyncio.wait([living], timeout=LIVED)
                if living.done():
                    living.result()
                    raise RuntimeError("nobody asks any more")
                await pictures(url)
                living.cancel()
                await asyncio.wait([living])
                await town.leave()
            finally:
                service.kill()


async def pictures(url: str) -> None:
    response = await worth_showing(url)
    shots: list[tuple[str, str, Any, Any]] = [
        ("ops-light", "overview", "light", SIZE),
        ("ops-dark", "overview", "dark", SIZE),
        ("ops-responses", "responses", "light", SIZE),
        ("ops-response", f"responses/{response}", "light", SIZE),
        ("ops-phone", "overview", "dark", PHONE),
    ]
    async with chromium.browser() as browser:
        for name, place, scheme, size in shots:
            options = {"viewport": size, "color_scheme": scheme, "reduced_motion": "reduce"}
            async with chromium.visit(browser, url, **options) as visit:
                await visit.enter(KEY, place)
                if place == "overview":
                    await visit.page.get_by_role("button", name="5 min", exact=True).click()
                await asyncio.sleep(3)
                if "/" in place:
                    await told(visit.page)
                await visit.page.mouse.move(0, 0)
                await visit.page.evaluate("document.activeElement.blur()")
                await taken(visit.page, name)


async def worth_showing(url: str) -> str:
    """A response that took several calls and came to a good end."""
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as http:
        listed = (await http.get("/ops/responses", params={"status": "completed", "limit": 200})).json()["data"]
    return str(max(listed, key=lambda one: (one["calls"], one["input_tokens"]))["response_id"])


async def told(page: Page) -> None:
    """What was said, too."""
    await page.get_by_role("button", name="Show").click()
    await page.locator(".transcript").wait_for()
    await page.evaluate("scrollTo(0, 0)")


async def taken(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    await page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path.name}: {size // 1000} kB")
    if size > LARGEST:
        raise RuntimeError(f"{path.name} has {size} bytes")


asyncio.run(main())
