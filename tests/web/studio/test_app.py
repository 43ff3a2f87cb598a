"""The studio over HTTP: what each address answers, and what it refuses."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from newsletter.config.settings import load_config
from newsletter.web.local import bind_free
from newsletter.web.studio.app import Studio, serve_preview
from newsletter.web.studio.export import export_pngs, file_name

from .site import PIXEL, StudioSite, make_site, running


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[StudioSite]:
    async with running(make_site(tmp_path / "letters")) as site:
        yield site


async def test_the_first_page_is_the_newest_post_that_is_no_draft(site: StudioSite) -> None:
    status, headers, _ = await site.ask("/")
    assert (status, headers["location"]) == (307, "/posts/oaks")
    status, headers, page = await site.ask("/posts/oaks")
    assert status == 200
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["content-security-policy"]
    assert b" style=" not in page
    assert b"<script>" not in page
    assert page.index(b"Not ready yet") < page.index(b"Who planted the oaks?") < page.index(b"An older letter")


async def test_the_download_is_the_bytes_that_would_be_sent_and_the_frame_shows_them(site: StudioSite) -> None:
    status, headers, eml = await site.ask("/download/oaks?as=zoe@example.net")
    assert status == 200
    assert headers["content-disposition"] == 'attachment; filename="oaks.eml"'
    message = message_from_bytes(eml, policy=policy.default)
    assert message["To"] == "Zoë Brontë <zoe@example.net>"
    html = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    _, _, raw = await site.ask("/panels/source/oaks?as=zoe@example.net")
    assert html.count("Paragraph 39") == raw.decode().count("Paragraph 39") == 1


async def test_the_frame_has_a_policy_and_a_sandbox_of_its_own(site: StudioSite) -> None:
    _, headers, document = await site.ask("/mail/oaks")
    policy = headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert b'src="/site/posts/pixel.png"' in document
    _, headers, _ = await site.ask("/mail/oaks?images=off")
    assert "img-src 'none'" in headers["content-security-policy"]
    bare = re.sub(rb"<!--.*?-->", b"", (await site.ask("/mail/oaks?styles=off"))[2], flags=re.DOTALL)
    assert b"<style" not in bare


async def test_the_size_is_that_which_gmail_measures(site: StudioSite) -> None:
    summary = json.loads((await site.ask("/summary/oaks"))[2])
    message = message_from_bytes((await site.ask("/download/oaks"))[2])
    part = next(part for part in message.walk() if part.get_content_type() == "text/html")
    assert summary["htmlSize"] == len(part.get_payload(decode=True))
    assert summary["clipPercent"] == round(summary["htmlSize"] / 1024 / 102 * 100)
    assert not summary["clipped"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1"])
async def test_a_rebound_host_gets_nothing(site: StudioSite, host: str) -> None:
    for path in ("/posts/oaks", "/download/oaks", "/people", "/events"):
        status, _, body = await site.ask(path, Host=host)
        assert status == 421
        assert b"margaret" not in body


PRIVATE = (
    "/", "/posts/oaks", "/list", "/summary/oaks", "/mail/oaks", "/panels/text/oaks", "/rows/oaks", "/findings/oaks",
    "/download/oaks", "/people", "/site/posts/pixel.png", "/events",
)  # fmt: skip


async def test_another_user_of_the_machine_reads_nothing_and_sends_nothing(site: StudioSite) -> None:
    for path in PRIVATE:
        status, _, body = await site.ask(path, Accept="*/*")
        assert status == 401, path
        for word in (b"margaret", b"oaks?", b"newsletter-token", b"Long View"):
            assert word not in body
    asked = {"to": "stranger@example.com"}
    assert (await site.ask("/send/oaks", "POST", asked, Accept="*/*"))[0] == 401
    assert (await site.ask("/send/oaks", "POST", asked, X_Newsletter_Token="guess"))[0] == 401
    assert (await site.ask("/send/oaks"))[0] == 405


@pytest.mark.parametrize(
    "path",
    [
        "/site/../secret.png", "/site/%2e%2e/secret.png", "/site/..%2fsecret.png", "/site//etc/passwd",
        "/site/posts/../../secret.png", "/site/link.png", "/site/newsletter.toml", "/site/subscribers.csv",
        "/site/.newsletter/secret", "/site/.hidden/x.png", "/site/%00.png",
        "/static/../studio.py", "/static/%2e%2e/studio.py",
    ],
)  # fmt: skip
async def test_files_outside_of_the_site_and_files_that_are_no_pictures_are_not_served(
    site: StudioSite, path: str
) -> None:
    (site.root.parent / "secret.png").write_bytes(PIXEL)
    (site.root / "link.png").symlink_to(site.root.parent / "secret.png")
    (site.root / ".hidden").mkdir()
    (site.root / ".hidden/x.png").write_bytes(PIXEL)
    status, _, body = await site.ask(path)
    assert status == 404
    assert PIXEL not in body


async def test_a_picture_of_the_site_is_served_and_asked_for_again_only_when_it_changed(site: StudioSite) -> None:
    status, headers, body = await site.ask("/site/posts/pixel.png")
    assert (status, headers["content-type"], body) == (200, "image/png", PIXEL)
    assert "sandbox" in headers["content-security-policy"]
    assert (await site.ask("/site/posts/pixel.png", If_None_Match=headers["etag"], **site.secret))[0] == 304


async def test_a_fault_says_where_and_shows_the_lines_around_it(site: StudioSite) -> None:
    site.post.write_text("---\ntitle: [unclosed\ndate: 2026-06-01\n---\n\nHello\n")
    failure = json.loads(await site.ask_until(422, "/summary/oaks"))
    assert failure["path"] == "posts/2026-06-01-oaks.md"
    assert failure["line"]
    assert failure["hint"]
    assert "title: [unclosed" in failure["excerpt"]["lines"]
    assert (await site.ask("/mail/oaks"))[0] == 422


async def test_people_are_found_by_name_address_and_column(site: StudioSite) -> None:
    async def names(words: str) -> list[str]:
        return [one["email"] for one in json.loads((await site.ask(f"/people?q={words}"))[2])]

    assert await names("") == ["margaret@example.org", "zoe@example.net", "layla@example.net"]
    assert await names("salamanca") == ["zoe@example.net"]
    assert await names("nobody") == []
    status, _, body = await site.ask("/summary/oaks?as=nobody@example.org")
    assert status == 422
    assert b"not on the list" in body


async def test_an_older_search_that_arrives_late_does_not_end_a_newer_one(site: StudioSite) -> None:
    async def found(query: str) -> int:
        return len(json.loads((await site.ask(f"/people?{query}"))[2]))

    everybody = await found("q=")
    assert await found("q=&at=2000") == everybody
    assert await found("q=&at=1000") == 0  # nobody waits for it
    assert await found("q=&at=2000") == everybody
    assert await found("q=&at=") == everybody


async def test_personas_are_shown_as_data(site: StudioSite) -> None:
    for key in ("~no-name", "~long-name", "~right-to-left", "~emoji", "~markup"):
        status, _, body = await site.ask(f"/summary/oaks?as={key}")
        assert status == 200, body
        assert (await site.ask(f"/mail/oaks?as={key}"))[0] == 200
    _, _, headers = await site.ask("/panels/headers/oaks?as=~markup")
    assert b"&lt;b&gt;&amp; Sons&lt;/b&gt; {{ 7 * 7 }}" in headers


class _Keeper:
    """An SMTP server's handler that keeps what it is sent, and refuses one address."""

    def __init__(self) -> None:
        self.kept: list[Envelope] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.kept.append(envelope)
        return "250 2.0.0 kept"


async def test_send_me_this_sends_what_is_looked_at_through_the_relay_and_tells_what_it_said(tmp_path: Path) -> None:
    keeper = _Keeper()
    relay = await asyncio.get_running_loop().create_server(lambda: SMTP(keeper), "127.0.0.1", 0)
    port = relay.sockets[0].getsockname()[1]
    async with relay, running(make_site(tmp_path / "letters", f"smtp://127.0.0.1:{port}")) as site:
        asked = {"to": "me@example.org", "as": "zoe@example.net"}
        status, _, body = await site.ask("/send/oaks", "POST", asked)
        assert status == 200, body
        assert "Sent to me@example.org" in json.loads(body)["said"]
        (envelope,) = keeper.kept
        assert envelope.rcpt_tos == ["me@example.org"]
        message = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
        assert message["Subject"] == "Who planted the oaks?"
        assert message["To"] == "Zoë Brontë <me@example.org>"
        refused = await site.ask("/send/oaks", "POST", {"to": "nobody@example.org"})
        assert refused[0] == 422
        assert "550 5.1.1 no such mailbox" in json.loads(refused[2])["error"]
        wrong = await site.ask("/send/oaks", "POST", {"to": "a b"})
        assert wrong[0] == 422
        assert (await site.ask("/send/oaks", "POST", []))[0] == 422
        assert not (site.root / "newsletter.db").exists()


async def test_a_relay_that_does_not_answer_is_named(site: StudioSite) -> None:
    status, _, body = await site.ask("/send/oaks", "POST", {"to": "me@example.org"})
    assert status == 422
    assert "localhost:1" in json.loads(body)["error"]


async def test_a_taken_port_gives_way_and_the_address_names_the_post(tmp_path: Path) -> None:
    site = make_site(tmp_path / "letters")
    stop = asyncio.Event()
    with bind_free(0) as taken:
        port = taken.getsockname()[1]
        addresses: list[str] = []

        def ready(url: str) -> None:
            addresses.append(url)
            stop.set()

        config = load_config(site.root / "newsletter.toml")
        post = site.root / "posts/2026-01-02-older.md"
        await serve_preview(config, post, port=port, browser=False, on_ready=ready, stop=stop)
    assert "/posts/older?token=" in addresses[0]
    assert f":{port}/" not in addresses[0]


async def test_a_newsletter_without_posts_or_with_a_broken_config_still_has_a_page(tmp_path: Path) -> None:
    site = make_site(tmp_path / "letters")
    for path in (site.root / "posts").glob("*.md"):
        path.unlink()
    async with running(site):
        status, _, page = await site.ask("/")
        assert status == 200
        assert b"No posts yet" in page
        (site.root / "newsletter.toml").write_text("[newsletter\n")
        assert b"newsletter.toml" in await site.ask_until(422, "/")


def test_export_without_a_chromium_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site(tmp_path / "letters")
    config = load_config(site.root / "newsletter.toml")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="install chromium"):
        export_pngs(config, site.post, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("slug", ["../..", "../../outside", "/tmp/outside", "a/b", "..", "ö.ü"])
def test_the_names_of_exported_pictures_stay_in_their_folder(slug: str) -> None:
    name = file_name(slug)
    assert name
    assert (Path("/out") / f"{name}-375-light.png").resolve().parent == Path("/out")


async def test_links_are_asked_by_post_alone(site: StudioSite) -> None:
    asked: list[str] = []

    async def far(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(far, "127.0.0.1", 0) as elsewhere:
        site.write(f"See [there](http://localhost:{elsewhere.sockets[0].getsockname()[1]}/there).")
        for query in ("", "?links=1"):
            assert (await site.ask("/findings/oaks" + query))[0] == 200
        assert asked == []
    status, _, body = await site.ask("/findings/oaks", "POST")
    assert (status, b"localhost" in body) == (200, True)  # asked, and refused: it is no address of the internet


async def _told(site: StudioSite, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the page says of the post, once a save is noticed."""
    async with asyncio.timeout(60):
        while True:
            status, _, body = await site.ask("/summary/oaks")
            said: dict[str, Any] = json.loads(body)
            if status == 200 and holds(said):
                return said
            await asyncio.sleep(0.05)


async def test_what_was_sent_of_a_post_is_told_and_whether_it_has_changed_since(tmp_path: Path) -> None:
    relay = await asyncio.get_running_loop().create_server(lambda: SMTP(_Keeper()), "127.0.0.1", 0)
    port = relay.sockets[0].getsockname()[1]
    async with relay, running(make_site(tmp_path / "letters", f"smtp://127.0.0.1:{port}")) as site:
        assert json.loads((await site.ask("/summary/oaks"))[2])["sent"] is None
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        command = (sys.executable, "-m", "newsletter", "send", "oaks", "--yes")
        run = await asyncio.create_subprocess_exec(*command, cwd=site.root, env=environment)
        assert await run.wait() == 0
        sent = (await _told(site, lambda said: said["sent"] is not None))["sent"]
        assert re.fullmatch(r"Sent on \d+ \w+ \d{4} to 3", sent["words"])
        assert sent["changed"] is False
        listed = (await site.ask("/list"))[2].decode()
        assert re.findall(r'data-kind="(\w+)"', listed) == ["draft", "sent", "ready"]
        assert "sent to 3" in listed
        site.write("Mended after it was sent.")
        await _told(site, lambda said: bool(said["sent"]["changed"]))


async def test_the_relay_is_named_before_anything_is_sent_through_it(site: StudioSite) -> None:
    said = json.loads((await site.ask("/summary/oaks"))[2])
    assert said["relay"] == "localhost:1"
    assert "on this machine" in said["relayNote"]
    config = site.root / "newsletter.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("smtp://localhost:1", ""), encoding="utf-8")
    said = await _told(site, lambda said: not said["relay"])
    assert "[smtp] url" in said["relayNote"]


async def test_an_unknown_post_has_a_page_that_says_so(site: StudioSite) -> None:
    for key in ("nowhere", "../newsletter.toml", "%00", "a/b"):
        status, _, page = await site.ask(f"/posts/{key}")
        assert status == 404
        assert b"there is no post" in page
        assert b"Who planted the oaks?" in page  # the list is there to choose from


async def test_the_first_page_finds_its_mail_rendered_when_the_studio_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(load_config(make_site(tmp_path / "letters").root / "newsletter.toml"))
    await studio.warm_up()
    monkeypatch.setattr(studio.renderer.composer, "compose", None)  # nobody composes any more
    assert studio.renderer.render(studio.home_key()).post.slug == "oaks"
