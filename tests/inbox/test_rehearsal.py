"""What a rehearsal leaves in the test inbox, and what it never writes."""

from contextlib import closing
from pathlib import Path

import pytest

from newsletter.inbox.rehearsal import RehearsalStore
from newsletter.inbox.store import Store


def rehearse(folder: Path, numbers: range, limit: int) -> None:
    """A rehearsal of messages with these numbers for subjects."""
    with closing(RehearsalStore(folder, limit)) as store:
        for number in numbers:
            store.add(f"from{number}@example.org", ("b@example.org",), b"Subject: %d\r\n\r\nwords\r\n" % number)
        assert not list((folder / "new").iterdir()) or numbers.start


def test_only_what_is_kept_becomes_a_file_with_its_envelope(tmp_path: Path) -> None:
    rehearse(tmp_path / "inbox", range(100), 10)
    assert len(list((tmp_path / "inbox" / "new").iterdir())) == 10
    with Store(tmp_path / "inbox", limit=10) as store:
        rows = store.search().rows
        assert [row.subject for row in rows] == [str(number) for number in range(99, 89, -1)]
        assert [row.mail_from for row in rows][:2] == ["from99@example.org", "from98@example.org"]
        assert rows[0].rcpt_tos == ("b@example.org",)
        assert store.raw(rows[0].id) == b"Subject: 99\r\n\r\nwords\r\n"
        counts = store.counts()
        assert (counts["kept"], counts["received"], counts["dropped"]) == (10, 100, 90)


def test_older_messages_make_room_whether_they_were_looked_at_or_not(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    rehearse(folder, range(6), 10)
    with Store(folder, limit=10) as store:
        assert store.search().total == 6
    rehearse(folder, range(6, 11), 10)  # five of the six stay
    assert len(list((folder / "new").iterdir())) == 10
    rehearse(folder, range(11, 18), 10)  # all of those go, and two of the second rehearsal
    assert len(list((folder / "new").iterdir())) == 10
    with Store(folder, limit=10) as store:
        assert [row.subject for row in store.search().rows] == [str(number) for number in range(17, 7, -1)]


def test_an_inbox_that_is_open_meanwhile_learns_of_them_at_its_next_look(tmp_path: Path) -> None:
    with Store(tmp_path / "inbox") as store:
        rehearse(tmp_path / "inbox", range(3), 10)
        assert store.follow()
        assert [row.mail_from for row in store.search().rows] == [f"from{number}@example.org" for number in (2, 1, 0)]


def test_what_is_held_in_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.inbox.rehearsal.MAX_HELD", 1_000)
    files = tmp_path / "inbox" / "new"
    with closing(RehearsalStore(tmp_path / "inbox", 5)) as store:
        for number in range(5):
            store.add("a@example.org", ("b@example.org",), b"%d" % number * 400)
        assert len(list(files.iterdir())) == 3
        assert store.newest() == b"4" * 400
        store.add("a@example.org", ("b@example.org",), b"5" * 400)  # the oldest, held in memory, makes room for it
        assert len(list(files.iterdir())) == 3
    assert len(list(files.iterdir())) == 5


def test_a_message_that_was_noted_and_is_gone_is_forgotten(tmp_path: Path) -> None:
    rehearse(tmp_path / "inbox", range(2), 10)
    next((tmp_path / "inbox" / "new").iterdir()).unlink()
    with Store(tmp_path / "inbox") as store:
        assert store.search().total == 1
