"""One Chromium for all browser tests, and patience: what is waited for comes on a slow and busy machine too."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.chromium import CHROMIUM

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 120_000
"""After which what is waited for will not come. It ends no test that passes, so it may be long."""

expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE_MS)
        yield browser
        await browser.close()


async def enter(page: Page, address: str) -> None:
    """Open the address that the command prints, as its owner does: the browser keeps a cookie from then on."""
    await page.goto(address)
    await page.wait_for_url(lambda url: "token=" not in url)
