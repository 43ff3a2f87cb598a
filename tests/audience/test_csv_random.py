"""Any list at all: written by a program and read back, read in blocks of any size, or no list but bytes."""

import contextlib
import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.audience.csv import scan
from newsletter.audience.csv.reader import check_list, read_csv
from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError

PRINTABLE = st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"], exclude_characters="@")
CELLS = st.text(PRINTABLE | st.sampled_from('",;\t\n'), max_size=12)
BYTES = st.sampled_from([b"email", b"a@example.org", b",", b'"', b"\n", b"\r", b"\xff", b"\0"])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
def test_whatever_a_csv_writer_writes_is_read_back(tmp_path_factory, cells, delimiter: str, end: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end)
    writer.writerow(["email", "one", "two"])
    people = [(f"reader{number}@example.org", *pair) for number, pair in enumerate(cells)]
    writer.writerows(people)
    path.write_bytes(buffer.getvalue().encode())
    assert [row for _, row in read_csv(path)] == [
        Subscriber(email, "", {"one": one.strip(), "two": two.strip()}) for email, one, two in people
    ]


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200) | st.lists(BYTES).map(b"".join))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    path.write_bytes(content)
    with contextlib.suppress(NewsletterError):
        list(read_csv(path))


ADDRESSES = st.sampled_from(
    [
        "a@example.org",
        "b@example.org",
        " A@Example.org",
        "x",
        "",
        "\u200bc@example.org",
        '"d@example.org"',
        "é@example.org",
    ]
)
WORDS = st.sampled_from(
    [
        "Ada", " Ada ", "", "left", "unsubscribed", '"Ada, M."', '"l1\nl2"', '"a ""b"""', "a\\b", "%s", "é", "\x07",
        "\u2028", 'a"b', '"torn', '"in"side', '"x\nb@example.org,y,z"', "\t", "x,", "x,,,",
    ]
)  # fmt: skip
LINES = st.one_of(
    st.tuples(ADDRESSES, WORDS, WORDS).map(",".join), st.sampled_from(["", ",,", " , ,,", "ada", "a@b,c"])
)


@settings(deadline=None, max_examples=100)
@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["name", "first_name"]))
def test_rows_that_are_read_together_say_what_they_say_one_by_one(tmp_path_factory, lines, end: str, name: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    path.write_bytes(end.join([f"email,{name},status", *lines]).encode())
    found: list[object] = []
    for size in (1, 3, 500):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scan, "_ROWS", size)
            try:
                people = read_csv(path)
                report = check_list(people)
                found.append((list(people), report.problems, report.status))
            except NewsletterError as error:
                found.append(str(error))
    assert found[0] == found[1] == found[2]
