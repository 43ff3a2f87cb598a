"""What `--at` means, to the minute, whatever clocks do."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from newsletter.audience.source import open_list
from newsletter.cli.local_time import LocalTimes
from newsletter.cli.schedule import parse_moment, say_fold, say_moment
from newsletter.config.settings import load_config
from newsletter.errors import NewsletterError
from newsletter.site.load import newsletter_zone
from tests.cli.conftest import CONFIG

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 26, 12, tzinfo=BERLIN)


@pytest.fixture
def in_new_york() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("18:30", "2026-11-26T17:30"),
        ("9:00", "2026-11-27T08:00"),
        ("09:00", "2026-11-27T08:00"),
        ("12:00", "2026-11-27T11:00"),
        (" 9:00 ", "2026-11-27T08:00"),
        ("2026-11-27T9:00", "2026-11-27T08:00"),
        ("2026-11-27 09:00", "2026-11-27T08:00"),
        ("2026-11-27T09:00Z", "2026-11-27T09:00"),
        ("2026-11-27T09:00+05:30", "2026-11-27T03:30"),
        ("13:00+02:00", "2026-11-27T11:00"),
        ("2027-07-01T09:00", "2027-07-01T07:00"),
    ],
)
def test_a_time_is_the_next_one_in_the_newsletters_timezone(text: str, utc: str) -> None:
    moment = parse_moment(text, NOON, BERLIN)
    assert moment.astimezone(UTC) == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert moment.tzinfo is BERLIN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tomorrow", "is no time; write 18:30 or"),
        ("9am", "is no time"),
        ("18.30", "is no time"),
        ("25:00", "is no time"),
        ("", "is no time"),
        ("2026-02-30T09:00", "is no time"),
        ("2026-11-27", "has no time of day"),
        ("2026-11-26T11:59", "has passed: it is Thu 26 November 2026, 12:00 (Europe/Berlin, UTC+01:00) now"),
    ],
)
def test_what_is_no_time_to_come_is_refused(text: str, said: str) -> None:
    with pytest.raises(NewsletterError, match="--at") as caught:
        parse_moment(text, NOON, BERLIN)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "now", "utc"),
    [
        ("02:30", "2026-03-29T10:00+00:00", "2026-03-30T00:30"),  # skipped this morning
        ("02:30", "2026-03-29T01:30+00:00", "2026-03-30T00:30"),  # skipped half an hour ago
        ("02:30", "2026-10-25T00:10+00:00", "2026-10-25T00:30"),  # shown twice today: the first
        ("02:30", "2026-10-25T00:40+00:00", "2026-10-25T01:30"),  # the second, as the first has passed
        ("2026-10-25T02:30", "2026-10-25T00:40+00:00", "2026-10-25T01:30"),
        ("02:30", "2026-10-25T01:40+00:00", "2026-10-26T01:30"),
    ],
)
def test_on_the_days_that_clocks_change_it_is_the_next_that_they_show(text: str, now: str, utc: str) -> None:
    moment = parse_moment(text, datetime.fromisoformat(now), BERLIN)
    assert moment.astimezone(UTC) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_an_hour_that_clocks_show_twice_is_said_to_be_the_first_or_the_second() -> None:
    for now, said in (("2026-10-01", "first"), ("2026-10-25T00:40", "second")):
        moment = parse_moment("2026-10-25 02:30", datetime.fromisoformat(now).replace(tzinfo=UTC), BERLIN)
        assert say_fold(moment, BERLIN) == f"clocks show 02:30 twice that day; this is the {said}"
    assert say_fold(parse_moment("9:00", NOON, BERLIN), BERLIN) == ""


ZONED = [
    ("Asia/Tokyo", "a"), ("Europe/Berlin", "b"), ("America/New_York", "c"), ("", "d"), (" CET ", "e"),
    ("Mars/Base", "f"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "now", "moments", "said"),
    [
        (
            "2026-11-27 09:00", NOON,
            {"Asia/Tokyo": "2026-11-27T00:00", "America/New_York": "2026-11-27T14:00", "": "2026-11-27T08:00"},
            "2026-11-27 09:00 by each reader's clock, in 4 timezones; from Fri 27 November 2026, 01:00 (Europe/Berlin,"
            " UTC+01:00) until Fri 27 November 2026, 15:00 (Europe/Berlin, UTC+01:00); 1 without a timezone go by the"
            " newsletter's; 1 with a timezone that nobody knows go by the newsletter's: 'Mars/Base' in line 7",
        ),
        (
            "2026-11-26 19:30", NOON, {"Asia/Tokyo": None, "America/New_York": "2026-11-27T00:30"},
            "; 1 whose clocks are past it get it at once; ",
        ),
        ("19:30", NOON, {"Asia/Tokyo": "2026-11-27T10:30", "America/New_York": "2026-11-27T00:30"}, "19:30 by each"),
        ("2026-03-08 02:30", datetime(2026, 3, 7, tzinfo=UTC), {"America/New_York": "2026-03-08T07:30"}, ""),  # skipped
        ("2026-11-01 01:30", datetime(2026, 10, 7, tzinfo=UTC), {"America/New_York": "2026-11-01T05:30"}, ""),  # twice
    ],
)  # fmt: skip
def test_by_each_reader_s_clock_it_is_when_the_zone_of_the_list_shows_the_time(
    tmp_path: Path, text: str, now: datetime, moments: dict[str, str | None], said: str
) -> None:
    (tmp_path / "newsletter.toml").write_text(CONFIG)
    (tmp_path / "subscribers.csv").write_text(
        "email,timezone\n" + "".join(f"{name}@example.org,{zone}\n" for zone, name in ZONED)
    )
    local = LocalTimes(text, BERLIN)
    (block,) = local.reading(open_list(load_config(tmp_path / "newsletter.toml")))
    assert len(block.lines) == len(ZONED)
    found = local.moments(now)
    assert {name: found[name] for name in moments} == {
        name: datetime.fromisoformat(f"{moment}+00:00").timestamp() if moment else None
        for name, moment in moments.items()
    }
    assert found[""] == found["CET"] == found["Mars/Base"] == found["Europe/Berlin"]
    assert said in "; ".join(local.in_words(now))
    until = found["America/New_York"]
    assert until is not None
    assert local.later(until, now) == (2 if text == "19:30" else 1), "Tokyo's is the next day's"


@pytest.mark.parametrize("text", ["02:30", "2026-03-29T02:30"])
def test_a_time_that_clocks_skip_is_refused_and_the_one_after_named(text: str) -> None:
    with pytest.raises(NewsletterError) as caught:
        parse_moment(text, datetime(2026, 3, 28, 22, tzinfo=BERLIN), BERLIN)
    assert "clocks skip 02:30 on 29 March 2026 in Europe/Berlin; give 03:30" in str(caught.value)


def test_a_time_that_clocks_show_twice_is_the_first(in_new_york: None) -> None:
    assert parse_moment("2026-10-25T02:30", NOON.replace(month=10, day=1), BERLIN).utcoffset() == BERLIN.utcoffset(
        datetime(2026, 7, 1)
    )
    moment = parse_moment("2026-11-01T01:30", datetime(2026, 10, 1, tzinfo=UTC), None)
    assert moment.astimezone(UTC).hour == 5


def test_the_machines_clocks_stand_in_and_skip_too(in_new_york: None) -> None:
    evening = datetime(2026, 3, 8, 3, tzinfo=UTC)
    assert parse_moment("9:00", evening, None).astimezone(UTC) == datetime(2026, 3, 8, 13, tzinfo=UTC)
    with pytest.raises(NewsletterError, match="clocks skip 02:30 on 8 March 2026; give 03:30"):
        parse_moment("02:30", evening, None)


def test_a_moment_is_said_with_its_day_and_timezone() -> None:
    assert say_moment(parse_moment("9:00", NOON, BERLIN)) == "Fri 27 November 2026, 09:00 (Europe/Berlin, UTC+01:00)"
    assert say_moment(parse_moment("9:00", NOON, UTC)) == "Fri 27 November 2026, 09:00 (UTC)"


def test_the_timezone_is_the_newsletters_else_the_sites_else_the_machines(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text(CONFIG)
    assert newsletter_zone(load_config(tmp_path / "newsletter.toml")) is None
    (tmp_path / "_config.yml").write_text("timezone: Asia/Tokyo\n")
    assert str(newsletter_zone(load_config(tmp_path / "newsletter.toml"))) == "Asia/Tokyo"
    (tmp_path / "newsletter.toml").write_text(CONFIG.replace("[newsletter]", '[newsletter]\ntimezone = "Europe/Paris"'))
    assert str(newsletter_zone(load_config(tmp_path / "newsletter.toml"))) == "Europe/Paris"
    (tmp_path / "newsletter.toml").write_text(
        CONFIG.replace("[newsletter]", '[newsletter]\ntimezone = "Europe/Pariss"')
    )
    with pytest.raises(NewsletterError, match="did you mean 'Europe/Paris'"):
        load_config(tmp_path / "newsletter.toml")
