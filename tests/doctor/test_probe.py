"""The probe: what was sent against what arrived; and once through a relay into a mailbox on loopback."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from newsletter.config.settings import load_config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.identity import read_identity
from newsletter.doctor.probe import examine_probe
from newsletter.doctor.received import read_received
from tests.cli.conftest import CONFIG, folder
from tests.feedback.dovecot import NOBODY, dovecot
from tests.smtp.listening import listen

__all__ = ["folder"]

RESULTS = (
    "mx.example.net; spf=pass (ok dkim=fail) smtp.mailfrom=a@example.org; dkim=pass header.d=example.org; dmarc=pass"
)
SENT = (
    "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=a; h=from:list-unsubscribe:list-unsubscribe-post; b=\r\n"
    "From: =?utf-8?q?Ada_M=C3=B6reau?= <ada@example.org>\r\nTo: b@example.net\r\nSubject: Hello there,\r\n all\r\n"
    "Date: Mon, 4 May 2026 09:00:00 +0100\r\nMessage-ID: <1@example.org>\r\nX-Newsletter-Ref: abc\r\n"
    "List-Unsubscribe: <https://example.org/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n"
    "--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n--x\r\nContent-Type: text/html\r\n\r\n"
    '<p>Hello <a href="https://example.org/a">a</a></p>\r\n--x--\r\n'
)
HOPS = (
    "Received: from relay.example.net (relay.example.net [192.0.2.1]) by mx with ESMTPS id 1; Mon, 4 May\r\n"
    "Received: from ada.local (localhost [127.0.0.1]) by relay.example.net with ESMTP id 2; Mon, 4 May\r\n"
)


def read(change: tuple[str, str] = ("", ""), results: str = RESULTS, hops: str = HOPS) -> dict[str, list[Diagnosis]]:
    """What is said of SENT once it has arrived, with something changed on the way."""
    arrived = f"Authentication-Results: {results}\r\n" * bool(results) + hops + SENT
    assert change[0] in arrived
    found: dict[str, list[Diagnosis]] = {}
    for one in read_received(SENT.encode(), arrived.replace(*change).encode(), "example.org"):
        found.setdefault(one.check, []).append(one)
    return found


def test_a_message_that_arrives_as_it_was_sent_is_fine() -> None:
    assert {one.result for group in read().values() for one in group} == {"pass"}


KINDS = [
    (("spf=pass (ok", "spf=softfail (no"), "probe-authentication", "fail", "spf=softfail"),
    (("dmarc=pass", "dmarc=fail"), "probe-authentication", "fail", "dmarc=fail"),
    (("dkim=pass header", "dkim=none header"), "probe-authentication", "warn", "dkim=none"),
    (("d=example.org; s=a", "d=relay.example.net; s=a"), "probe-signature", "fail", "not for example.org"),
    ((":list-unsubscribe-post", ""), "probe-signature", "fail", "leaves out list-unsubscribe-post"),
    (("DKIM-Signature: ", "X-Gone: "), "probe-signature", "fail", "without a DKIM signature"),
    (("<1@example.org>", "<99@relay.example.net>"), "probe-headers", "warn", "Message-ID was rewritten"),
    (("=?utf-8?q?Ada_M=C3=B6reau?= <ada@example.org>", "bulk@relay.example.net"), "probe-headers", "fail", "From"),
    (("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", ""), "probe-headers", "fail", "was taken out"),
    (("To: b@", "Subject: again\r\nTo: b@"), "probe-headers", "fail", "second Subject"),
    (("https://example.org/a", "https://click.example.net/x"), "probe-links", "warn", "1 links were rewritten"),
    (("</p>\r\n--x--", '</p><img src="https://x.example.net/p.gif">\r\n--x--'), "probe-links", "warn", "a picture"),
    (("\r\nHello\r\n", "\r\nHello\r\nSent by Acorn\r\n"), "probe-words", "warn", "the text part"),
    (("with ESMTPS id 1", "with ESMTP id 1"), "probe-tls", "fail", "in clear"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "check", "result", "what"), KINDS, ids=[kind[3] for kind in KINDS])
def test_what_was_done_on_the_way_is_named(change: tuple[str, str], check: str, result: str, what: str) -> None:
    wrong = [one for one in read(change)[check] if one.result != "pass"]
    assert wrong
    assert wrong[0].result == result
    assert what in wrong[0].what
    assert wrong[0].fix


def test_encoded_and_folded_anew_is_not_rewritten() -> None:
    assert read(("=?utf-8?q?Ada_M=C3=B6reau?=", "=?UTF-8?B?QWRhIE3DtnJlYXU=?="))["probe-headers"][0].result == "pass"
    assert read(("Hello there,\r\n all", "Hello there, all"))["probe-headers"][0].result == "pass"


def test_a_result_of_another_server_below_is_not_believed() -> None:
    """Anybody may have written it before the message came."""
    found = read(
        results="mx.example.net; spf=fail\r\nAuthentication-Results: evil.example; spf=pass; dkim=pass; dmarc=pass"
    )
    assert [one.result for one in found["probe-authentication"]] == ["fail", "warn", "warn"]


@pytest.mark.parametrize("html", ['<a href="' * 40_000, "<a " * 90_000 + "href=", "<a x" + " href" * 90_000])
def test_a_message_that_is_made_to_take_for_ever_does_not(html: str) -> None:
    begun = time.process_time()
    read_received(SENT.encode(), f"Content-Type: text/html\r\n\r\n{html}".encode(), "example.org")
    assert time.process_time() - begun < 10


def test_without_authentication_results_nothing_is_claimed() -> None:
    assert [one.result for one in read(results="")["probe-authentication"]] == ["skip"]


class IntoMailbox:
    """A relay whose only reader is the Maildir; it says what a receiving server says."""

    def __init__(self, mails: Path) -> None:
        self.mails = mails
        self.count = 0
        self.folder = "new"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.count += 1
        assert isinstance(envelope.content, bytes)
        path = self.mails / self.folder / f"1.{self.count}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"Authentication-Results: {RESULTS}\r\n{HOPS}".encode() + envelope.content)
        os.chown(path, NOBODY, NOBODY)
        return "250 OK"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[tuple[str, Path]]:
    with dovecot() as found:
        yield found


async def test_one_real_message_goes_through_the_relay_and_is_found_again(
    folder: Path, mailbox: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, mails = mailbox
    monkeypatch.setenv("NEWSLETTER_FEEDBACK__PASSWORD", "secret")
    handler = IntoMailbox(mails)
    relay = listen(handler)
    text = CONFIG.replace("smtp://localhost:1025", f"smtp://127.0.0.1:{relay.port}")
    text = text.replace("[unsubscribe]", '[unsubscribe]\nurl = "https://example.org/news"')
    (folder / "newsletter.toml").write_text(f'{text}\n[feedback]\nimap = "{url}"\n')
    config = load_config(folder / "newsletter.toml")
    try:
        first = await examine_probe(config, read_identity(config), seconds=20, every=0.05)
        again = await examine_probe(config, read_identity(config), seconds=20, every=0.05)
        (mails / ".Junk").mkdir()
        os.chown(mails / ".Junk", NOBODY, NOBODY)
        for name in ("new", "cur", "tmp"):
            (mails / ".Junk" / name).mkdir()
            os.chown(mails / ".Junk" / name, NOBODY, NOBODY)
        handler.folder = ".Junk/new"
        junk = await examine_probe(config, read_identity(config), seconds=20, every=0.05)
    finally:
        relay.stop()
    results = {one.check: one.result for one in first}
    assert results == {
        "probe": "pass", "probe-authentication": "pass", "probe-signature": "fail", "probe-headers": "pass",
        "probe-links": "pass", "probe-words": "pass", "probe-tls": "pass",
    }  # fmt: skip
    assert "arrived in INBOX" in first[0].what
    assert again[0].result == "pass"
    assert "landed in Junk" in junk[0].what
    assert handler.count == 3


async def test_a_message_that_never_arrives_is_named(
    folder: Path, mailbox: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_FEEDBACK__PASSWORD", "secret")

    class Lost:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            return "250 OK"

    relay = listen(Lost())
    text = CONFIG.replace("smtp://localhost:1025", f"smtp://127.0.0.1:{relay.port}")
    (folder / "newsletter.toml").write_text(f'{text}\n[feedback]\nimap = "{mailbox[0]}"\n')
    config = load_config(folder / "newsletter.toml")
    try:
        [found] = await examine_probe(config, read_identity(config), seconds=0, every=0.05)
    finally:
        relay.stop()
    assert found.result == "fail"
    assert "was accepted, and is not in" in found.what


async def test_a_probe_without_mailbox_relay_or_password_says_what_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(folder / "newsletter.toml")
    [found] = await examine_probe(config, read_identity(config))
    assert (found.result, "[feedback] imap" in found.fix) == ("skip", True)
    (folder / "newsletter.toml").write_text(CONFIG + '[feedback]\nimap = "imaps://ada@127.0.0.1:1/INBOX"\n')
    config = load_config(folder / "newsletter.toml")
    [found] = await examine_probe(config, read_identity(config))
    assert "NEWSLETTER_FEEDBACK__PASSWORD" in found.what
    monkeypatch.setenv("NEWSLETTER_FEEDBACK__OAUTH", "echo nothing to give >&2; exit 3")
    config = load_config(folder / "newsletter.toml")
    [found] = await examine_probe(config, read_identity(config))
    assert "see [feedback] oauth" in found.what
