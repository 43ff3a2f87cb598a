"""The test inbox in Chromium: every view and button, the keys, what a hostile message may not do, and axe's opinion."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.chromium import CHROMIUM
from tests.web.conftest import PATIENCE_MS, enter

from .site import Site, plain, rich, running

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path / "inbox") as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, site: Site) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1360, "height": 860})
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda said: failures.append(said.text) if "Content Security" in said.text else None)
    await enter(page, site.entry)
    yield page
    await context.close()
    # The message's own script and far picture are refused in its frame, as they must be; our pages break no rule.
    assert [line for line in failures if "Loading the image" not in line and "sandboxed" not in line] == []


async def test_an_empty_inbox_tells_how_to_send_and_new_mail_appears_by_itself(site: Site, page: Page) -> None:
    await page.goto(site.url)
    await expect(page.get_by_role("heading", name="Send a first mail")).to_be_visible()
    await expect(page.locator(".first-mail")).to_contain_text(site.server.url)
    await site.mail(plain("Hello"), plain("Again"))
    await expect(page.locator("#rows .row")).to_have_count(2)
    await expect(page.locator("#rows .row.unread")).to_have_count(2)
    await expect(page).to_have_title("(2) Test inbox")
    await expect(page.locator(".first-mail")).to_have_count(0)


async def test_a_message_opens_in_each_view_and_the_address_says_which(site: Site, page: Page) -> None:
    await site.mail(rich())
    await page.goto(site.url)
    await page.get_by_role("link", name="Who planted the oaks?").click()
    await expect(page.locator("#subject")).to_have_text("Who planted the oaks?")
    await expect(page.frame_locator("#frame").get_by_role("heading")).to_have_text("Who planted the oaks?")
    await expect(page.locator(".row.unread")).to_have_count(0)
    for view, words in (
        ("Text", "Jays did."), ("Headers", "Ben <ben@example.org>"), ("Parts", "image/png"),
        ("Source", "MIME-Version: 1.0"), ("Findings", "active-content"),
    ):  # fmt: skip
        await page.get_by_role("navigation", name="Views").get_by_role("link", name=view).click()
        await expect(page.locator(".scroll")).to_contain_text(words)
        await expect(page).to_have_url(re.compile(f"view={view.lower()}"))
    await expect(page.locator("#finding-count")).to_be_visible()
    await page.reload()
    await expect(page.locator(".findings")).to_contain_text("active-content")
    await page.locator(".finding").filter(has_text="<script>").get_by_role("link", name="HTML line").click()
    await expect(page.locator(".source .wanted")).to_contain_text("<script>")
    await page.go_back()
    await expect(page.locator(".findings")).to_be_visible()
    async with page.expect_download() as download:
        await page.locator(".attachments").get_by_role("link", name="Größe.pdf").click()
    assert (await download.value).suggested_filename == "Größe.pdf"
    async with page.expect_download() as download:
        await page.locator("#download").click()
    assert (await (await download.value).path()).read_bytes() == site.store.raw(1)


async def test_the_frame_has_widths_and_the_dark(site: Site, page: Page) -> None:
    await site.mail(rich())
    await page.goto(f"{site.url}message/1")
    frame, sheet = page.frame_locator("#frame"), page.locator("#sheet")

    for name, pixels in (("Phone", 375), ("Tablet", 768)):
        await page.get_by_role("button", name=name).click()
        await expect(sheet).to_have_js_property("offsetWidth", pixels)
        await expect(page.locator("#width")).to_have_value(str(pixels))
    await page.locator("#width").fill("500")
    await page.keyboard.press("Enter")
    await expect(sheet).to_have_js_property("offsetWidth", 500)
    box = await sheet.bounding_box()
    assert box
    await page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] + 60, box["y"] + box["height"] - 4, steps=4)
    await page.mouse.up()
    await expect(page.locator("#width")).not_to_have_value("500")
    await page.get_by_role("button", name="Desktop").click()
    await expect(sheet).not_to_have_class(re.compile("sized"))
    await expect(frame.locator("body")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    for theme, text in (
        ("dark", "rgb(238, 238, 238)"),
        ("inverted", None),
        ("partial", None),
        ("light", "rgb(17, 17, 17)"),
    ):
        await page.get_by_label("Light or dark").select_option(theme)
        await expect(page.locator("#frame")).to_have_attribute(
            "src", "/message/1/frame" + ("" if theme == "light" else f"?theme={theme}")
        )
        if text:
            await expect(frame.locator("p")).to_have_css("color", text)
    await page.get_by_label("Light or dark").select_option("dark")
    await page.reload()
    await expect(page.get_by_label("Light or dark")).to_have_value("dark")


async def test_a_message_reaches_nothing_until_its_images_are_asked_for(site: Site, page: Page) -> None:
    asked: list[str] = []

    async def far(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(far, "127.0.0.1", 0) as elsewhere:
        remote = f"http://127.0.0.1:{elsewhere.sockets[0].getsockname()[1]}"
        await site.mail(rich(remote=remote))
        await page.goto(f"{site.url}message/1")
        frame = page.frame_locator("#frame")
        await expect(frame.locator("#own")).to_have_js_property("naturalWidth", 1)
        assert asked == []
        assert await frame.locator("body").evaluate("() => document.title") == "Oaks"  # its script has not run
        await expect(page).to_have_title("Who planted the oaks? · Test inbox")
        assert await frame.locator("body").evaluate("() => self.origin") == "null"
        async with page.expect_request(lambda request: request.url.startswith(remote)):
            await page.get_by_role("button", name="Show them").click()
        await expect(page.locator("#remote")).to_have_count(0)


async def test_a_link_in_a_message_opens_in_a_tab_of_its_own(site: Site, page: Page) -> None:
    await site.mail(rich())
    await page.context.route("https://example.org/**", lambda route: route.fulfill(body="there"))
    await page.goto(f"{site.url}message/1")
    async with page.context.expect_page() as opened:
        await page.frame_locator("#frame").get_by_role("link", name="Read on").click()
    await (await opened.value).wait_for_url("https://example.org/oaks")


async def test_searches_boxes_and_pages(site: Site, page: Page) -> None:
    await site.mail(*(plain(f"Number {number}") for number in range(55)), rich("Tagged one"))
    site.store.flush()
    site.store.tags.give(56, ["spring"])
    await page.goto(site.url)
    await expect(page.locator("#rows .row")).to_have_count(50)
    await page.get_by_role("link", name="Older", exact=True).click()
    await expect(page.locator("#rows .row")).to_have_count(6)
    await expect(page).to_have_url(re.compile("page=2"))
    await page.get_by_role("link", name="Newer", exact=True).click()
    await expect(page.locator("#rows .row")).to_have_count(50)
    await page.keyboard.press("/")
    await page.keyboard.type('subject:"number 7"')
    await page.keyboard.press("Enter")
    await expect(page.locator("#rows .row")).to_have_count(1)
    await expect(page.locator(".list-title")).to_contain_text("Found")
    await page.keyboard.press("Escape")
    await expect(page.locator("#rows .row")).to_have_count(50)
    await page.locator("#search").fill("larger:huge")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("larger:100k")
    await page.locator("#search").fill("nowhere")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    rail = page.get_by_role("navigation", name="Mailboxes and tags")
    await rail.get_by_role("link", name="With attachments").click()
    await expect(page.locator("#rows .row")).to_have_count(1)
    await rail.get_by_role("link", name="spring").click()
    await expect(page.locator(".row .badge")).to_have_text("spring")
    await rail.get_by_role("link", name="Unread").click()
    await expect(page.locator("#rows .row")).to_have_count(50)
    await page.get_by_role("button", name="as read").click()
    await expect(page.locator("#rows .row")).to_have_count(0)
    assert site.store.counts()["unread"] == 0


async def test_everything_goes_by_keyboard(site: Site, page: Page) -> None:
    await site.mail(*(plain(f"Number {number}") for number in range(5)))
    await page.goto(site.url)
    await expect(page.locator("#rows .row")).to_have_count(5)
    subject = page.locator("#subject")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(subject).to_have_text("Number 3")
    await page.keyboard.press("j")
    await expect(subject).to_have_text("Number 2")
    await page.keyboard.press("k")
    await expect(subject).to_have_text("Number 3")
    await page.keyboard.press("r")
    await expect(page.locator("#toggle-read")).to_have_text("Mark as read")
    await expect(page.locator(".row[data-id='4']")).to_have_class("row unread")
    await page.keyboard.press("r")
    await expect(page.locator("#toggle-read")).to_have_text("Mark as unread")
    await page.keyboard.press("2")
    await expect(page.locator(".headers")).to_be_visible()
    await page.keyboard.press("j")
    await expect(page.locator(".headers")).to_contain_text("Number 2")  # the view stays
    await page.keyboard.press("t")
    await page.keyboard.type("to do")
    await page.keyboard.press("Enter")
    await expect(page.locator(".badge.tag")).to_contain_text("to do")
    assert site.store.get(3).tags == ("to do",)  # type: ignore[union-attr]
    await page.get_by_role("button", name="Take the tag to do off").click()
    await expect(page.locator(".badge.tag")).to_have_count(0)
    await page.locator("#subject").click()
    await page.keyboard.press("#")
    await expect(subject).to_have_text("Number 1")
    await expect(page.locator("#rows .row")).to_have_count(4)
    await page.keyboard.press("u")
    await expect(page.get_by_role("heading", name="No message is open")).to_be_visible()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Next (older) message")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.locator(".row a").first.focus()
    await page.keyboard.press("#")
    await expect(page.locator("#rows .row")).to_have_count(3)


async def test_clearing_asks_first(site: Site, page: Page) -> None:
    await site.mail(*(plain(f"Number {number}") for number in range(3)), rich())
    await page.goto(f"{site.url}?q=subject:number")
    await page.get_by_role("button", name="Delete all matches").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("all 3 messages that match")
    await dialog.get_by_role("button", name="Keep them").click()
    assert site.store.counts()["kept"] == 4
    await page.get_by_role("button", name="Delete all matches").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.locator("#toasts")).to_contain_text("3 deleted")
    assert site.store.counts()["kept"] == 1
    await page.goto(f"{site.url}message/4")
    await page.locator("#delete").click()
    await expect(page.get_by_role("heading", name="Send a first mail")).to_be_visible()


async def test_what_others_do_shows_in_an_open_page(site: Site, page: Page) -> None:
    await site.mail(plain("One"), plain("Two"))
    await page.goto(f"{site.url}message/2")
    await site.ask("PUT", "/api/v1/messages/1/read", {"read": True})
    await expect(page.locator(".row.unread")).to_have_count(0)
    next((site.store.path / "cur").glob("*:2,S")).unlink()  # a mail program
    await expect(page.locator("#rows .row")).to_have_count(1)
    await site.ask("DELETE", "/api/v1/messages")
    await expect(page.locator("#rows .row")).to_have_count(0)


async def test_one_thing_at_a_time_on_a_phone(site: Site, browser: Browser) -> None:
    await site.mail(rich())
    context = await browser.new_context(viewport={"width": 375, "height": 700}, is_mobile=True, has_touch=True)
    page = await context.new_page()
    await enter(page, site.entry)
    await expect(page.locator("#message")).to_be_hidden()
    await page.get_by_role("link", name="Who planted the oaks?").tap()
    await expect(page.locator("#list")).to_be_hidden()
    await expect(page.frame_locator("#frame").get_by_role("heading")).to_be_visible()
    await page.locator("#back").tap()
    await expect(page.locator("#list")).to_be_visible()
    await page.get_by_role("button", name="Mailboxes and tags").tap()
    await page.get_by_role("link", name="Unread").tap()
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 375
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(site: Site, browser: Browser, scheme: str) -> None:
    from axe_playwright_python.async_playwright import Axe

    context = await browser.new_context(viewport={"width": 1360, "height": 860}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    serious = []

    async def judge(name: str) -> None:
        # Our page is judged here; the message in its frame is the sender's.
        rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else None  # nothing else depends on it
        results = await Axe().run(page, context={"exclude": [["#frame"]]}, options=rules)
        for violation in results.response["violations"]:
            if violation["impact"] in {"serious", "critical"}:
                serious.append((name, violation["id"], [node["html"][:160] for node in violation["nodes"]][:3]))

    await enter(page, site.entry)
    await judge("empty")
    message = rich()
    message["X-Tags"] = "spring"
    await site.mail(plain("One"), message)
    await page.goto(site.url)
    await expect(page.locator("#rows .row")).to_have_count(2)
    await judge("list")
    for view in ("html", "text", "headers", "parts", "source", "findings"):
        await page.goto(f"{site.url}message/2?view={view}")
        await expect(page.locator("#finding-count")).to_be_visible()
        await judge(view)
    await page.keyboard.press("?")
    await judge("keys")
    await page.goto(f"{site.url}?q=larger:huge")
    await judge("problem")
    await page.goto(f"{site.url}message/99")
    await judge("gone")
    await context.close()
    assert serious == []


ELSEWHERE = """<!doctype html><title>elsewhere</title><body><script type="module">
const there = "THERE", all = { credentials: "include" };
const ask = (path, more) => fetch(there + path, { ...all, ...more }).then((answer) => answer.type, () => "refused");
const said = await Promise.all([
  ask("message/1"), ask("message/1/pane", { mode: "no-cors" }), ask("api/v1/messages"),
  ask("api/v1/messages", { mode: "no-cors" }),
  ask("api/v1/messages", { method: "DELETE" }), ask("api/v1/messages/1/read", { method: "PUT", body: "{}" }),
  ask("api/v1/messages/read", { method: "POST", body: '{"read": true}', mode: "no-cors" }),
]);
const load = (element, name) => new Promise((done) => {
  element.onload = element.onerror = done;
  element[name] = there + "message/1";
  document.body.append(element);
});
await Promise.all([load(new Image(), "src"), load(document.createElement("iframe"), "src")]);
document.title = said.join(" ");
</script>"""


async def test_a_page_on_another_port_can_do_nothing_with_the_owners_cookie(site: Site, browser: Browser) -> None:
    await site.mail(plain("One"))
    context = await browser.new_context()
    page = await context.new_page()
    await enter(page, site.entry)
    await page.goto("about:blank")
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status) if answer.url.startswith(site.url) else None)

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        content = ELSEWHERE.replace("THERE", site.url).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as server:
        # The same name on another port is the same site: the browser does send the cookie.
        await page.goto(f"http://localhost:{server.sockets[0].getsockname()[1]}/")
        await expect(page).to_have_title(" ".join(["refused"] * 7))
    await context.close()
    assert set(statuses) <= {401, 403}
    assert 403 in statuses
    assert site.store.counts()["kept"] == site.store.counts()["unread"] == 1


async def test_to_look_at_a_message_marks_it_as_read_only_by_the_page_itself(site: Site, page: Page) -> None:
    await site.mail(plain("One"))
    assert (await site.ask("GET", "/message/1"))[0] == 200
    assert site.store.counts()["unread"] == 1
    async with page.expect_response(lambda answer: answer.url.endswith("/messages/1/read")):
        await page.goto(f"{site.url}message/1")
    assert site.store.counts()["unread"] == 0
    await expect(page.get_by_role("button", name="Mark as unread")).to_be_visible()
