"""How the studio shows a mail: widths, schemes, without pictures or style, as text, source and inbox row."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from newsletter.config.settings import load_config
from newsletter.web.studio.export import export_pngs
from tests.chromium import CHROMIUM

from .browsing import open_post, paint
from .site import StudioSite, make_site

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.asyncio(loop_scope="session"),
]


def _light(colour: str) -> float:
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


async def test_widths_come_by_button_key_address_and_by_dragging(site: StudioSite, page: Page) -> None:
    await open_post(page, site, "posts/oaks?width=500")
    frame, handle = page.locator(".mail-frame:not(.incoming)"), page.locator("#handle")
    await expect(frame).to_have_js_property("clientWidth", 500)
    assert await frame.evaluate("f => f.contentDocument.documentElement.clientWidth") == 500
    for name, pixels in (("Phone", 375), ("Tablet", 768), ("Desktop", 1024)):
        await page.get_by_role("button", name=name).click()
        await expect(frame).to_have_js_property("clientWidth", pixels)
        await expect(page).to_have_url(re.compile(f"width={pixels}"))
    await expect(page.locator("#status-width")).to_contain_text("1024 px at")
    await page.keyboard.press("1")
    await expect(frame).to_have_js_property("clientWidth", 375)
    box = await handle.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 8, box["y"] + 200)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 58, box["y"] + 200, steps=3)
    await page.mouse.up()
    await expect(frame).to_have_js_property("clientWidth", 475)
    await expect(page).to_have_url(re.compile("width=475"))
    await page.keyboard.press("ArrowRight")
    await expect(handle).to_have_attribute("aria-valuenow", "485")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_light_dark_and_inverted_do_not_depend_on_the_readers_system(
    site: StudioSite, page: Page, scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await open_post(page, site)
    light = await paint(page)
    assert _light(light[0]) > 0.8
    assert _light((await paint(page, "h1"))[1]) < 0.3
    for name in ("Dark", "Inverted", "Partial"):
        await page.get_by_role("button", name=name, exact=True).click()
        await expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
        await expect(page.locator(f'.mail-frame:not(.incoming)[src*="theme={name.lower()}"]')).to_be_visible()
        assert _light((await paint(page))[0]) < 0.25
        assert _light((await paint(page, "h1"))[1]) > 0.7


async def test_images_off_no_style_and_clipped(site: StudioSite, page: Page) -> None:
    mail = await open_post(page, site)
    await page.get_by_role("button", name="No images").click()
    await expect(page.locator('.mail-frame:not(.incoming)[src*="images=off"]')).to_be_visible()
    await expect(mail.locator("img")).to_have_count(0)  # whose broken corner no mail program draws
    await expect(mail.locator("x-img", has_text="A dot")).to_have_count(1)
    await page.keyboard.press("i")
    await page.keyboard.press("n")
    await expect(page.locator('.mail-frame:not(.incoming)[src*="styles=off"]')).to_be_visible()
    await expect(mail.locator("style")).to_have_count(0)
    await page.keyboard.press("n")
    site.write("Long. " * 20_000)
    await expect(page.locator("#meter")).to_have_attribute("data-level", "error")
    await page.get_by_role("button", name="Clipped").click()
    await expect(mail.get_by_text("[Message clipped]")).to_be_visible()
    await expect(mail.get_by_text("Goodbye.")).to_have_count(0)
    await expect(page).to_have_url(re.compile("clip=on"))


async def test_text_source_headers_inbox_and_clients(site: StudioSite, page: Page) -> None:
    await open_post(page, site)
    views = page.get_by_role("navigation", name="Views")
    await views.get_by_role("link", name="Text").click()
    await expect(page.locator(".terminal")).to_contain_text("Somebody _did_.")
    await page.keyboard.press("s")
    await expect(page.locator(".code li").first).to_contain_text("<!DOCTYPE html>")
    await page.get_by_role("button", name="Message as sent").click()
    await expect(page.locator(".code")).to_contain_text("multipart/alternative")
    await page.keyboard.press("h")
    await expect(page.locator(".headers")).to_contain_text("List-Unsubscribe")
    await expect(page.locator(".headers")).to_contain_text("RCPT TO")
    await page.keyboard.press("b")
    for name in ("Gmail, desktop", "Gmail, phone", "Apple Mail, desktop", "Apple Mail, phone", "Outlook, desktop"):
        await expect(page.get_by_role("figure", name=name)).to_contain_text("Who planted the oaks?")
    await page.get_by_role("button", name="Dark", exact=True).click()
    await expect(page.locator(".inboxes.dark")).to_be_visible()
    await page.keyboard.press("l")
    await expect(page.locator(".clients")).to_contain_text("Apple Mail")
    await page.locator(".folded summary").click()
    await page.locator(".clients [data-line]").first.click()
    await expect(page.locator(".code li.wanted")).to_be_visible()
    await page.reload()
    await expect(page.locator(".code li.wanted")).to_be_in_viewport()
    await page.go_back()
    await expect(page.get_by_text("What clients support")).to_be_visible()


async def test_inbox_rows_fit_what_was_computed(site: StudioSite, page: Page) -> None:
    site.post.write_text(
        "---\ntitle: Nine things that nobody tells you about growing oaks from acorns in a small garden\n"
        "subtitle: Patience, a spade, a map, and somebody who will be there when you are not, for longer than that.\n"
        "date: 2026-06-01\n---\n\nHello\n"
    )
    await open_post(page, site, "posts/oaks?view=inbox")
    await expect(page.locator(".gmail-phone .subject")).to_contain_text("Nine things")
    over = await page.locator(".inbox .sender, .inbox .subject").evaluate_all(
        "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.closest('figure').className)"
    )
    assert over == []
    await expect(page.locator(".gmail-phone .badge")).to_have_text("subject cut")
    for width in (1440, 1280, 1024, 800, 375):
        await page.set_viewport_size({"width": width, "height": 900})
        stage = page.locator("#stage")
        await expect(stage).to_have_js_property("scrollWidth", await stage.evaluate("e => e.clientWidth"))
        beyond = await page.locator(".inbox-screen").evaluate_all(
            "all => all.filter(e => e.getBoundingClientRect().right > e.parentElement.getBoundingClientRect().right + 1"
            " || e.scrollWidth > e.clientWidth + 1).map(e => e.parentElement.className)"
        )
        assert beyond == [], width


@pytest.mark.parametrize(("width", "device"), [(1440, "Desktop"), (1280, "Tablet"), (1024, "Tablet"), (375, "")])
async def test_the_device_that_is_shown_is_marked(site: StudioSite, page: Page, width: int, device: str) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await open_post(page, site)
    marked = page.locator("[data-width][aria-pressed=true]")
    await expect(marked).to_have_count(1)
    if device:
        await expect(marked).to_have_attribute("title", re.compile(device))


async def test_on_a_narrow_page_posts_and_findings_are_drawers(site: StudioSite, page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await open_post(page, site)
    await expect(page.locator("#posts")).to_be_hidden()
    await page.get_by_role("button", name="Posts").click()
    await page.get_by_role("link", name=re.compile("An older letter")).click()
    await expect(page.locator("#mail-subject")).to_have_text("An older letter")
    await expect(page.locator("#posts")).to_be_hidden()
    await page.locator("#open-findings").click()
    await expect(page.locator(".findings-counts")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#findings")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_pictures_are_written_for_each_width_and_scheme(tmp_path: Path) -> None:
    site = make_site(tmp_path / "letters")
    config = load_config(site.root / "newsletter.toml")
    written = await asyncio.to_thread(export_pngs, config, site.post, tmp_path / "out/deep")
    assert sorted(path.name for path in written) == sorted(
        [f"oaks-{width}-{scheme}.png" for width in (375, 800) for scheme in ("light", "dark")]
        + ["oaks-inbox-light.png", "oaks-inbox-dark.png"]
    )
    for path in written:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG")
        width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
        if "inbox" not in path.name:
            assert width == int(path.name.split("-")[1])
            assert height > 2000  # the whole mail, not a screenful
