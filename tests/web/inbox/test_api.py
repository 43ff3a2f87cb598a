"""The test inbox's API, asked as programs ask it: over HTTP, with mail that came by SMTP."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.config.settings import load_config
from newsletter.site.load import load_site
from newsletter.web.inbox.actions import action_routes
from newsletter.web.inbox.api import PREFIX, api_routes
from newsletter.web.inbox.openapi import openapi

from .site import PIXEL, Site, plain, rich, running

API = PREFIX


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path / "inbox") as site:
        yield site


async def test_a_message_is_listed_read_and_taken_apart(site: Site) -> None:
    await site.mail(plain("First"), rich())
    status, page, _ = await site.ask("GET", f"{API}/messages")
    assert (status, page["total"], page["exact"], page["below"]) == (200, 2, True, None)
    newest = page["messages"][0]
    assert newest["subject"] == "Who planted the oaks?"
    assert (newest["mail_from"], newest["rcpt_tos"]) == ("bounces@example.org", ["ben@example.org"])
    assert newest["unread"] is True
    _, message, _ = await site.ask("GET", f"{API}/messages/{newest['id']}")
    assert message["text"] == "Jays did.\n"
    assert "<h1>Who planted" in message["html"]
    assert ["To", "Ben <ben@example.org>"] in message["headers"]
    assert [part["filename"] for part in message["attachments"]] == ["Größe.pdf"]
    picture = next(part for part in message["parts"] if part["content_id"] == "pic@example.org")
    status, content, headers = await site.ask("GET", f"{API}/messages/latest/parts/{picture['number']}")
    assert (status, content) == (200, PIXEL)
    assert headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in headers["Content-Security-Policy"]
    _, raw, _ = await site.ask("GET", f"{API}/messages/latest/raw")
    assert raw == site.store.raw(newest["id"])
    _, text, _ = await site.ask("GET", f"{API}/messages/latest/text?q=subject:first")
    assert text == b"Acorns, mostly.\n"
    _, html, headers = await site.ask("GET", f"{API}/messages/latest/html")
    assert html.startswith(b"<!doctype html>")
    assert headers["Content-Type"].startswith("text/plain")
    assert (await site.ask("GET", f"{API}/messages/1/html"))[0] == 404
    assert (await site.ask("GET", f"{API}/messages/1"))[1]["unread"] is True  # looking is not reading


async def test_pages_go_on_where_the_last_one_ended(site: Site) -> None:
    await site.mail(*(plain(f"Number {number}") for number in range(7)))
    seen: list[str] = []
    below: int | str | None = ""
    while below is not None:
        _, page, _ = await site.ask("GET", f"{API}/messages?limit=3&below={below}")
        seen += [one["subject"] for one in page["messages"]]
        below = page["below"]
    assert seen == [f"Number {number}" for number in reversed(range(7))]


async def test_waiting_ends_when_the_message_comes(site: Site) -> None:
    await site.mail(plain("Before"))
    waiting = asyncio.create_task(site.ask("GET", f"{API}/wait?q=subject:reset&timeout=60"))
    both = asyncio.create_task(site.ask("GET", f"{API}/wait?count=2&after=1&timeout=60"))
    await site.mail(plain("Something else"), plain("Reset your password"))
    status, answer, _ = await waiting
    assert (status, [one["subject"] for one in answer["messages"]]) == (200, ["Reset your password"])
    status, answer, _ = await both
    assert (status, [one["id"] for one in answer["messages"]]) == (200, [3, 2])


async def test_waiting_in_vain_says_so(site: Site) -> None:
    status, answer, _ = await site.ask("GET", f"{API}/wait?q=from:nobody&timeout=0")
    assert status == 408
    assert answer["error"].startswith("no message matches 'from:nobody'")
    assert "smtp://127.0.0.1" in answer["error"]


async def test_messages_are_marked_tagged_and_deleted(site: Site) -> None:
    await site.mail(*(plain(f"Number {number}") for number in range(4)))
    assert (await site.ask("PUT", f"{API}/messages/1/read", {"read": True}))[1] == {"changed": 1}
    assert (await site.ask("PUT", f"{API}/messages/1/read", {"read": True}))[1] == {"changed": 0}
    assert (await site.ask("PUT", f"{API}/messages/latest/tags", {"tags": ["spring", "to do"]}))[1]["tags"] == [
        "spring", "to do",
    ]  # fmt: skip
    _, info, _ = await site.ask("GET", f"{API}/info")
    assert (info["kept"], info["unread"], info["tags"]) == (4, 3, {"spring": 1, "to do": 1})
    assert info["session"]["accepted"] == 4
    assert info["smtp"] == site.server.url
    assert (await site.ask("POST", f"{API}/messages/read", {"q": "subject:number"}))[1] == {"changed": 3}
    assert (await site.ask("DELETE", f"{API}/messages/2"))[1] == {"deleted": 1}
    assert (await site.ask("DELETE", f"{API}/messages?q=tag:spring"))[1] == {"deleted": 1}
    assert (await site.ask("DELETE", f"{API}/messages"))[1] == {"deleted": 2}
    assert (await site.ask("GET", f"{API}/messages"))[1]["total"] == 0


async def test_faults_are_put_in_force_and_ended(site: Site) -> None:
    import smtplib

    status, answer, _ = await site.ask("PUT", f"{API}/faults", {"faults": ["rcpt=550:ben@*", "dot=10ms"]})
    assert (status, answer) == (200, {"faults": ["rcpt=550:ben@*", "dot=0.01s"]})
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await site.mail(plain("Refused"))
    status, answer, _ = await site.ask("PUT", f"{API}/faults", {"faults": ["nonsense"]})
    assert status == 400
    assert "STEP=ACTION" in answer["error"]
    assert len((await site.ask("GET", f"{API}/faults"))[1]["faults"]) == 2
    await site.ask("PUT", f"{API}/faults", {"faults": []})
    await site.mail(plain("Taken"))


async def test_findings_are_those_of_the_checks(site: Site) -> None:
    await site.mail(rich())
    status, found, _ = await site.ask("GET", f"{API}/messages/latest/findings")
    assert status == 200
    assert "active-content" in {finding["rule"] for finding in found}
    assert set(found[0]) == {"rule", "severity", "message", "line", "hint", "source"}
    assert found[0]["severity"] == "error"


async def test_events_tell_of_new_mail(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(site.url.rpartition(":")[2].strip("/")))
    writer.write(f"GET {API}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {site.token}\r\n\r\n".encode())
    await reader.readuntil(b"event: hello")
    await site.mail(plain("News"))
    told = await asyncio.wait_for(reader.readuntil(b"event: new"), 120)
    assert told
    assert b'"ids": [1]' in await reader.readuntil(b"]")
    writer.close()
    await writer.wait_closed()


WRONG = [
    ("GET", "/messages?limit=0", None, 400, "from 1 to 1000"),
    ("GET", "/messages?limit=x", None, 400, "whole number"),
    ("GET", "/messages?q=larger:huge", None, 400, "larger:100k"),
    ("GET", "/messages/99", None, 404, "no such message"),
    ("GET", "/messages/99999999999999999999", None, 404, "no such message"),
    ("GET", "/messages/nonsense", None, 404, "no such message"),
    ("GET", "/messages/1/parts/9.9", None, 404, "no such part"),
    ("GET", "/wait?timeout=nan", None, 400, "seconds"),
    ("GET", "/wait?timeout=1e9", None, 400, "seconds"),
    ("PUT", "/messages/1/tags", {"tags": "x"}, 400, "list of strings"),
    ("PUT", "/messages/1/tags", b"{", 400, "no JSON"),
    ("PUT", "/messages/1/tags", b"[" * 100_000, 400, "no JSON"),
    ("PUT", "/messages/1/tags", b"[]", 400, "object"),
    ("PUT", "/messages/1/tags", b" " * 1_100_000, 413, "over"),
    ("PUT", "/messages/1/read", {"read": "yes"}, 400, "true nor false"),
    ("DELETE", "/messages?q=is:odd", None, 400, "is:unread"),
    ("GET", "/nothing", None, 404, "openapi.json"),
]


async def test_what_is_wrong_is_said(site: Site) -> None:
    await site.mail(plain("One"))
    for method, path, body, code, words in WRONG:
        status, answer, _ = await site.ask(method, API + path, body)
        assert (status, words in answer["error"]) == (code, True), (path, answer)
    assert (await site.ask("GET", f"{API}/messages"))[1]["total"] == 1


STRANGERS: tuple[dict[str, str], ...] = (
    {}, {"Authorization": "Bearer guess"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"},
    {"Host": "evil.example"},
)  # fmt: skip


async def test_another_user_of_the_machine_and_another_site_get_nothing(site: Site) -> None:
    await site.mail(plain("One"))
    for headers in STRANGERS:
        for path in (f"{API}/messages", f"{API}/messages/1/raw", f"{API}/events", "/", "/list", "/message/1/frame"):
            status, body, _ = await site.ask("GET", path, headers=headers)
            assert status in {401, 421}
            assert "ada@example.org" not in str(body)
        assert (await site.ask("DELETE", f"{API}/messages", headers=headers))[0] in {401, 421}
    assert site.store.counts()["kept"] == 1


async def test_an_open_api_needs_no_secret_from_programs_and_its_pages_do(tmp_path: Path) -> None:
    async with running(tmp_path / "inbox", open_api=True) as site:
        await site.mail(plain("One"))
        assert (await site.ask("GET", "/", headers={}))[0] == 401
        for headers in STRANGERS[2:]:
            assert (await site.ask("DELETE", f"{API}/messages", headers=headers))[0] in {401, 421}
        assert (await site.ask("DELETE", f"{API}/messages", headers={}))[1] == {"deleted": 1}


async def test_hostile_mail_breaks_neither_list_nor_views(site: Site) -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(900))
    evil = EmailMessage()
    evil["Subject"] = "</title><script>alert(1)</script>"
    evil["From"] = '"<img src=x onerror=alert(1)>" <ada@example.org>'
    evil["X-Tags"] = '"><script>alert(1)</script>'
    evil.set_content("<script>alert(1)</script>")
    await site.mail(nested, b"\x00\xff" * 2000, b"", b"Subject: \xff\xfe\x00\r\n\r\n", evil)
    status, page, headers = await site.ask("GET", "/")
    assert status == 200
    assert b"<script>alert" not in page
    assert b"onerror=alert(1)>" not in page
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    for number in range(1, 6):
        for view in ("html", "text", "headers", "parts", "source", "findings"):
            status, content, _ = await site.ask("GET", f"/message/{number}?view={view}")
            assert status == 200
            assert b"<script>alert" not in content
        assert (await site.ask("GET", f"/message/{number}/frame"))[0] == 200
        assert (await site.ask("GET", f"{API}/messages/{number}"))[0] == 200
        assert (await site.ask("GET", f"{API}/messages/{number}/findings"))[0] in {200, 400}


async def test_the_framed_message_is_locked_in(site: Site) -> None:
    await site.mail(rich())
    status, document, headers = await site.ask("GET", "/message/1/frame?theme=dark")
    policy = headers["Content-Security-Policy"]
    assert status == 200
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert b'src="data:image/png;base64,' in document
    assert b"prefers-color-scheme" not in document
    _, _, headers = await site.ask("GET", "/message/1/frame?images=1")
    assert "https:" in headers["Content-Security-Policy"]
    status, content, headers = await site.ask("GET", "/message/1/download?part=2")
    assert (status, content) == (200, b"%PDF-1.4 acorns")
    assert headers["Content-Disposition"].endswith("filename*=UTF-8''%47%72%C3%B6%C3%9F%65%2E%70%64%66")
    status, content, headers = await site.ask("GET", "/message/1/download")
    assert content == site.store.raw(1)
    assert 'filename="message-1.eml"' in headers["Content-Disposition"]
    assert (await site.ask("GET", "/message/77"))[0] == 404


def test_the_description_names_every_route_and_no_other() -> None:
    document = openapi("http://localhost:8025")
    operations = {
        (path, method.upper()): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }
    routes = {
        (route.path_format, method)
        for route in (*api_routes(), *action_routes())
        for method in (route.methods or ())
        if method != "HEAD"
    }
    assert set(operations) == routes
    assert set(re.findall(r"#/components/schemas/(\w+)", str(document))) == set(document["components"]["schemas"])
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)


async def test_answers_have_the_described_fields(site: Site) -> None:
    await site.mail(rich())
    schemas = openapi("")["components"]["schemas"]
    for path, schema in (
        ("/messages", "Page"), ("/messages/1", "Message"), ("/info", "Info"), ("/faults", "Faults"),
        ("/messages/9", "Error"),
    ):  # fmt: skip
        assert set((await site.ask("GET", API + path))[1]) == set(schemas[schema]["properties"]), path
    assert set((await site.ask("GET", f"{API}/messages"))[1]["messages"][0]) == set(schemas["Summary"]["properties"])
    assert set((await site.ask("GET", f"{API}/messages/1"))[1]["parts"][0]) == set(schemas["Part"]["properties"])


async def test_the_example_in_the_docs_works(site: Site, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs/how-to/test-your-own-mail.md").read_text(encoding="utf-8")
    example = "\n\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL))
    assert example.count("def test_") == 2
    example = example.replace("http://localhost:8025", site.url.rstrip("/"))
    (tmp_path / "test_example.py").write_text(example, encoding="utf-8")
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path))
    run = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NEWSLETTER_INBOX__TOKEN": site.token},
    )  # fmt: skip
    said, _ = await run.communicate()
    assert "2 passed" in said.decode()


def test_the_reference_names_every_request() -> None:
    reference = (Path(__file__).parents[3] / "docs/reference/inbox-api.md").read_text(encoding="utf-8")
    for route in (*api_routes(), *action_routes()):
        for method in (route.methods or set()) - {"HEAD"}:
            path = route.path_format.removeprefix(PREFIX)
            for name in ("id", "number", "tag"):
                path = path.replace(f"{{{name}}}", name.upper())
            assert f"{method} {path}" in reference or path == "/openapi.json"


async def test_pictures_of_the_newsletters_own_site_show_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "letters/posts").mkdir(parents=True)
    (tmp_path / "letters/newsletter.toml").write_text('[newsletter]\nurl = "https://example.org"\n', encoding="utf-8")
    (tmp_path / "letters/posts/jay.png").write_bytes(PIXEL)
    own = load_site(load_config(tmp_path / "letters/newsletter.toml"))
    async with running(tmp_path / "inbox", site=own) as site:
        message = plain("Jays")
        sources = ("posts/jay.png", "posts/none.png", "newsletter.toml", "../inbox/index.sqlite")
        message.add_alternative("".join(f'<img src="https://example.org/{one}">' for one in sources), subtype="html")
        await site.mail(message)
        _, document, _ = await site.ask("GET", "/message/1/frame")
        assert document.count(b'src="data:image/png;base64,') == 1
        for kept in sources[1:]:
            assert f"https://example.org/{kept}".encode() in document
