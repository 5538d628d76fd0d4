"""The browser of Debian, for tests of pages."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip

_INSTALL = ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-inter"]


def installed() -> str | None:
    """Where Chromium is."""
    return shutil.which("chromium")


def install() -> None:
    """Install the Debian package, where that may be done; a package index that is too old is fetched anew."""
    if installed() or os.geteuid() or shutil.which("apt-get") is None:
        return
    for command in (_INSTALL, ["apt-get", "update"], _INSTALL):
        if installed() is None:
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(command, env=environment, check=False, capture_output=True)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A browser that talks to nobody by itself.

    Raises:
        RuntimeError: there is none.
    """
    if (path := installed()) is None:
        raise RuntimeError("Install Chromium (Debian: apt-get install chromium).")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield opened
        finally:
            await opened.close()


class Visit:
    """A page that is looked at: what it complains of, and whom it asks."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    @property
    def strangers(self) -> list[str]:
        """Addresses that are none of the gateway's."""
        return [url for url in self.asked if not url.startswith(self.url)]

    async def enter(self, key: str, place: str = "overview") -> None:
        """Open the page, and say who we are."""
        await self.page.goto(f"{self.url}/ops#/{place}")
        await self.page.get_by_label("Master key").fill(key)
        await self.page.keyboard.press("Enter")
        await self.page.locator("nav a[aria-current]").wait_for()


@asynccontextmanager
async def visit(opened: Browser, url: str, **options: Any) -> AsyncIterator[Visit]:
    context = await opened.new_context(**options)
    try:
        yield Visit(await context.new_page(), url)
    finally:
        await context.close()
