"""The preview studio in Chromium: each view and button, the keys, a save that shows by itself, and axe's opinion."""

import asyncio
import re
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Route, expect

from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store
from tests.chromium import CHROMIUM

from .browsing import open_post
from .site import StudioSite, make_site, running

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_the_mail_is_shown_with_its_pictures_and_findings_follow(site: StudioSite, page: Page) -> None:
    mail = await open_post(page, site)
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


async def test_a_finding_leads_to_its_line_in_the_post_or_in_the_template(site: StudioSite, page: Page) -> None:
    site.write("A [here](http://localhost/x) in the post.")
    templates = site.root / "email_templates"
    templates.mkdir()
    (templates / "letter.html").write_text(
        "<!DOCTYPE html><html lang='en'><head><title>x</title></head>\n<body>{{ post.content }}\n<a href='http://localhost/t'>t</a></body>\n"
    )
    await open_post(page, site)
    await page.locator("#findings").get_by_role("link", name="posts/2026-06-01-oaks.md:9").first.click()
    await expect(page.locator(".code li.wanted")).to_contain_text("http://localhost/x")
    await expect(page).to_have_url(re.compile("part=post&line=9"))
    await page.get_by_role("button", name="Template", exact=True).click()
    await expect(page.locator(".window-what")).to_contain_text("email_templates/post.html")
    await expect(page.locator(".code li.wanted")).to_have_count(0)
    await open_post(page, site, "posts/older")
    await page.locator("#findings").get_by_role("link", name="email_templates/letter.html:3").first.click()
    await expect(page.locator(".code li.wanted")).to_contain_text("http://localhost/t")


async def test_a_save_shows_at_once_and_keeps_the_place(site: StudioSite, page: Page) -> None:
    mail = await open_post(page, site)
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
    mail = await open_post(page, site)
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
    mail = await open_post(page, site)
    site.post.write_text("---\ntitle: [unclosed\ndate: 2026-06-01\n---\n\nHello\n")
    await expect(page.locator("#failure")).to_be_visible()
    await expect(page.locator("#failure-where")).to_contain_text("posts/2026-06-01-oaks.md:")
    await expect(page.locator("#failure-excerpt .wanted")).to_have_count(1)
    await expect(mail.get_by_role("heading", name="Who planted the oaks?")).to_have_count(1)
    site.write("Mended.")
    await expect(page.locator("#failure")).to_be_hidden()
    await expect(mail.get_by_text("Mended.")).to_be_visible()


async def test_posts_are_searched_filtered_and_stepped_through(site: StudioSite, page: Page) -> None:
    await open_post(page, site)
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
    await open_post(page, site)
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
            await open_post(page, site, "posts/oaks?as=zoe@example.net")
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
    await open_post(page, site)
    await page.keyboard.press("x")
    await page.get_by_label("Address").fill("me@example.org")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#send-error")).to_contain_text("localhost:1")
    await expect(page.locator("#send-dialog")).to_be_visible()


async def test_download_and_the_list_of_keys(site: StudioSite, page: Page) -> None:
    await open_post(page, site)
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
    mail = await open_post(page, site)
    await expect(mail.get_by_role("heading", name="Who planted the oaks?")).to_be_visible()
    await expect(page).to_have_title("Who planted the oaks? – preview")


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
        await open_post(page, site, path)
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
