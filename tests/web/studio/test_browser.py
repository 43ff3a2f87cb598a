"""The preview studio in Chromium: each view and button, the keys, a save that shows by itself, and axe's opinion."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, FrameLocator, Page, Route, expect

from newsletter.config.settings import load_config
from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store
from newsletter.web.studio.export import export_pngs
from tests.web.conftest import CHROMIUM, PATIENCE_MS, enter

from .site import StudioSite, make_site, running

SHOWN = "html[data-shown]"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[StudioSite]:
    async with running(make_site(tmp_path / "letters")) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda said: failures.append(said.text) if "Content Security" in said.text else None)
    yield page
    await context.close()
    assert [line for line in failures if "Loading the image" not in line] == []


async def _open(page: Page, site: StudioSite, path: str = "posts/oaks") -> FrameLocator:
    await enter(page, site.entry)
    await page.goto(site.url + path)
    await page.wait_for_selector(SHOWN, state="attached")
    return page.frame_locator(".mail-frame:not(.incoming)")


async def _paint(page: Page, selector: str = "body") -> tuple[str, str]:
    """Ground and ink of an element of the mail, as the frame has painted them."""
    frame = page.frame_locator(".mail-frame:not(.incoming)")
    script = "e => { const s = getComputedStyle(e); return [s.backgroundColor, s.color]; }"
    ground, ink = await frame.locator(selector).first.evaluate(script)
    return ground, ink


def _light(colour: str) -> float:
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


async def test_the_mail_is_shown_with_its_pictures_and_findings_follow(site: StudioSite, page: Page) -> None:
    mail = await _open(page, site)
    await expect(mail.get_by_role("heading", name="Who planted the oaks?")).to_be_visible()
    loaded = "e => new Promise(r => e.complete ? r(e.naturalWidth) : e.onload = () => r(e.naturalWidth))"
    assert await mail.locator("img").first.evaluate(loaded) == 1
    await expect(page.locator("#mail-subject")).to_have_text("Who planted the oaks?")
    await expect(page.locator("#mail-to")).to_contain_text("margaret@example.org")
    await expect(page.locator("#status-size")).to_contain_text("of 102 KB")
    await expect(page.locator(".findings-counts")).to_be_visible()
    assert await page.locator(".mail-frame").evaluate("f => f.contentDocument.defaultView.frameElement === f")
    sandbox = await page.locator(".mail-frame").get_attribute("sandbox")
    assert sandbox is not None
    assert "allow-scripts" not in sandbox


async def test_widths_come_by_button_key_address_and_by_dragging(site: StudioSite, page: Page) -> None:
    await _open(page, site, "posts/oaks?width=500")
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
    await _open(page, site)
    light = await _paint(page)
    assert _light(light[0]) > 0.8
    assert _light((await _paint(page, "h1"))[1]) < 0.3
    for name in ("Dark", "Inverted", "Partial"):
        await page.get_by_role("button", name=name, exact=True).click()
        await expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
        await expect(page.locator(f'.mail-frame:not(.incoming)[src*="theme={name.lower()}"]')).to_be_visible()
        assert _light((await _paint(page))[0]) < 0.25
        assert _light((await _paint(page, "h1"))[1]) > 0.7


async def test_images_off_no_style_and_clipped(site: StudioSite, page: Page) -> None:
    mail = await _open(page, site)
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
    await _open(page, site)
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


async def test_a_finding_leads_to_its_line_in_the_post_or_in_the_template(site: StudioSite, page: Page) -> None:
    site.write("A [here](http://localhost/x) in the post.")
    templates = site.root / "email_templates"
    templates.mkdir()
    (templates / "letter.html").write_text(
        "<!DOCTYPE html><html lang='en'><head><title>x</title></head>\n<body>{{ post.content }}\n<a href='http://localhost/t'>t</a></body>\n"
    )
    await _open(page, site)
    await page.locator("#findings").get_by_role("link", name="posts/2026-06-01-oaks.md:9").first.click()
    await expect(page.locator(".code li.wanted")).to_contain_text("http://localhost/x")
    await expect(page).to_have_url(re.compile("part=post&line=9"))
    await page.get_by_role("button", name="Template", exact=True).click()
    await expect(page.locator(".window-what")).to_contain_text("email_templates/post.html")
    await expect(page.locator(".code li.wanted")).to_have_count(0)
    await _open(page, site, "posts/older")
    await page.locator("#findings").get_by_role("link", name="email_templates/letter.html:3").first.click()
    await expect(page.locator(".code li.wanted")).to_contain_text("http://localhost/t")


async def test_inbox_rows_fit_what_was_computed(site: StudioSite, page: Page) -> None:
    site.post.write_text(
        "---\ntitle: Nine things that nobody tells you about growing oaks from acorns in a small garden\n"
        "subtitle: Patience, a spade, a map, and somebody who will be there when you are not, for longer than that.\n"
        "date: 2026-06-01\n---\n\nHello\n"
    )
    await _open(page, site, "posts/oaks?view=inbox")
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
    await _open(page, site)
    marked = page.locator("[data-width][aria-pressed=true]")
    await expect(marked).to_have_count(1)
    if device:
        await expect(marked).to_have_attribute("title", re.compile(device))


async def test_a_save_shows_at_once_and_keeps_the_place(site: StudioSite, page: Page) -> None:
    mail = await _open(page, site)
    await expect(page.locator(".findings-counts")).to_be_visible()
    stage = page.locator("#stage")
    await stage.evaluate("e => { e.scrollTop = 900; }")
    for number in range(3):
        site.write(f"Saved {number}.")
        await expect(mail.get_by_text(f"Saved {number}.")).to_have_count(1)
    await expect(stage).to_have_js_property("scrollTop", 900)
    end = await stage.evaluate("e => { e.scrollTop = e.scrollHeight; return e.scrollTop; }")

    shown = asyncio.Event()

    async def late(route: Route) -> None:
        await shown.wait()
        await route.continue_()

    await page.route("**/site/**", late)  # the mail is lower until its picture has come
    site.write("Saved while the end was read.")
    await expect(mail.get_by_text("Saved while the end was read.")).to_have_count(1)
    shown.set()
    await expect(stage).to_have_js_property("scrollTop", end)


async def test_the_list_the_template_and_the_config_are_followed_too(site: StudioSite, page: Page) -> None:
    mail = await _open(page, site)
    (site.root / "subscribers.csv").write_text("email,name\nnew@example.org,New Reader\n")
    await expect(page.locator("#mail-to")).to_contain_text("new@example.org")
    (site.root / "email_templates").mkdir()
    template = site.root / "email_templates/post.html"
    template.write_text("<!DOCTYPE html><html lang='en'><head><title>x</title></head><body>Mine</body></html>")
    await expect(mail.get_by_text("Mine")).to_be_visible()
    template.write_text("<!DOCTYPE html><html lang='en'><head><title>x</title></head><body>Yours</body></html>")
    await expect(mail.get_by_text("Yours")).to_be_visible()
    config = site.root / "newsletter.toml"
    config.write_text(config.read_text().replace("Ada Moreau <ada", "Ben Moreau <ben"))
    await expect(page.locator("#mail-sender")).to_contain_text("Ben Moreau")
    (site.root / "posts/2026-07-01-newer.md").write_text("---\ntitle: Newer still\ndate: 2026-07-01\n---\n\nHi\n")
    await expect(page.locator("#post-list")).to_contain_text("Newer still")


async def test_an_error_is_shown_with_its_lines_and_goes_away_when_it_is_mended(site: StudioSite, page: Page) -> None:
    mail = await _open(page, site)
    site.post.write_text("---\ntitle: [unclosed\ndate: 2026-06-01\n---\n\nHello\n")
    await expect(page.locator("#failure")).to_be_visible()
    await expect(page.locator("#failure-where")).to_contain_text("posts/2026-06-01-oaks.md:")
    await expect(page.locator("#failure-excerpt .wanted")).to_have_count(1)
    await expect(mail.get_by_role("heading", name="Who planted the oaks?")).to_have_count(1)
    site.write("Mended.")
    await expect(page.locator("#failure")).to_be_hidden()
    await expect(mail.get_by_text("Mended.")).to_be_visible()


async def test_posts_are_searched_filtered_and_stepped_through(site: StudioSite, page: Page) -> None:
    await _open(page, site)
    await page.keyboard.press("/")
    await page.keyboard.type("older")
    await expect(page.locator(".post:visible")).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(page.locator("#mail-subject")).to_have_text("An older letter")
    await expect(page).to_have_url(re.compile("/posts/older$"))
    await page.locator("#post-search").fill("nothing like this")
    await expect(page.get_by_text("No post matches.")).to_be_visible()
    await page.locator("#post-search").fill("")
    await page.get_by_role("button", name="Drafts").click()
    await expect(page.locator(".post:visible")).to_have_count(1)
    await expect(page.locator(".post:visible")).to_contain_text("draft")
    await page.get_by_role("button", name="Sent", exact=True).click()
    await expect(page.get_by_text("Nothing has been sent yet.")).to_be_visible()
    await page.get_by_role("button", name="All", exact=True).click()
    await page.keyboard.press("k")
    await expect(page.locator("#mail-subject")).to_have_text("Who planted the oaks?")
    await page.keyboard.press("j")
    await expect(page.locator("#mail-subject")).to_have_text("An older letter")
    await page.go_back()
    await expect(page.locator("#mail-subject")).to_have_text("Who planted the oaks?")


async def test_view_as_a_subscriber_by_search_or_a_persona(site: StudioSite, page: Page) -> None:
    await _open(page, site)
    await page.keyboard.press("v")
    await page.keyboard.type("zoë")
    await expect(page.locator("#person-list [data-person]")).to_have_count(1)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("#mail-to")).to_contain_text("zoe@example.net")
    await expect(page).to_have_url(re.compile("as=zoe%40example.net"))
    for label, words in (("No name", "reader@example.net"), ("Right to left", "ليلى"), ("Emoji", "🌻")):
        await page.locator("#person-button").click()
        await page.get_by_role("button", name=re.compile(label)).click()
        await expect(page.locator("#mail-to")).to_contain_text(words)
    await page.reload()
    await expect(page.locator("#person-name")).to_have_text("Emoji")
    await page.locator("#person-button").click()
    await page.keyboard.press("Escape")
    await expect(page.locator("#person-popover")).to_be_hidden()
    await expect(page.locator("#person-button")).to_be_focused()


async def test_send_me_this_asks_sends_and_remembers(tmp_path: Path, page: Page) -> None:
    with Store(tmp_path / "inbox") as store:
        async with InboxServer(store) as server, running(make_site(tmp_path / "letters", server.url)) as site:
            await _open(page, site, "posts/oaks?as=zoe@example.net")
            await page.get_by_role("button", name="Send me this").click()
            await expect(page.locator("#send-summary")).to_contain_text("Zoë Brontë")
            await expect(page.locator("#send-relay")).to_have_text(server.url.removeprefix("smtp://"))
            await expect(page.locator("#send-warning")).to_contain_text("on this machine")
            await page.get_by_label("Address").fill("me@example.org")
            await page.get_by_role("button", name="Send", exact=True).click()
            await expect(page.locator(".toast.good")).to_contain_text("Sent to me@example.org")
            store.flush()  # what has arrived is indexed when it is quiet
            assert b"me@example.org" in (store.raw(1) or b"")
            await page.keyboard.press("x")
            await expect(page.get_by_label("Address")).to_have_value("me@example.org")


async def test_a_send_that_fails_says_why_in_the_dialog(site: StudioSite, page: Page) -> None:
    await _open(page, site)
    await page.keyboard.press("x")
    await page.get_by_label("Address").fill("me@example.org")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#send-error")).to_contain_text("localhost:1")
    await expect(page.locator("#send-dialog")).to_be_visible()


async def test_download_and_the_list_of_keys(site: StudioSite, page: Page) -> None:
    await _open(page, site)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download as .eml").click()
    assert (await download.value).suggested_filename == "oaks.eml"
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("Inbox rows")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("T")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")


async def test_the_mails_own_script_never_runs(site: StudioSite, page: Page) -> None:
    site.write(
        "<script>parent.document.title = 'owned'</script><img src=x onerror=\"parent.document.title='owned'\">\n"
    )
    mail = await _open(page, site)
    await expect(mail.get_by_role("heading", name="Who planted the oaks?")).to_be_visible()
    await expect(page).to_have_title("Who planted the oaks? – preview")


async def test_on_a_narrow_page_posts_and_findings_are_drawers(site: StudioSite, page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await _open(page, site)
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_on_any_view(site: StudioSite, browser: Browser, scheme: str) -> None:
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,  # for axe's own measuring
        reduced_motion="reduce",  # contrast is measured when things have come to rest
    )
    page = await context.new_page()
    rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else None  # nothing else depends on it
    serious = []
    for path in (
        "posts/oaks",
        *(f"posts/oaks?view={view}" for view in ("inbox", "text", "source", "headers", "clients")),
    ):
        await _open(page, site, path)
        await expect(page.locator(".findings-counts")).to_be_visible()
        if path.endswith("oaks"):
            await page.locator("#person-button").click()
            await expect(page.locator("#person-list [data-person]")).to_have_count(3)
        serious += await _serious(page, path, rules)
    site.post.write_text("---\ntitle: [unclosed\n---\n")
    await expect(page.locator("#failure")).to_be_visible()
    serious += await _serious(page, "failure", rules)
    await page.keyboard.press("?")
    serious += await _serious(page, "dialog", rules)
    await context.close()
    assert serious == []


async def _serious(page: Page, where: str, rules: dict[str, list[str]] | None = None) -> list[str]:
    found = await Axe().run(page, options=rules)
    return [
        f"{where}: {violation['id']}: {violation['nodes'][0]['html'][:200]} {violation['nodes'][0]['any'][:1]}"
        for violation in found.response["violations"]
        if violation["impact"] in {"serious", "critical"}
    ]


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
