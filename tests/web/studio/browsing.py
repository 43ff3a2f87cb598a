"""Looking at the studio with a browser."""

from playwright.async_api import FrameLocator, Page

from tests.web.conftest import enter

from .site import StudioSite

SHOWN = "html[data-shown]"


async def open_post(page: Page, site: StudioSite, path: str = "posts/oaks") -> FrameLocator:
    """Open a post in the studio; its mail."""
    await enter(page, site.entry)
    await page.goto(site.url + path)
    await page.wait_for_selector(SHOWN, state="attached")
    return page.frame_locator(".mail-frame:not(.incoming)")


async def paint(page: Page, selector: str = "body") -> tuple[str, str]:
    """Ground and ink of an element of the mail, as the frame has painted them."""
    frame = page.frame_locator(".mail-frame:not(.incoming)")
    script = "e => { const s = getComputedStyle(e); return [s.backgroundColor, s.color]; }"
    ground, ink = await frame.locator(selector).first.evaluate(script)
    return ground, ink
