"""A mailbox on a server: tokens, marks, folders, and servers that lack them, by a script of ours."""

from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.errors import NewsletterError
from newsletter.feedback.imap import HANDLED, ImapBox, ImapLogin, read_imap

from .imap_server import ImapServer, imap_server

MAILS = {1: b"Subject: one\r\n\r\n", 2: b"Subject: two\r\n\r\n", 7: b"Subject: seven\r\n\r\n"}
PASSWORD = ImapLogin(password="secret")


def read(server: ImapServer, login: ImapLogin = PASSWORD, move_to: str = "") -> list[bytes]:
    found = []
    for mail in read_imap(ImapBox.parse(server.url), login, 1_800_000_000.0, move_to=move_to):
        found.append(mail.data)
        mail.mark()
    return found


def test_a_token_opens_the_mailbox() -> None:
    with imap_server(ImapServer(dict(MAILS), token="fresh-token")) as server:
        assert read(server, ImapLogin(token="fresh-token")) == list(MAILS.values())
        assert any("SINCE 14-Jan-2027" in command for command in server.commands)


def test_a_refused_token_is_said_without_it() -> None:
    with imap_server(ImapServer(token="another")) as server, pytest.raises(NewsletterError) as caught:
        read(server, ImapLogin(token="stale-token"))
    assert "refuses the login; look at what [feedback] oauth prints" in caught.value.what
    assert "stale-token" not in caught.value.what


def test_what_was_handled_is_marked_and_not_read_again() -> None:
    with imap_server(ImapServer(dict(MAILS))) as server:
        assert read(server) == list(MAILS.values())
        assert server.flags == {1: {HANDLED}, 2: {HANDLED}, 7: {HANDLED}}
        assert "EXPUNGE" not in server.commands
        assert read(server) == []
        assert server.mails == MAILS


def test_a_server_that_keeps_no_marks_of_ours_has_them_seen() -> None:
    with imap_server(ImapServer(dict(MAILS), permanent_flags="\\Seen \\Deleted")) as server:
        assert read(server) == list(MAILS.values())
        assert server.flags == {1: {"\\Seen"}, 2: {"\\Seen"}, 7: {"\\Seen"}}
        assert read(server) == []


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 MOVE", "IMAP4rev1 UIDPLUS"])
def test_what_was_handled_moves_to_a_folder(capabilities: str) -> None:
    with imap_server(ImapServer(dict(MAILS), capabilities=capabilities)) as server:
        read(server, move_to="Handled")
        assert server.moved == {"Handled": [1, 2, 7]}
        assert server.mails == {}
        assert "Handled" in server.folders
        assert "EXPUNGE" not in server.commands  # which takes what others have marked


def test_nothing_is_moved_where_others_would_be_deleted_with_it() -> None:
    with imap_server(ImapServer(dict(MAILS))) as server, pytest.raises(NewsletterError, match="move_to: this server"):
        read(server, move_to="Handled")
    assert server.mails == MAILS


def test_a_run_that_dies_marks_what_it_has_done() -> None:
    with imap_server(ImapServer(dict(MAILS))) as server:
        mails = read_imap(ImapBox.parse(server.url), PASSWORD, None)
        next(mails).mark()
        next(mails)
        mails.close()  # type: ignore[attr-defined]
        assert server.flags == {1: {HANDLED}}


def test_large_mails_are_fetched_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.feedback.imap.BATCH_BYTES", 40)
    with imap_server(ImapServer(dict(MAILS))) as server:
        assert read(server) == list(MAILS.values())
        assert [command.split(" ")[2] for command in server.commands if "BODY.PEEK" in command] == ["1,2", "7"]


def test_no_server_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    with imap_server(ImapServer()) as server:
        box = ImapBox.parse(server.url)
    with pytest.raises(NewsletterError, match="can't be read now") as caught:
        next(read_imap(replace(box, port=9), PASSWORD, None))
    assert caught.value.exit_code == 75
