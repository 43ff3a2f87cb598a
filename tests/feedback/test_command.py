"""`feedback` as a user runs it, on mails that answer messages really sent."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.cli.conftest import Run
from tests.cli.test_send import Relay, parse

from .dovecot import dovecot
from .samples import AWAY, arf, dsn, plain


@dataclass
class Letter:
    """A newsletter whose issue went to three people."""

    folder: Path
    run: Run
    messages: dict[str, bytes]

    def header(self, email: str) -> str:
        return self.messages[email].partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n") + "\n"

    def bounce(self, email: str, status: str = "5.1.1", words: str = "550 5.1.1 user unknown") -> str:
        return dsn(email, status, words, returned=self.header(email))

    def feedback(self, *mails: str, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        names = []
        for number, mail in enumerate(mails):
            path = self.folder / f"mail{number}.eml"
            path.write_text(mail, encoding="utf-8")
            names.append(path.name)
        done = self.run("feedback", *names, "--json", *options)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def suppressed(self) -> dict[str, str]:
        done = self.run("suppress", "list", "--json")
        return {row["email"]: row["reason"] for row in json.loads(done.stdout)}


@pytest.fixture
def letter(folder: Path, run: Run, relay: Relay) -> Letter:
    sent = run("send", "hello", "--yes", "--smtp", relay.url)
    assert sent.returncode == 0, sent.stderr
    return Letter(folder, run, dict(relay.messages))


def test_a_hard_bounce_suppresses_once_and_the_same_mail_does_nothing_more(letter: Letter) -> None:
    mail = letter.bounce("grace@example.net")
    (entry,) = letter.feedback(mail)
    assert entry == {
        "file": "mail0.eml", "kind": "bounce", "email": "grace@example.net", "hard": True, "status": "5.1.1",
        "reason": "unknown address", "issue": "hello", "action": "suppressed",
    }  # fmt: skip
    assert letter.suppressed() == {"grace@example.net": "bounce"}
    (again,) = letter.feedback(mail)
    assert (again["kind"], again["action"]) == ("bounce", "none")


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(letter: Letter) -> None:
    mail = letter.bounce("grace@example.net")
    (entry,) = letter.feedback(mail, options=("--dry-run",))
    assert entry["action"] == "suppressed"
    assert letter.suppressed() == {}
    (entry,) = letter.feedback(mail)
    assert entry["action"] == "suppressed"


def test_a_forged_bounce_does_nothing(letter: Letter) -> None:
    ref = str(parse(letter.messages["grace@example.net"])["X-Newsletter-Ref"])
    header = letter.header("grace@example.net")
    id_ = str(parse(letter.messages["grace@example.net"])["Message-ID"])
    forged = dsn("grace@example.net", "5.1.1", "550 no", returned=header.replace(ref, "a" * 26).replace(id_, "<x@y>"))
    unsigned = dsn("grace@example.net", "5.1.1", "550 no", returned="Subject: Hello\n")
    assert [entry["action"] for entry in letter.feedback(forged, unsigned)] == ["none", "none"]
    assert letter.suppressed() == {}


def test_an_unsigned_bounce_acts_where_that_is_trusted_and_we_wrote_lately(letter: Letter) -> None:
    with (letter.folder / "newsletter.toml").open("a") as file:
        file.write("[feedback]\ntrust_unsigned = true\n")
    unsigned = [
        dsn(email, "5.1.1", "550 no", returned="Subject: x\n") for email in ("grace@example.net", "x@example.com")
    ]
    assert [entry["action"] for entry in letter.feedback(*unsigned)] == ["suppressed", "none"]


def test_a_bounce_that_names_another_address_is_about_whom_we_wrote_to(letter: Letter) -> None:
    mail = dsn("forwarded@example.com", "5.1.1", "550 user unknown", returned=letter.header("linus@example.com"))
    (entry,) = letter.feedback(mail)
    assert (entry["email"], entry["action"]) == ("linus@example.com", "suppressed")


def test_a_return_path_of_its_own_names_the_reader_whatever_is_left_of_the_mail(
    folder: Path,
    run: Run,
    relay: Relay,
) -> None:
    config = folder / "newsletter.toml"
    config.write_text(config.read_text().replace("[smtp]", '[smtp]\nmail_from = "bounces@example.org"'))
    assert run("send", "hello", "--yes", "--smtp", relay.url).returncode == 0
    message = dict(relay.messages)["grace@example.net"]
    to = f"bounces+{parse(message)['X-Newsletter-Ref']}@example.org"
    mail = plain("MAILER-DAEMON@mx.example.net", "failure notice", "<someone@example.com>:\nNo such user here", to=to)
    (entry,) = Letter(folder, run, {}).feedback(mail)
    assert (entry["email"], entry["action"]) == ("grace@example.net", "suppressed")


def test_a_full_mailbox_counts_and_suppresses_after_three_issues_over_two_weeks(letter: Letter) -> None:
    mails = [letter.bounce("grace@example.net", "5.2.2", f"552 5.2.2 mailbox full, try {n}") for n in range(5)]
    assert [entry["action"] for entry in letter.feedback(*mails[:4])] == ["counted"] * 4
    with sqlite3.connect(letter.folder / "newsletter.db") as database:
        database.execute("UPDATE events SET issue = 'a', created = created - 9 * 86400 WHERE id = 1")
        database.execute("UPDATE events SET issue = 'b', created = created - 15 * 86400 WHERE id = 2")
    assert letter.feedback(mails[4])[0]["action"] == "suppressed"


def test_what_is_about_us_counts_against_nobody(letter: Letter) -> None:
    (entry,) = letter.feedback(letter.bounce("grace@example.net", "5.7.26", "550 5.7.26 DMARC policy"))
    assert (entry["kind"], entry["action"], entry["reason"]) == ("bounce", "none", "authentication")


def test_a_complaint_suppresses_whoever_the_message_went_to(letter: Letter) -> None:
    (entry,) = letter.feedback(arf("abuse", returned=letter.header("ada@example.org")))
    assert (entry["kind"], entry["email"], entry["action"]) == ("complaint", "ada@example.org", "suppressed")
    assert letter.suppressed() == {"ada@example.org": "complaint"}


def test_a_mail_to_the_address_of_list_unsubscribe_leaves(letter: Letter) -> None:
    field = str(parse(letter.messages["ada@example.org"])["List-Unsubscribe"])
    subject = field.partition("subject=")[2].strip("> ").replace("%20", " ")
    mail = plain("another.address@example.com", subject, "", to="unsubscribe@example.org")
    (entry,) = letter.feedback(mail)
    assert (entry["email"], entry["issue"], entry["action"]) == ("ada@example.org", "hello", "suppressed")
    assert letter.suppressed() == {"ada@example.org": "unsubscribe"}
    again = letter.run("send", "hello", "--yes", "--again", "hello-2", "--smtp", "smtp://127.0.0.1:9", "--json")
    assert "ada@example.org" not in again.stdout
    letter.run("subscribers", "remove", "ada@example.org", "--erase", "--yes")
    late = letter.feedback(
        mail + "later\n", letter.bounce("ada@example.org"), arf("abuse", returned=letter.header("ada@example.org"))
    )
    assert {entry["action"] for entry in late} == {"none"}
    with sqlite3.connect(letter.folder / "newsletter.db") as state:
        rows = [
            row for table in ("suppressions", "events", "deliveries") for row in state.execute(f"SELECT * FROM {table}")
        ]
    assert "ada@example.org" not in str(rows)


def test_a_subscriber_leaves_from_the_own_address_and_a_stranger_does_not(letter: Letter) -> None:
    own = plain("Linus <linus@example.com>", "unsubscribe", "", to="unsubscribe@example.org")
    stranger = plain("x@example.net", "unsubscribe", "", to="unsubscribe@example.org")
    forged = plain("x@example.net", f"unsubscribe {'A' * 60}", "", to="unsubscribe@example.org")
    assert [entry["action"] for entry in letter.feedback(own, stranger, forged)] == ["suppressed", "none", "none"]
    assert letter.suppressed() == {"linus@example.com": "unsubscribe"}


def test_other_mail_is_left_alone_and_counted(letter: Letter) -> None:
    (letter.folder / "away.eml").write_text(AWAY)
    done = letter.run("feedback", "away.eml")
    assert done.returncode == 0
    assert done.stdout == "1 mail read, 0 acted on; left alone: 1 automatic reply\n"


def test_standard_input_a_maildir_and_an_mbox_are_read(letter: Letter) -> None:
    box = letter.folder / "Maildir"
    for name in ("new", "cur", "tmp"):
        (box / name).mkdir(parents=True)
    (box / "new" / "1.eml").write_text(letter.bounce("grace@example.net"))
    (box / "cur" / "2.eml:2,S").write_text(letter.bounce("linus@example.com"))
    (entry,) = json.loads(letter.run("feedback", "--maildir", str(box), "--json").stdout)
    assert (entry["email"], entry["action"]) == ("grace@example.net", "suppressed")
    assert sorted(path.name for path in (box / "cur").iterdir()) == ["1.eml:2,S", "2.eml:2,S"]
    assert json.loads(letter.run("feedback", "--maildir", str(box), "--json").stdout) == []
    mbox = letter.folder / "mbox"
    mbox.write_text("".join(f"From x Thu Nov 26 10:00:00 2026\n{letter.bounce(email)}\n" for email in letter.messages))
    done = letter.run("feedback", "--mbox", "mbox", "--json")
    assert {entry["email"] for entry in json.loads(done.stdout)} == set(letter.messages)
    assert set(letter.suppressed()) == set(letter.messages)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "there is no mailbox to read"),
        (("none.eml",), "can't be read"),
        (("--maildir", "posts"), "is no Maildir"),
        (("--mbox", "none"), "is no mbox file"),
        (("--imap", "ftp://x"), "is no mailbox"),
        (("--imap", "imaps://ada:secret@example.org/INBOX"), "a password can't stand in an address"),
        (("--imap", "imaps://ada@127.0.0.1:9/INBOX"), "can't be read now"),
    ],
)
def test_what_cannot_be_read_is_one_line(folder: Path, run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("feedback", *arguments, NEWSLETTER_FEEDBACK__PASSWORD="secret")
    assert done.returncode == (75 if "now" in words else 2)
    assert words in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def imap(letter: Letter) -> Iterator[tuple[str, Path]]:
    """A mailbox over TLS, by an authority that the newsletter trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(letter.folder / "ca.pem")
    with (letter.folder / "newsletter.toml").open("a") as file:
        file.write("[feedback]\nca_file = 'ca.pem'\n")
    with dovecot(authority) as found:
        yield found


def test_a_mailbox_on_a_server_is_read_once_and_nothing_is_deleted(letter: Letter, imap: tuple[str, Path]) -> None:
    url, mails = imap
    (mails / "new" / "1").write_text(letter.bounce("grace@example.net"))
    (mails / "new" / "2").write_text(AWAY)

    def feedback(*options: str) -> list[dict[str, Any]]:
        done = letter.run("feedback", "--imap", url, "--json", *options, NEWSLETTER_FEEDBACK__PASSWORD="secret")
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    assert [entry["action"] for entry in feedback("--dry-run")] == ["suppressed", "none"]
    assert [entry["action"] for entry in feedback()] == ["suppressed", "none"]
    assert feedback() == []
    assert len(list((mails / "cur").iterdir())) == 2
    (mails / "new" / "3").write_text(letter.bounce("linus@example.com"))
    with (letter.folder / "newsletter.toml").open("a") as file:
        file.write("move_to = 'Handled'\n")
    assert [entry["email"] for entry in feedback()] == ["linus@example.com"]
    assert len(list((mails / "cur").iterdir())) == 2
    assert len([path for path in (mails / ".Handled").glob("*/*") if path.parent.name in {"new", "cur"}]) == 1


def test_a_certificate_of_a_stranger_is_told(letter: Letter, imap: tuple[str, Path]) -> None:
    trustme.CA().cert_pem.write_to_path(letter.folder / "ca.pem")
    done = letter.run("feedback", "--imap", imap[0], NEWSLETTER_FEEDBACK__PASSWORD="secret")
    assert done.returncode == 2
    assert "its certificate is not trusted" in done.stderr


def test_a_wrong_password_for_the_mailbox_is_said_without_it(letter: Letter, imap: tuple[str, Path]) -> None:
    done = letter.run("feedback", "--imap", imap[0], NEWSLETTER_FEEDBACK__PASSWORD="wrong-one")
    assert done.returncode == 2
    assert "refuses the login" in done.stderr
    assert "wrong-one" not in done.stderr
