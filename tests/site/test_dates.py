"""The date of a post: its time zone, and what each generator makes of one that is odd."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.site.dates import as_date
from newsletter.site.post import read_post


def yaml(*lines: str, body: str = "Text.\n") -> str:
    return "\n".join(["---", *lines, "---", body])


def test_a_date_without_offset_is_in_the_timezone_given(tmp_path):
    east = timezone(timedelta(hours=5))
    path = tmp_path / "a.md"
    path.write_text(yaml("date: 2018-07-01 09:00:00"))
    assert read_post(path).date == datetime(2018, 7, 1, 9, tzinfo=UTC)
    assert read_post(path, east).date == datetime(2018, 7, 1, 9, tzinfo=east)


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("2018-07-01 09:00:00", 9),
        ("'2018-07-01 09:00:00'", 4),
        ("2018-07-01 09:00", 4),
        ("2018-07-01 09:00:00 +05:00", 4),
    ],
)
def test_in_jekyll_a_time_without_an_offset_is_in_utc_as_rubys_yaml_has_it(tmp_path, written, hour):
    path = tmp_path / "a.md"
    path.write_text(yaml(f"date: {written}"))
    read = read_post(path, timezone(timedelta(hours=5)), "jekyll")
    assert read.date == datetime(2018, 7, 1, hour, tzinfo=UTC)


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_isnt(text):
    with suppress(ValueError, OverflowError):
        assert as_date(text).tzinfo is not None


def test_a_missing_thirty_first_is_the_first_of_the_next_month_in_jekyll(tmp_path):
    path = tmp_path / "_posts/2011-04-31-rolls-over.md"
    path.parent.mkdir()
    path.write_text("Body.\n")
    assert read_post(path).date == datetime(2011, 5, 1, tzinfo=UTC)
    path.write_text("---\ndate: 2023-02-30 10:00\n---\nBody.\n")
    assert read_post(path).date == datetime(2023, 3, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "hour"),
    [("published: 2018-11-12T07:00:00-07:00", 14), ("pubdate: 2018-11-12T15:00:00Z", 15),
     ("published: true\nlastmod: 2018-11-12T16:00:00Z", 16), ("Modified: 2018-11-12T17:00:00Z", 17),
     ("lastmod: 2018-11-13\npublishDate: 2018-11-12T18:00:00Z", 18)],
)  # fmt: skip
def test_hugo_dates_a_post_by_the_first_of_its_names_for_a_date(tmp_path, written, hour):
    path = tmp_path / "2018-11-12-digest.md"
    path.write_text(f"---\n{written}\n---\nBody.\n")
    assert read_post(path, kind="hugo").date == datetime(2018, 11, 12, hour, tzinfo=UTC)
