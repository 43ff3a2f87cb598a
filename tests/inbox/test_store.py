"""The store: a Maildir that other programs may change, an index that follows, and mail that means harm."""

import mailbox
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from newsletter.errors import NewsletterError
from newsletter.inbox.index import INDEX_NAME, Index, open_index
from newsletter.inbox.indexing import OwnIndexer, Unindexed
from newsletter.inbox.maildir import Entry, Maildir
from newsletter.inbox.store import Store, StoreChange
from newsletter.mime.parse import MAX_PARTS
from tests.mime.hostile import HOSTILE

MESSAGE = b"From: ada@example.org\r\nTo: ben@example.org\r\nSubject: Oak %d\r\n\r\nacorn %d\r\n"


def fill(store: Store, count: int) -> None:
    for number in range(count):
        store.add("ada@example.org", ["ben@example.org"], MESSAGE % (number, number))


def test_the_standard_library_reads_and_changes_the_same_maildir(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        fill(store, 3)
        box = mailbox.Maildir(tmp_path, create=False)
        assert {message["Subject"] for message in box} == {"Oak 0", "Oak 1", "Oak 2"}
        store.flush()
        seen = next(key for key, message in box.items() if message["Subject"] == "Oak 1")
        message = box[seen]
        message.set_subdir("cur")
        message.add_flag("S")
        box[seen] = message
        box.discard(next(key for key, message in box.items() if message["Subject"] == "Oak 0"))
        box.add(b"Subject: from another program\n\nwith bare line ends\n")
        assert store.sync(young=0)
        assert [row.subject for row in store.search().rows] == ["from another program", "Oak 2", "Oak 1"]
        assert [row.subject for row in store.search("is:read").rows] == ["Oak 1"]
        assert not store.sync(young=0)
        assert not store.follow()


def test_what_another_program_did_is_seen_though_the_index_was_compacted_since(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for number in range(12):
            store.add("ada@example.org", ["ben@example.org"], MESSAGE % (number, number))
            store.flush()
        store.delete(range(1, 6))
        mailbox.Maildir(tmp_path, create=False).clear()
        assert store.compact()
        while store.compact():
            pass
        assert store.follow()
        assert store.search().total == 0


def test_marking_as_read_is_a_flag_in_the_file_name(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        fill(store, 2)
        store.flush()
        assert store.mark([1], unread=False) == 1
        assert [name.endswith(":2,S") for name in os.listdir(tmp_path / "cur")] == [True]
        assert store.mark([1], unread=False) == 0
        assert store.counts()["unread"] == 1
        assert store.mark([1, 2, 99], unread=True) == 1
        assert store.raw(1) == MESSAGE % (0, 0)


@pytest.mark.parametrize("damage", ["deleted", "garbage", "truncated"])
def test_an_index_that_is_lost_or_broken_is_made_again(tmp_path: Path, damage: str) -> None:
    with Store(tmp_path) as store:
        fill(store, 30)
    index = tmp_path / INDEX_NAME
    if damage == "deleted":
        index.unlink()
    elif damage == "garbage":
        index.write_bytes(b"no database" * 1000)
    else:
        index.write_bytes(index.read_bytes()[:5000])
    for ending in ("-wal", "-shm"):
        (tmp_path / f"{INDEX_NAME}{ending}").unlink(missing_ok=True)
    with Store(tmp_path) as store:
        page = store.search("acorn")
        assert page.total == 30
        assert [row.subject for row in page.rows][:2] == ["Oak 29", "Oak 28"]


def test_messages_that_were_not_indexed_before_a_crash_are_found_at_the_next_start(tmp_path: Path) -> None:
    crash = (
        "import os, pathlib, sys; from newsletter.inbox.store import Store; from tests.inbox.test_store import fill\n"
        "fill(Store(pathlib.Path(sys.argv[1])), 5); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", crash, tmp_path], check=False).returncode == 9
    with Store(tmp_path) as after:
        assert after.search().total == 5


def test_only_the_newest_are_kept_and_the_rest_is_counted(tmp_path: Path) -> None:
    with Store(tmp_path, limit=20) as store:
        fill(store, 95)
        assert len(os.listdir(tmp_path / "new")) < 40
        assert store.counts() == {"kept": 20, "unread": 20, "received": 95, "dropped": 75}
        assert [row.subject for row in store.search("", limit=1).rows] == ["Oak 94"]
        assert store.search("acorn").total == 20
        assert len(os.listdir(tmp_path / "new")) == 20
    with Store(tmp_path, limit=5) as store:
        assert store.counts() == {"kept": 5, "unread": 5, "received": 95, "dropped": 90}


def test_deleting_takes_the_file_the_words_and_the_tags(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        fill(store, 4)
        store.flush()
        assert store.tags.give(2, ["spring", " Spring", "to\x00 do", 'quo"ted', ""]) == (
            "spring",
            "to do",
            "quoted",
        )
        assert store.get(2).tags == ("quoted", "spring", "to do")  # type: ignore[union-attr]
        assert store.delete([2, 2, 77]) == 1
        assert (store.tags.counts(), store.search("acorn").total, len(os.listdir(tmp_path / "new"))) == ([], 3, 3)
        assert store.delete_matching("subject:3") == 1
        assert store.clear() == 2
        assert store.counts() == {"kept": 0, "unread": 0, "received": 0, "dropped": 0}
        fill(store, 1)
        assert store.search("acorn").rows[0].id > 4  # ids are not used twice


def test_a_message_that_somebody_took_away_is_none(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        fill(store, 2)
        store.flush()
        for name in os.listdir(tmp_path / "new"):
            (tmp_path / "new" / name).unlink()
        assert store.raw(1) is None
        assert store.message(2) is None
        assert store.search().total == 0


def test_two_processes_may_use_one_inbox(tmp_path: Path) -> None:
    with Store(tmp_path) as one, Store(tmp_path) as other:
        heard: list[StoreChange] = []
        other.subscribe(heard.append)
        one.add("ada@example.org", ["hidden@example.org"], MESSAGE % (1, 1))
        other.sync(young=0)
        other.flush()
        one.flush()
        assert [row.rcpt_tos for row in other.search().rows] == [("hidden@example.org",)]
        assert other.follow()
        assert {event.kind for event in heard} == {"new", "reset"}


def test_what_changes_is_told(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        heard: list[StoreChange] = []
        stop = store.subscribe(heard.append)
        fill(store, 2)
        store.flush()
        store.mark([1], unread=False)
        store.tags.give(2, ["x"])
        store.delete([1])
        store.clear()
        stop()
        fill(store, 1)
        store.flush()
    assert [(event.kind, event.ids) for event in heard] == [
        ("new", (1, 2)), ("changed", (1,)), ("changed", (2,)), ("deleted", (1,)), ("reset", ()),
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["oak", ""])
def test_what_is_being_deleted_is_not_taken_for_another_programs_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    with Store(tmp_path) as store:
        fill(store, 3)
        store.flush()
        heard: list[str] = []
        store.subscribe(lambda event: heard.append(event.kind))
        remove, followed = Maildir.remove, []

        def slowly(maildir: Maildir, entry: Entry) -> None:
            remove(maildir, entry)
            followed.append(store.follow())

        monkeypatch.setattr(Maildir, "remove", slowly)
        assert store.delete_matching(query) == 3
        assert followed == [False] * 3
        assert not store.follow()
    assert heard == ["deleted" if query else "reset"]


def test_many_threads_may_add_search_and_delete_at_once(tmp_path: Path) -> None:
    with Store(tmp_path, limit=100) as store:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for turn in range(40):
                    store.add("a@example.org", ["b@example.org"], MESSAGE % (number, turn))
                    if turn % 10 == number:
                        store.search("acorn")
                        store.delete([row.id for row in store.search("", limit=3).rows])
                        store.sync()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        store.flush()
        assert store.counts()["kept"] == len(os.listdir(tmp_path / "new")) <= 100


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NewsletterError, match="writable"):
        Store(tmp_path / "file" / "inbox")
    with pytest.raises(NewsletterError, match="at least 1"):
        Store(tmp_path, limit=0)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_kept_listed_and_read_in_time(tmp_path: Path, name: str) -> None:
    began = time.process_time()
    with Store(tmp_path) as store:
        store.add("\udcff@example.org", ["b\udcfe@example.org"], HOSTILE[name])
        assert store.search().total == 1
        message = store.message(1)
        assert message is not None
        "".join((message.text, message.html, *(value for _, value in message.headers))).encode()
        for part in message.parts[:100]:
            part.content()
            part.text().encode()
            assert "/" not in part.filename
        assert len(message.parts) <= MAX_PARTS
        assert not any("\n" in value or "\x00" in value for _, value in message.headers)
    assert time.process_time() - began < 3


def test_messages_go_by_age_and_by_what_they_weigh_in_all(tmp_path: Path) -> None:
    now = [1_000_000.0]
    with Store(tmp_path / "old", max_age=3600, clock=lambda: now[0]) as store:
        store.add("a@example.org", ["b@example.org"], MESSAGE)
        store.flush()
        now[0] += 3000
        store.add("a@example.org", ["b@example.org"], MESSAGE)
        store.flush()
        assert store.counts()["kept"] == 2
        now[0] += 3000
        store.flush()
        assert [row.id for row in store.search().rows] == [2]
        assert (store.counts()["dropped"], len(list((tmp_path / "old/new").iterdir()))) == (1, 1)
    with Store(tmp_path / "heavy", max_bytes=3 * len(MESSAGE) + 1) as store:
        for _ in range(5):
            store.add("a@example.org", ["b@example.org"], MESSAGE)
        store.flush()
        assert [row.id for row in store.search().rows] == [5, 4, 3]
        assert len(list((tmp_path / "heavy/new").iterdir())) == 3


class Elsewhere:
    """Indexes as another process does, until it is gone."""

    def __init__(self, path: Path, batches: int) -> None:
        self._own, self._left = OwnIndexer(Maildir(path), open_index(path)), batches

    def ask(self, batch: Sequence[Unindexed]) -> None:
        self._own.ask(list(batch))

    def receive(self) -> list[int]:
        if not self._left:
            raise NewsletterError("it has ended")
        self._left -= 1
        return self._own.receive()


def test_what_indexes_elsewhere_may_end_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.inbox.indexing.BATCH", 3)
    with Store(tmp_path, indexer=Elsewhere(tmp_path, 2)) as store:
        fill(store, 20)
        assert store.waiting == 20
        assert store.flush(4) == 4
        assert (store.waiting, store.flush(), store.waiting) == (16, 16, 0)
        assert [row.id for row in store.search(limit=50).rows] == list(range(20, 0, -1))


def test_what_could_not_be_indexed_is_indexed_later_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.inbox.indexing.BATCH", 3)
    with Store(tmp_path, indexer=Elsewhere(tmp_path, 99)) as store:
        fill(store, 10)
        with monkeypatch.context() as patched:
            patched.setattr(Index, "add", full)
            with pytest.raises(sqlite3.OperationalError):
                store.flush()
        assert store.waiting == 10
        assert (store.search("subject:1").total, store.search().total) == (1, 10)


def full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")
