"""The public pages in Chromium: with scripts and without, by keyboard, on a phone, in the dark, and what axe says."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, expect

from newsletter.audience.signup import ask
from newsletter.audience.subscriber import Subscriber
from newsletter.audience.suppression import suppress, suppressed
from tests.chromium import CHROMIUM
from tests.web.conftest import PATIENCE_MS
from tests.web.public.site import Site, public_site
from tests.web.public.test_archive import send

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.asyncio(loop_scope="session"),
]

ADA = "ada@example.org"
PHONE = {"width": 360, "height": 740}


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with public_site(tmp_path, path="/letters", subscribers='topics = ["essays", "notes"]') as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session", params=["with scripts", "without scripts"])
async def context(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(java_script_enabled=request.param == "with scripts", viewport=PHONE)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    page = await context.new_page()
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security" in said.text else None)
    yield page
    assert refused == []


def pages(site: Site) -> dict[str, str]:
    """Every page, with the state that it needs."""
    engine = site.public.engine
    suppress(engine, "left@example.org", "unsubscribe", "page", 1)
    send(site, "hello", "Hello from the long view", 1)
    send(site, "long", "Donaudampfschifffahrtsgesellschaftskapitän", 2)
    return {
        "sign-up": "/",
        "confirm": f"/c/{site.token('confirm', 'zoe@example.org')}",
        "unsubscribe": f"/u/{site.token('unsubscribe', ADA)}",
        "unsubscribed": f"/u/{site.token('unsubscribe', 'left@example.org')}",
        "preferences": f"/p/{site.token('preferences', ADA)}",
        "left": f"/p/{site.token('preferences', 'left@example.org')}",
        "nobody": f"/p/{site.token('preferences', 'nobody@example.org')}",
        "archive": "/issues/",
        "issue": "/issues/hello/",
        "an issue with a long word": "/issues/long/",
        "view": f"/v/{site.token('view', ADA)}",
        "not found": "/nothing",
    }


async def test_somebody_signs_up_and_confirms(site: Site, page: Page) -> None:
    await page.goto(site.url + "/")
    site.now[0] += 5
    await page.get_by_label("Your address").fill("zoe@example.org")
    await page.get_by_label("Your name").fill("Zoë")
    await page.get_by_label("notes").check()
    await page.get_by_role("button", name="Subscribe").click()
    await expect(page.get_by_role("heading")).to_have_text("One more step")
    await page.goto(site.public.link("confirm", "zoe@example.org").replace(site.public.base, site.url))
    assert site.public.roster.find("zoe@example.org") is None
    await page.get_by_role("button", name="Yes, subscribe me").click()
    await expect(page.get_by_role("heading")).to_have_text("You are on the list")
    person = site.public.roster.find("zoe@example.org")
    assert person is not None
    assert (person.name, person.tags) == ("Zoë", ("notes",))
    await page.get_by_role("link", name="Your preferences").click()
    await expect(page.get_by_label("Your name")).to_have_value("Zoë")


async def test_a_reader_leaves_says_why_and_comes_back(site: Site, page: Page) -> None:
    await page.goto(f"{site.url}/u/{site.token('unsubscribe', ADA)}")
    assert suppressed(site.public.engine, ADA) is None
    await page.get_by_role("button", name="Unsubscribe").click()
    await expect(page.get_by_role("heading")).to_have_text("You are unsubscribed")
    assert suppressed(site.public.engine, ADA) is not None
    await page.get_by_label("Too many mails").check()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("status")).to_have_text("Thank you for telling us.")
    await page.get_by_role("button", name="Subscribe again").click()
    await expect(page.get_by_role("heading")).to_have_text("You are subscribed again")
    assert suppressed(site.public.engine, ADA) is None


async def test_preferences_are_kept(site: Site, page: Page) -> None:
    await page.goto(f"{site.url}/p/{site.token('preferences', ADA)}")
    await page.get_by_label("Your name").fill("Ada M.")
    await page.get_by_label("essays").uncheck()
    await page.get_by_label("Pause until").fill("2999-01-31")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    await expect(page.get_by_label("Pause until")).to_have_value("2999-01-31")
    await expect(page.get_by_label("essays")).not_to_be_checked()


async def test_no_page_is_wider_than_a_phone(site: Site, page: Page) -> None:
    for name, path in pages(site).items():
        await page.goto(site.url + path)
        heading = page.get_by_role("heading").first
        await expect(heading).to_be_visible()
        if (box := await heading.bounding_box()) is not None:
            assert box["x"] >= 0, name
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page(site: Site, browser: Browser, scheme: str) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport=PHONE, bypass_csp=True)  # type: ignore[arg-type]
    page = await context.new_page()
    for name, path in pages(site).items():
        await page.goto(site.url + path)
        found = await Axe().run(page)
        serious = [one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
        assert serious == [], name
    await context.close()


async def test_the_puzzle_is_solved_by_the_page_itself(site: Site, browser: Browser) -> None:
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    await page.goto(site.url + "/")
    await page.evaluate("document.querySelector('[name=stamp]').value = '1.forged'")
    await page.get_by_label("Your address").fill("zoe@example.org")
    await page.get_by_role("button", name="Subscribe").click()
    await expect(page.get_by_role("heading")).to_have_text("One more step")
    await context.close()


async def test_everything_can_be_reached_by_keyboard(site: Site, browser: Browser) -> None:
    ask(site.public.engine, Subscriber("zoe@example.org"), 1.0)
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{site.url}/u/{site.token('unsubscribe', ADA)}")
    for _ in range(5):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name") == "leave":
            break
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading")).to_have_text("You are unsubscribed")
    await context.close()


async def test_a_form_on_another_site_reaches_sign_up(site: Site, browser: Browser, tmp_path: Path) -> None:
    snippet = (Path(__file__).parents[3] / "docs" / "how-to" / "sign-up-form.md").read_text()
    form = re.search(r"```html\n(.*?)```", snippet, re.DOTALL)
    assert form is not None
    html = form[1].replace("https://news.example.org", site.url)
    context = await browser.new_context()
    page = await context.new_page()
    await page.route("http://blog.example/", lambda route: route.fulfill(body=html, content_type="text/html"))
    await page.goto("http://blog.example/")
    await page.get_by_label("Your address").fill("zoe@example.org")
    await page.get_by_role("button").click()
    await expect(page.get_by_role("heading")).to_have_text("One more step")
    await context.close()
