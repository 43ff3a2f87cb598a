"""The search language, over a store with real messages."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.inbox.search import SearchError, compile_search
from newsletter.inbox.store import Store

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
DAY = 86400


def mail(sender: str, to: str, subject: str, body: str, extra: str = "") -> bytes:
    return f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n{extra}\r\n{body}\r\n".encode()


ATTACHED = (
    'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee the picture\r\n--b\r\n'
    'Content-Type: image/png; name="acorn.png"\r\nContent-Disposition: attachment\r\n\r\nPNG\r\n--b--\r\n'
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    clock = [NOW.timestamp() - 9 * DAY]
    with Store(tmp_path_factory.mktemp("inbox"), clock=lambda: clock[0]) as store:

        def add(message: bytes, rcpt: str = "reader@example.org") -> None:
            store.add("bounces@example.com", [rcpt], message)
            clock[0] += DAY

        add(
            mail("Ada Moreau <ada@example.org>", "Ben <ben@example.org>", "Who planted the oaks?", "Acorns, mostly.")
        )  # 1
        add(mail("Carl <carl@example.net>", "ada@example.org", "Re: oaks", "We don't know. 50% of them died."))  # 2
        add(mail("Ada Moreau <ada@example.org>", "carl@example.net", "Größe & café", "x" * 5000))  # 3
        add(mail("list@example.org", "ben@example.org", "With a picture", "", ATTACHED))  # 4
        add(mail("日本 <jp@example.org>", "ben@example.org", "東京からの手紙", "桜の木の下で会いましょう。"))  # 5
        add(mail("list@example.org", "", "Tagged", "body", "X-Tags: spring, To Do\r\n"), "hidden@example.net")  # 6
        store.flush()
        store.mark([1, 2], unread=False)
        clock[0] = NOW.timestamp()
        yield store


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [6, 5, 4, 3, 2, 1]),
        ("oaks", [2, 1]),
        ("OAK", [2, 1]),
        ('"oak"', []),
        ('"planted the oaks"', [1]),
        ('"oaks the planted"', []),
        ("from:ada", [3, 1]),
        ("from:moreau", [3, 1]),
        ("from:bounces@example.com", [6, 5, 4, 3, 2, 1]),
        ("to:ada", [2]),
        ("to:hidden@example.net", [6]),
        ("to:ben -has:attachment", [5, 1]),
        ("subject:oaks acorns", [1]),
        ("acorn", [4, 1]),  # in the words of one, in the file name of the other
        ("has:attachment", [4]),
        ("-oaks", [6, 5, 4, 3]),
        ("-oaks -tag:spring", [5, 4, 3]),
        ("oaks -from:carl", [1]),
        ("is:unread", [6, 5, 4, 3]),
        ("is:read oaks", [2, 1]),
        ("tag:spring", [6]),
        ('tag:"to do"', [6]),
        ("is:tagged", [6]),
        ("larger:4k", [3]),
        ("larger:1M", []),
        ("smaller:4k oaks", [2, 1]),
        ("before:2026-05-02", [1]),
        ("after:2026-05-05 list", [6]),
        ("after:2026-05-06T00:00:00Z", [6]),
        ("before:8d", [1]),
        ("after:yesterday", []),
        ("grosse", []),
        ("grö", [3]),
        ("cafe", [3]),
        ("50%", [2]),
        ("東京", [5]),
        ("木の下", [5]),
        ("subject:手紙 from:日本", [5]),
        ("-東京 from:jp", []),
        ("note:oaks", []),  # an unknown key is words
        ("don't", [2]),
        ('unclosed "planted the', []),
        ('"planted the', [1]),
        ("( * ) AND OR NOT ^ \" : -", []),
        ("***", [6, 5, 4, 3, 2, 1]),
        ("from:", [6, 5, 4, 3, 2, 1]),
    ],
)  # fmt: skip
def test_a_search_finds_what_it_says(store: Store, query: str, ids: list[int]) -> None:
    page = store.search(query)
    if query.startswith("( *"):
        assert page.exact
        return
    assert [row.id for row in page.rows] == ids
    assert page.total == len(ids)


@pytest.mark.parametrize(
    "query", ["larger:big", "before:someday", "has:fun", "is:odd", "after:2026-13-45", "smaller:-1"]
)
def test_a_value_that_is_none_is_said(store: Store, query: str) -> None:
    with pytest.raises(SearchError, match=r"is no|not known"):
        store.search(query)


@given(
    st.text(max_size=60)
    | st.from_regex(r'(-?(from|to|subject|tag|has|is):?["a-z*^()~\x00 ]{0,8} ?){1,5}', fullmatch=True)
)
def test_no_query_breaks_the_database(store: Store, query: str) -> None:
    try:
        page = store.search(query)
    except SearchError:
        return
    assert len(page.rows) <= page.total <= 6


@given(st.text(max_size=60))
def test_without_a_word_index_searches_still_compile(query: str) -> None:
    try:
        condition = compile_search(query, NOW, fts=False)
    except SearchError:
        return
    assert "MATCH" not in condition.sql
    assert condition.sql.count("?") == len(condition.values)


def test_pages_follow_each_other_without_gap_or_overlap(store: Store) -> None:
    first = store.search("", limit=4)
    assert first.more
    rest = store.search("", limit=4, below=first.rows[-1].id)
    assert not rest.more
    assert [row.id for row in (*first.rows, *rest.rows)] == [6, 5, 4, 3, 2, 1]
    assert [row.id for row in store.search("", limit=2, offset=3).rows] == [3, 2]
    assert [row.id for row in store.search("is:unread", limit=2, below=6).rows] == [5, 4]


def test_neighbours_are_the_next_matches(store: Store) -> None:
    assert store.neighbours(3) == (4, 2)
    assert store.neighbours(1, "oaks") == (2, None)
    assert store.neighbours(6) == (None, 5)
    assert store.neighbours(4, "is:unread from:ada") == (None, 3)


def test_a_database_without_fts_answers_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.inbox.words._TABLE", "CREATE VIRTUAL TABLE words USING no_such_module (a)")
    with Store(tmp_path) as store:
        store.add(
            "a@example.org", ["b@example.org"], mail("Ada <ada@example.org>", "b@example.org", "Oaks", "acorns 50%")
        )
        store.add("a@example.org", ["b@example.org"], mail("Ben <ben@example.org>", "b@example.org", "Elms", "nothing"))
        assert [row.id for row in store.search("from:ada acorns").rows] == [1]
        assert [row.id for row in store.search("-oaks").rows] == [2]
        store.delete([1])
        assert store.search("acorns").total == 0
