"""The store: a Maildir that other programs may change, an index that follows, and mail that means harm."""

import mailbox
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import NewsletterError
from newsletter.inbox.maildir import Entry, Maildir
from newsletter.inbox.store import INDEX_NAME, Event, Store
from newsletter.mime.message import read_message, strip_tags, words_of
from newsletter.mime.parse import MAX_DEPTH, MAX_PARTS

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
        assert store.tag(2, ["spring", " Spring", "to\x00 do", 'quo"ted', ""]) == (
            "spring",
            "Spring",
            "to do",
            "quoted",
        )
        assert store.get(2).tags == ("quoted", "spring", "to do")  # type: ignore[union-attr]
        assert store.delete([2, 2, 77]) == 1
        assert (store.tags(), store.search("acorn").total, len(os.listdir(tmp_path / "new"))) == ([], 3, 3)
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
        heard: list[Event] = []
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
        heard: list[Event] = []
        stop = store.subscribe(heard.append)
        fill(store, 2)
        store.flush()
        store.mark([1], unread=False)
        store.tag(2, ["x"])
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


NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000))
MANY = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 30_000 + b"--b--\r\n"
RFC822 = b"Content-Type: message/rfc822\r\n\r\n" * 3000 + b"Subject: in\r\n\r\nx"
HOSTILE = {
    "empty": b"",
    "no header": b"hello world\r\nwithout any header\r\n",
    "only a header": b"Subject: x",
    "nuls": b"Subject: a\x00b\r\nFrom: \x00\r\n\r\n\x00\x00\x00",
    "random bytes": bytes(range(256)) * 200,
    "nested multiparts": NESTED,
    "nested messages": RFC822,
    "thirty thousand parts": MANY,
    "one boundary for all": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 2000,
    "no boundary": b"Content-Type: multipart/alternative\r\n\r\nx",
    "boundary never used": b"Content-Type: multipart/alternative; boundary=zz\r\n\r\nx",
    "gigantic field": b"Subject: " + b"x" * 5_000_000 + b"\r\n\r\nbody",
    "gigantic header": b"X-A: 1\r\n" * 500_000 + b"\r\nbody",
    "encoded words without end": b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\n",
    "line ends in an encoded word": b"Subject: =?utf-8?q?a=0d=0aBcc:_x=00?=\r\n\r\n",
    "unknown charsets": b"Subject: =?nonsense?q?x?= =?punycode?b?////?=\r\n"
    b"Content-Type: text/plain; charset=zlib\r\n\r\nx\xff",
    "bad base64": b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n=====A===B!!\xff\r\n",
    "bad quoted-printable": b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"==\r\n=ZZ=\r\n=",
    "utf-7 surrogates": b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-",
    "odd parameters": b"Content-Type: text/html; charset*=x'y'%zz; charset*0=; ;;=; name*999999999=a\r\n\r\n<b>x",
    "evil names": b"Content-Type: application/x; name=\"../../etc/passwd\"\r\nContent-Disposition: attachment; "
    b"filename*=utf-8''..%2F..%2F%00evil%0d%0a.exe\r\n\r\nx",
    "many addresses": b"To: " + b"a@example.org, " * 20_000 + b"\r\n\r\nx",
    "nested comments": b"To: " + b"(" * 50_000 + b"\r\nFrom: " + b"<" * 50_000 + b"\r\nDate: " + b"(" * 9999,
    "odd dates": b"Date: Mon, 99 Foo 99999999999999 99:99:99 +9999999\r\n\r\nx",
    "html that never ends": b"Content-Type: text/html\r\n\r\n" + b"<style" * 200_000,
    "open tags": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 300_000 + b"&" * 100_000,
    "parameters by the thousand": b"Content-Type: multipart/mixed" + b"; a=\"b\\" * 50_000 + b"\r\n\r\nx",
}  # fmt: skip


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


def test_what_was_left_out_is_said() -> None:
    assert any("deeper than" in defect for defect in read_message(NESTED).defects)
    assert any("parts" in defect for defect in read_message(MANY).defects)
    assert max(part.number.count(".") for part in read_message(NESTED).parts) < MAX_DEPTH


def test_a_message_as_programs_write_them_is_understood() -> None:
    message = read_message(
        b"From: =?utf-8?q?Ad=C3=A8le?= <ada@example.org>\r\nTo: Ben <ben@example.org>,\r\n\tcarl@example.org\r\n"
        b"Subject: =?utf-8?b?R3LDvMOfZQ==?= =?utf-8?b?IGF1cw==?= Lyon\r\nDate: Mon, 4 May 2026 10:00:00 +0200\r\n"
        b"Content-Type: multipart/mixed; boundary=\"=_a b\"\r\n\r\npreamble\r\n--=_a b\r\n"
        b"Content-Type: multipart/alternative; boundary=\"=_a\"\r\n\r\n--=_a\r\n"
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"caf=E9 =80\r\n--=_a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n--r\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>caf\xc3\xa9 <img src=\"cid:pic@x\"></p>\r\n--r\r\n"
        b"Content-Type: image/png\r\nContent-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"iVBORw0K\r\n--r--\r\n"
        b"--=_a--\r\n--=_a b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
        b" filename*0*=utf-8''r%C3%A9; filename*1*=sum%C3%A9.pdf\r\n\r\nPDF\r\n--=_a b--\r\nepilogue\r\n"
    )  # fmt: skip
    assert message.defects == ()
    assert (message.subject, message.sender) == ("Grüße aus Lyon", "Adèle <ada@example.org>")
    assert message.to == ("Ben <ben@example.org>", "carl@example.org")
    assert message.date is not None
    assert message.date.isoformat() == "2026-05-04T10:00:00+02:00"
    assert (message.text, message.html) == ("café €", '<p>café <img src="cid:pic@x"></p>')
    picture = message.picture("pic@x")
    assert picture is not None
    assert picture.content() == b"\x89PNG\r\n"
    assert [part.filename for part in message.attachments] == ["résumé.pdf"]
    assert [part.number for part in message.parts] == ["", "1", "1.1", "1.2", "1.2.1", "1.2.2", "2"]
    assert message.part("2").content() == b"PDF"  # type: ignore[union-attr]
    assert words_of(message) == ("café € résumé.pdf", "café")


@given(st.binary(max_size=400) | st.text(alphabet="<>/ a-=\r\n:;\"'mulstyexB?q", max_size=400).map(str.encode))
def test_no_bytes_raise(data: bytes) -> None:
    for prefix in (
        b"",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
        b"Content-Type: text/html\r\n\r\n",
    ):
        message = read_message(prefix + data)
        words_of(message)
        [part.content() for part in message.parts]


def test_tags_are_taken_out_and_what_they_say_stays() -> None:
    assert strip_tags("<style>p{a:b}</style><p title='a>b'>one</p><script>x<y</script>two &amp; <b>three").split() == [
        "b'>one", "two", "&", "three",
    ]  # fmt: skip


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
