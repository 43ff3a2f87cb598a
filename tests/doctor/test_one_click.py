"""Unsubscribing as a mailbox provider tries it, against real pages over TLS."""

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from newsletter.config.settings import Config, load_config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.one_click import examine_one_click
from tests.checks.servers import listening

PAGE = '<form method="post"><button>Unsubscribe</button></form>'


@dataclass
class Pages:
    """Answers each method with a status line, further fields and a body."""

    get: tuple[str, str, str] = ("200 OK", "", PAGE)
    post: tuple[str, str, str] = ("200 OK", "", "")
    asked: list[tuple[str, str]] = field(default_factory=list)  # method, and a form's content type

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        assert not body or b"One-Click" in body
        method = head.split(" ", 1)[0]
        self.asked.append((method, fields.get("content-type", "").partition(";")[0]))
        status, more, text = self.get if method == "GET" else self.post
        writer.write(f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(text)}\r\n\r\n{text}".encode())
        await writer.drain()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _config(folder: Path, lines: str) -> Config:
    path = folder / "newsletter.toml"
    path.write_text(f'[newsletter]\nauthor = "Ada <ada@example.org>"\n[unsubscribe]\n{lines}\n')
    return load_config(path)


async def examine(folder: Path, authority: trustme.CA, pages: Pages) -> tuple[list[Diagnosis], datetime | None]:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with listening(pages.serve, server) as port:
        return await examine_one_click(_config(folder, f'url = "https://localhost:{port}/news"'), client)


async def test_both_encodings_of_the_post_are_tried_and_opening_comes_first(
    tmp_path: Path, authority: trustme.CA
) -> None:
    pages = Pages(get=("200 OK", "Date: Thu, 26 Nov 2026 12:00:00 GMT\r\n", PAGE))
    found, outside = await examine(tmp_path, authority, pages)
    assert [one.result for one in found] == ["pass", "pass", "pass"]
    assert pages.asked == [("GET", ""), ("POST", "application/x-www-form-urlencoded"), ("POST", "multipart/form-data")]
    assert outside == datetime(2026, 11, 26, 12, tzinfo=UTC)


KINDS = [
    (Pages(post=("302 Found", "Location: /done\r\n", "")), "a redirect to /done"),
    (Pages(post=("405 Method Not Allowed", "", "")), "answers one click (application/x-www-form-urlencoded) with 405"),
    (Pages(get=("404 Not Found", "", "")), "answers opening it with 404"),
    (Pages(get=("403 Forbidden", "cf-mitigated: challenge\r\n", "Just a moment")), "a challenge page before opening"),
    (Pages(get=("200 OK", "", "<title>Just a moment...</title>")), "a challenge page before the reader"),
    (Pages(post=("503 Service Unavailable", "", "captcha")), "a challenge page before one click"),
    (Pages(get=("200 OK", "", "You have been unsubscribed.")), "unsubscribes whoever opens it"),
    (Pages(get=("200 OK", "", "<p>Hello</p>")), "without a button"),
]  # fmt: skip


@pytest.mark.parametrize(("pages", "what"), KINDS, ids=[what for _, what in KINDS])
async def test_what_mail_programs_cannot_do_is_named(
    tmp_path: Path, authority: trustme.CA, pages: Pages, what: str
) -> None:
    found, _ = await examine(tmp_path, authority, pages)
    wrong = [one for one in found if one.result == "fail"]
    assert wrong
    assert what in wrong[0].what


async def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path, authority: trustme.CA) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    async with listening(Pages().serve, server) as port:
        [found], _ = await examine_one_click(_config(tmp_path, f'url = "https://localhost:{port}"'))
    assert "certificate that is not trusted" in found.what


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        ("", "fail"),
        ('mailto = "leave@example.org"', "warn"),
        ('url = "http://localhost:1"', "fail"),
        ('url = "https://localhost:1"', "fail"),
    ],
)
async def test_no_way_to_leave_by_one_click_is_named(tmp_path: Path, lines: str, result: str) -> None:
    [found], _ = await examine_one_click(_config(tmp_path, lines))
    assert found.result == result
    assert found.fix
