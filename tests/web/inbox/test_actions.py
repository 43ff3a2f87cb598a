"""What is ordered about a message or a tag: release, links, spam filter, tags; probes, metrics, Mailpit's API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from newsletter.config.settings import load_config
from newsletter.inbox.index import drop_index
from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store
from newsletter.web.inbox.mailpit import mailpit_app
from newsletter.web.local import bind_free
from newsletter.web.server import serve_app
from tests.chromium import CHROMIUM
from tests.web.conftest import PATIENCE_MS, enter

from .site import PIXEL, Site, plain, rich, running

API = "/api/v1"


@contextlib.asynccontextmanager
async def with_relay(folder: Path, *, open_api: bool = False) -> AsyncIterator[tuple[Site, Store]]:
    """An inbox of a newsletter that has a relay, and where the relay keeps what it gets."""
    path = folder / "newsletter.toml"
    with Store(folder / "real") as real:
        async with InboxServer(real) as relay:
            path.write_text(
                f'[newsletter]\ntitle = "T"\nauthor = "Ada <ada@example.org>"\nurl = "https://example.org"\n'
                f'[smtp]\nurl = "{relay.url}"\n[checks]\nspamd = "127.0.0.1:9"\n'
            )
            async with running(folder / "inbox", open_api=open_api, config=load_config(path)) as site:
                yield site, real


async def test_a_message_is_released_when_it_is_asked_twice(tmp_path: Path) -> None:
    async with with_relay(tmp_path, open_api=True) as (site, real):
        raw = b"Subject: Oaks\nFrom: ada@example.org\n\n.\nMAIL FROM:<x@example.com>\n.dot\r\nlone \r here\n"
        await site.mail(raw, plain("Other"))
        arrived = site.store.raw(1)
        assert arrived is not None
        order = {"to": ["Ben@Example.org", "ben@example.org", "cleo@example.net"]}
        path = "/message/1/release"
        assert (await site.ask("POST", path, order, headers={}))[0] == 401  # though the API is open
        status, asked, _ = await site.ask("POST", path, order)
        assert (status, asked["to"]) == (200, ["Ben@example.org", "ben@example.org", "cleo@example.net"])
        assert "“Oaks” to Ben@example.org" in asked["question"]
        assert real.counts()["kept"] == 0
        for other in ({"to": ["mallory@example.net"]}, {"to": order["to"], "confirm": "x"}):
            answer = (await site.ask("POST", path, {"confirm": asked["confirm"], **other}))[1]
            assert "question" in answer  # of others, or not confirmed: it is asked anew
        assert (await site.ask("POST", "/message/2/release", {**order, "confirm": asked["confirm"]}))[1]["question"]
        assert real.counts()["kept"] == 0
        status, done, _ = await site.ask("POST", path, {**order, "confirm": asked["confirm"]})
        assert (status, [one["sent"] for one in done["released"]]) == (200, [True, True, True])
    with Store(tmp_path / "real") as kept:
        rows = kept.search().rows
        assert {(row.mail_from, row.rcpt_tos) for row in rows} == {
            ("ada@example.org", (one,)) for one in ("Ben@example.org", "ben@example.org", "cleo@example.net")
        }
        sent = arrived.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        assert {kept.raw(row.id) for row in rows} == {sent}


async def test_a_release_that_can_not_be_says_why(tmp_path: Path) -> None:
    async with running(tmp_path / "plain") as site:
        await site.mail(plain("One"))
        status, answer, _ = await site.ask("POST", "/message/1/release", {"to": ["ben@example.org"]})
        assert (status, "no relay" in answer["error"]) == (409, True)
    async with with_relay(tmp_path) as (site, _):
        await site.mail(plain("One"))
        for to, words in ((["nobody"], "give an address"), ([], "name one to 20"), ("ben@example.org", "list")):
            status, answer, _ = await site.ask("POST", "/message/1/release", {"to": to})
            assert (status, words in answer["error"]) == (400, True), answer
        assert (await site.ask("POST", "/message/7/release", {"to": ["ben@example.org"]}))[0] == 404


async def test_a_filter_that_is_not_there_and_links_that_lead_nowhere_are_findings(tmp_path: Path) -> None:
    async with with_relay(tmp_path) as (site, _):
        await site.mail(rich(remote="http://127.0.0.1:9"))
        _, found, _ = await site.ask("POST", f"{API}/messages/1/spam")
        assert "no spam filter answers at 127.0.0.1:9" in found[0]["message"]
        status, found, _ = await site.ask("POST", f"{API}/messages/1/links")
        assert status == 200
        assert {one["rule"] for one in found} <= {"link-dead", "image-source"}
        assert any("127.0.0.1" in one["message"] for one in found)  # not asked: this machine is nobody's link


async def test_tags_come_with_the_address_and_are_renamed_and_removed(tmp_path: Path) -> None:
    async with running(tmp_path / "inbox") as site:
        tagged = plain("Tagged")
        tagged["X-Tags"] = "spring, Welcome"
        for rcpt, message in (("ada+welcome@example.org", tagged), ("ben@example.org", plain("Bare"))):
            site.store.add("x@example.org", (rcpt,), message.as_bytes())
        assert site.store.get(1).tags == ("spring", "Welcome")  # type: ignore[union-attr]
        assert (await site.ask("PUT", f"{API}/tags/WELCOME", {"name": "hello/there"}))[1] == {"changed": 1}
        assert (await site.ask("PUT", f"{API}/tags/hello/there", {"name": "spring"}))[1] == {"changed": 1}
        assert site.store.tags.counts() == [("spring", 1)]
        assert (await site.ask("PUT", f"{API}/tags/spring", {"name": " "}))[0] == 400
        assert (await site.ask("DELETE", f"{API}/tags/spring"))[1] == {"changed": 1}
        assert (await site.ask("DELETE", f"{API}/tags/spring"))[0] == 404
        assert site.store.search("tag:spring").total == 0


async def test_probes_need_no_secret_and_metrics_do(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    async with running(tmp_path / "inbox") as site:
        await site.mail(plain("One"))
        for path in ("/livez", "/readyz"):
            assert (await site.ask("GET", path, headers={}))[:2] == (200, b"ok\n")
        assert (await site.ask("GET", "/metrics", headers={}))[0] == 401
        status, text, _ = await site.ask("GET", "/metrics")
        assert status == 200
        assert b"newsletter_inbox_messages 1.0" in text
        assert b"ada@example.org" not in text
    async with running(tmp_path / "inbox", open_api=True) as site:
        assert (await site.ask("GET", "/metrics", headers={}))[0] == 200


async def test_a_picture_is_shown_beside_its_name_and_nothing_else_is(tmp_path: Path) -> None:
    message = plain("Pictures")
    message.add_attachment(PIXEL, maintype="image", subtype="png", filename="jay.png")
    message.add_attachment(b"<svg onload='alert(1)'/>", maintype="image", subtype="svg+xml", filename="x.svg")
    async with running(tmp_path / "inbox") as site:
        await site.mail(message)
        status, content, headers = await site.ask("GET", "/message/1/thumbnail?part=2")
        assert (status, content) == (200, PIXEL)
        assert "sandbox" in headers["Content-Security-Policy"]
        assert (await site.ask("GET", "/message/1/thumbnail?part=3"))[0] == 404
        _, page, _ = await site.ask("GET", "/message/1")
        assert page.count(b"/thumbnail?part=") == 1


async def test_the_index_is_made_anew_and_messages_are_written_as_files(tmp_path: Path) -> None:
    with Store(tmp_path / "inbox") as store:
        for subject in ("One", "Two"):
            store.add("ada@example.org", ("ben@example.org",), plain(subject).as_bytes())
        assert store.dump(tmp_path / "out" / "deep") == 2
        raw = store.raw(1)
    assert (tmp_path / "out" / "deep" / "000001.eml").read_bytes() == raw
    drop_index(tmp_path / "inbox")
    with Store(tmp_path / "inbox") as store:
        assert {row.subject for row in store.search().rows} == {"One", "Two"}
        assert store.raw(1) == raw


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.asyncio(loop_scope="session")
async def test_a_release_is_asked_twice_and_a_tag_is_renamed(tmp_path: Path, browser: Browser) -> None:
    async with with_relay(tmp_path) as (site, real):
        tagged = plain("Tagged")
        tagged["X-Tags"] = "spring"
        await site.mail(tagged)
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        await enter(page, site.entry)
        await page.goto(f"{site.url}message/1")
        await page.get_by_role("button", name="Release").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("To").fill("nobody")
        await page.keyboard.press("Enter")
        await expect(dialog.get_by_role("alert")).to_contain_text("give an address")
        await dialog.get_by_label("To").fill("ben@example.net")
        await page.keyboard.press("Enter")
        await expect(dialog).to_contain_text("Send “Tagged” to ben@example.net through 127.0.0.1")
        await expect(dialog.get_by_role("button", name="Keep it here")).to_be_focused()
        assert real.counts()["kept"] == 0
        await dialog.get_by_role("button", name="Send it").click()
        await expect(page.locator(".toast")).to_contain_text("Sent to ben@example.net")
        assert real.counts()["kept"] == 1
        await page.goto(f"{site.url}?q=tag:spring")
        await page.get_by_role("button", name="Rename or remove the tag spring").click()
        await dialog.get_by_label("Its name on all messages").fill("early spring")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/?q=tag*early*")
        await expect(page.locator("#rows .row")).to_have_count(1)
        await page.close()


# Mailpit's API


@contextlib.asynccontextmanager
async def as_mailpit(folder: Path) -> AsyncIterator[Site]:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    with Store(folder) as store:
        async with InboxServer(store) as server:
            app = mailpit_app(store, server, token="the-token")
            serving = asyncio.create_task(serve_app(app, bind_free(0), on_ready=ready.set_result, stop=stop))
            try:
                yield Site(store, server, await ready, "the-token")
            finally:
                stop.set()
                await serving


async def test_what_was_written_for_mailpit_runs_here(tmp_path: Path) -> None:
    anybody: dict[str, str] = {}
    async with as_mailpit(tmp_path / "inbox") as site:
        await site.mail(plain("First"), rich())
        copied = EmailMessage()
        copied["From"], copied["To"], copied["Cc"] = "ada@example.org", "Cleo <cleo@example.org>", "dan@example.org"
        copied["Reply-To"], copied["Subject"], copied["Message-ID"] = "re@example.org", "Copied", "<3@example.org>"
        copied.set_content("Words")
        await site.mail(copied)
        status, page, _ = await site.ask("GET", f"{API}/messages?limit=2", headers=anybody)
        assert status == 200
        assert {name: page[name] for name in ("total", "unread", "count", "messages_count", "start")} == {
            "total": 3, "unread": 3, "count": 2, "messages_count": 3, "start": 0,
        }  # fmt: skip
        newest = page["messages"][0]
        assert newest["From"] == {"Name": "", "Address": "ada@example.org"}
        assert newest["To"] == [{"Name": "Cleo", "Address": "cleo@example.org"}]
        assert newest["Bcc"] == [{"Name": "", "Address": "ben@example.org"}]
        assert (newest["MessageID"], newest["Read"], newest["Snippet"]) == ("3@example.org", False, "Words")
        _, found, _ = await site.ask("GET", f"{API}/search?query=subject:oaks", headers=anybody)
        assert (found["messages_count"], found["messages_unread"], found["total"]) == (1, 1, 3)
        oaks = found["messages"][0]["ID"]
        assert (await site.ask("GET", f"{API}/search?query=", headers=anybody))[0] == 400
        _, whole, _ = await site.ask("GET", f"{API}/message/{oaks}", headers=anybody)
        assert (whole["Text"].strip(), whole["ReturnPath"]) == ("Jays did.", "bounces@example.org")
        assert [one["FileName"] for one in whole["Attachments"]] == ["Größe.pdf"]
        assert [one["ContentID"] for one in whole["Inline"]] == ["pic@example.org"]
        part = whole["Attachments"][0]["PartID"]
        assert (await site.ask("GET", f"{API}/message/{oaks}/part/{part}", headers=anybody))[1] == b"%PDF-1.4 acorns"
        _, headers, _ = await site.ask("GET", f"{API}/message/{oaks}/headers", headers=anybody)
        assert headers["Subject"] == ["Who planted the oaks?"]
        assert (await site.ask("GET", f"{API}/message/latest/raw", headers=anybody))[1] == site.store.raw(3)
        assert b"Who planted" in (await site.ask("GET", f"/view/{oaks}.html", headers=anybody))[1]
        assert (await site.ask("GET", "/view/latest.txt", headers=anybody))[1].strip() == b"Words"
        assert (await site.ask("GET", f"{API}/messages", headers=anybody))[1]["unread"] == 2  # it was looked at
        for method, path, body in (
            ("PUT", "tags", {"IDs": [oaks], "Tags": ["Spring"]}), ("PUT", "tags/spring", {"Name": "autumn"}),
            ("PUT", "messages", {"IDs": [oaks], "Read": False}), ("DELETE", "messages", {"IDs": ["1"]}),
        ):  # fmt: skip
            assert (await site.ask(method, f"{API}/{path}", body, headers=anybody))[:2] == (200, b"ok"), path
        assert (await site.ask("GET", f"{API}/tags", headers=anybody))[1] == ["autumn"]
        assert (await site.ask("GET", f"{API}/info", headers=anybody))[1]["Messages"] == 2
        assert (await site.ask("DELETE", f"{API}/search?query=tag:autumn", headers=anybody))[1] == b"ok"
        assert (await site.ask("DELETE", f"{API}/messages", headers=anybody))[1] == b"ok"
        assert site.store.counts()["kept"] == 0
        assert (await site.ask("GET", f"{API}/message/1", headers=anybody))[0] == 404
        missing = await site.ask("GET", f"{API}/message/3/html-check", headers=anybody)
        assert (missing[0], b"inbox's own API" in missing[1]) == (404, True)
        for stranger in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            assert (await site.ask("GET", f"{API}/messages", headers=stranger))[0] in {401, 421}
