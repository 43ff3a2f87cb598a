"""Past issues: served, written to disk, fed to readers; and a reader's own copy in the browser."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest_asyncio
from sqlalchemy import text

from newsletter.audience.subscriber import Subscriber
from newsletter.cli.app import run
from newsletter.compose.composer import Composer, issue_writer
from newsletter.compose.issue import Issue
from tests.web.public.site import Site, public_site

POST = """\
---
title: "{title}"
description: "{title}, in short"
date: 2026-05-0{day} 09:00:00
personalize: true
{more}---
Dear {{{{ subscriber.name or "reader" }}}} of {{{{ subscriber.city }}}}, hello.
"""


def send(site: Site, slug: str, title: str, day: int, more: str = "", state: str = "sent") -> Issue:
    """Freeze an issue as if Ada had got it."""
    posts = site.folder / "posts"
    posts.mkdir(exist_ok=True)
    path = posts / f"2026-05-0{day}-{slug}.md"
    path.write_text(POST.format(title=title, day=day, more=more))
    return send_file(site, path, day, state)


def send_file(site: Site, path: Path, day: int, state: str = "sent") -> Issue:
    composer = Composer(site.public.config)
    issue = composer.compose(composer.read(path)).issue
    with site.public.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO issues (number, id, post, subject, created, frozen, hash, list_hash) "
                "VALUES (:n, :id, :post, 's', :n, :frozen, 'h', 'l')"
            ),
            {"n": day, "id": issue.id, "post": issue.post, "frozen": issue.dumps()},
        )
        connection.execute(
            text(
                "INSERT INTO deliveries (issue, key, email, name, columns, state) VALUES"
                " (:n, 'ada@example.org', 'ada@example.org', 'Ada Moreau', '{\"city\": \"Lyon\"}', :state)"
            ),
            {"n": day, "state": state},
        )
    return issue


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with public_site(tmp_path) as site:
        yield site


async def test_an_issue_in_the_archive_is_nobodys(site: Site) -> None:
    issue = send(site, "hello", "Hello & welcome", 1)
    mail = issue_writer(site.public.config, issue).decoded(Subscriber("ada@example.org", "", {"city": "Lyon"})).html
    page = (await site.get("/issues/hello/")).text
    assert "Dear reader of , hello." in page
    assert "Ada" not in page.replace("Ada Moreau &lt;", "").replace('"Ada Moreau"', "") or "Dear Ada" not in page
    assert "/u/" not in page
    assert ("You get this because" in mail, "You get this because" in page) == (True, False)
    assert "/p/" not in page
    assert ">Unsubscribe<" not in page
    assert '<link rel="canonical" href="https://example.org/hello/">' in page
    assert "<script" not in page


async def test_the_index_has_what_was_sent_and_may_be_seen(site: Site) -> None:
    send(site, "hello", "Hello", 1)
    send(site, "secret", "Secret", 2, "archive: false\n")
    send(site, "planned", "Planned", 3, state="pending")
    send(site, "later", "Later", 4)
    index = (await site.get("/issues/")).text
    assert re.findall(r'href="/issues/([a-z]+)/"', index) == ["later", "hello"]
    assert re.findall(r'href="/issues/([a-z]+)/"', (await site.get("/")).text) == ["later", "hello"]
    for hidden in ("secret", "planned", "nothing"):
        assert (await site.get(f"/issues/{hidden}/")).status == 404


async def test_an_issue_leaves_the_archive_when_its_post_says_so(site: Site) -> None:
    send(site, "hello", "Hello", 1)
    assert (await site.get("/issues/hello/")).status == 200
    path = site.folder / "posts" / "2026-05-01-hello.md"
    path.write_text(path.read_text().replace("personalize: true", "personalize: true\narchive: false"))
    site.now[0] += 61
    assert (await site.get("/issues/hello/")).status == 404


async def test_the_feeds_and_the_sitemap_are_well_formed(site: Site) -> None:
    send(site, "hello", "Hello <b>& “welcome”", 1)
    atom = await site.get("/feed.xml")
    assert atom.headers["content-type"].startswith("application/atom+xml")
    assert ET.fromstring(atom.text).findtext("{*}author/{*}name") == "Ada Moreau"
    entry = ET.fromstring(atom.text).find("{http://www.w3.org/2005/Atom}entry")
    assert entry is not None
    assert entry.findtext("{http://www.w3.org/2005/Atom}title") == "Hello <b>& “welcome”"
    assert entry.findtext("{*}summary") == "Hello &lt;b&gt;&amp; “welcome”, in short", "it is HTML"
    assert entry.findtext("{http://www.w3.org/2005/Atom}id") == "https://news.example.org/issues/hello/"
    feed = json.loads((await site.get("/feed.json")).text)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["authors"] == [{"name": "Ada Moreau"}]
    assert feed["items"][0]["url"] == "https://example.org/hello/"
    again = await site.get("/feed.xml", If_None_Match=f'W/"x", {atom.headers["etag"]}')
    assert (again.status, again.text) == (304, "")


async def test_whatever_stands_in_a_post_its_feeds_are_valid(site: Site) -> None:
    """RFC 4287, JSON Feed 1.1, sitemaps.org, RFC 3986: addresses are URIs, ids one of a kind, no moment is to come."""
    send(site, "hällo", "A \\x07 bell \\ufffe, 🎉 ]]> <i>", 1)
    send(site, "later", "Later", 2, more="publishDate: 2026-05-02\n")
    path = site.folder / "posts" / "2099-01-01-early.md"
    path.write_text("---\ntitle: Early\ndate: 2099-01-01\n---\nEarly, on purpose.\n")
    send_file(site, path, 3)
    atom = ET.fromstring((await site.get("/feed.xml")).text)
    titles = [title.text for title in atom.findall("{*}entry/{*}title")]
    assert titles == ["Early", "Later", "A bell , 🎉 ]]> <i>"]
    ids = [each.text or "" for each in atom.iter("{http://www.w3.org/2005/Atom}id")]
    moments = [each.text or "" for each in atom.iter("{http://www.w3.org/2005/Atom}updated")]
    assert len({*ids}) == 4
    assert max(moments) < "2027"
    feed = json.loads((await site.get("/feed.json")).text)
    sitemap = ET.fromstring((await site.get("/sitemap.xml")).text)
    links = [each.attrib["href"] for each in atom.iter("{http://www.w3.org/2005/Atom}link")]
    links += [item[key] for item in feed["items"] for key in ("id", "url")]
    links += [each.text or "" for each in sitemap.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert [url for url in ids + links if not (url.isascii() and url.startswith("https://"))] == []
    assert (await site.get(quote("/issues/hällo/"))).status == 200
    for page in ("/", "/issues/", "/issues/early/"):
        found = re.findall(r'type="(application/[^"]+)" title="[^"]+" href="([^"]+)"', (await site.get(page)).text)
        assert found == [("application/atom+xml", "/feed.xml"), ("application/feed+json", "/feed.json")]


async def test_a_reader_sees_the_own_copy_in_the_browser(site: Site) -> None:
    send(site, "hello", "Hello", 1)
    page = await site.get(f"/v/{site.token('view', 'ada@example.org')}")
    assert "Dear Ada Moreau of Lyon, hello." in page.text
    assert page.headers["x-robots-tag"] == "noindex"
    assert "script-src" not in page.headers["content-security-policy"]
    other = await site.get(f"/v/{site.token('view', 'zoe@example.org')}")
    assert "Dear reader of , hello." in other.text
    assert (await site.get(f"/v/{site.token('view', 'ada@example.org', 'nothing')}")).status == 404
    assert (await site.get(f"/v/{site.token('unsubscribe', 'ada@example.org')}")).status == 404


async def test_mail_of_a_newsletter_without_a_site_links_to_the_readers_copy(tmp_path: Path) -> None:
    async with public_site(tmp_path) as site:
        config = tmp_path / "newsletter.toml"
        config.write_text(config.read_text().replace('url = "https://example.org"\n', "", 1))
        composer = Composer(type(site.public.config).model_validate({}))
        from newsletter.config.settings import load_config

        composer = Composer(load_config(config))
        (tmp_path / "posts").mkdir()
        path = tmp_path / "posts" / "hello.md"
        path.write_text("---\ntitle: Hello\n---\nHello.\n")
        composed = composer.compose(composer.read(path))
        html = composed.writer().decoded(Subscriber("ada@example.org")).html
        assert f"https://news.example.org/v/{site.token('view', 'ada@example.org')}" in html


async def test_the_archive_on_disk_is_the_served_one_and_follows_it(site: Site) -> None:
    send(site, "hello", "Hello", 1)
    config, out = site.folder / "newsletter.toml", site.folder / "out"
    assert run(["--config", str(config), "archive", "build", "--out", str(out)]) == 0
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {
        "style.css",
        "issues/index.html",
        "issues/hello/index.html",
        "feed.xml",
        "feed.json",
        "sitemap.xml",
    }
    assert 'href="../style.css"' in (out / "issues" / "index.html").read_text()
    assert "Dear reader of , hello." in (out / "issues" / "hello" / "index.html").read_text()
    before = (out / "issues" / "hello" / "index.html").stat().st_mtime_ns
    assert run(["--config", str(config), "archive", "build", "--out", str(out)]) == 0
    assert (out / "issues" / "hello" / "index.html").stat().st_mtime_ns == before
    path = site.folder / "posts" / "2026-05-01-hello.md"
    path.write_text(path.read_text().replace("personalize: true", "archive: false"))
    assert run(["--config", str(config), "archive", "build", "--out", str(out)]) == 0
    assert not (out / "issues" / "hello").exists()
