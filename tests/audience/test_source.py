"""Whom a message is rendered for: one behaviour for `render`, `check`, `--to` and the studio."""

from pathlib import Path

import pytest

from newsletter.audience.csv.reader import check_list
from newsletter.audience.erasure import erase
from newsletter.audience.listing import LeftOut
from newsletter.audience.roster import open_roster, put
from newsletter.audience.source import MADE_UP, addressees, find_list, first_subscriber, one_subscriber, open_list
from newsletter.audience.subscriber import Subscriber
from newsletter.audience.token import load_secret
from newsletter.config.settings import Config, load_config
from newsletter.errors import NewsletterError
from newsletter.state import open_state

ADA = Subscriber("ada@example.org", "Ada", {"city": "Lyon"})
BEN = Subscriber("ben@example.org", "Ben", {"city": "Oslo"})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "newsletter.toml").write_text('[newsletter]\nauthor = "Ada Moreau <ada@example.org>"\n')
    return load_config(tmp_path / "newsletter.toml")


def listed(config: Config, *rows: str) -> Config:
    (config.root / "subscribers.csv").write_text("\n".join(("email,name,city", *rows)) + "\n")
    return config


def test_without_a_list_somebody_made_up_reads(config: Config) -> None:
    assert one_subscriber(config) == (MADE_UP, None)
    assert first_subscriber(None) == MADE_UP


def test_the_made_up_reader_of_an_empty_list_has_its_columns(config: Config) -> None:
    found, columns = one_subscriber(listed(config))
    assert (found.email, found.name, found.columns) == (MADE_UP.email, MADE_UP.name, {"city": ""})
    assert columns == ("city",)


def test_a_reader_is_the_one_named_or_the_first_that_can_be_mailed(config: Config) -> None:
    listed(config, "nobody,,", "ada@example.org,Ada,Lyon", "ben@example.org,Ben,Oslo")
    assert one_subscriber(config)[0] == ADA
    assert one_subscriber(config, " BEN@example.org ")[0] == BEN
    with pytest.raises(NewsletterError, match=r"eve@example\.org is not on the list"):
        one_subscriber(config, "eve@example.org")


def test_an_address_on_the_list_gets_its_own_message_and_any_other_the_firsts(config: Config) -> None:
    rows = find_list(listed(config, "ada@example.org,Ada,Lyon", "ben@example.org,Ben,Oslo"))
    me = "me@example.net"
    assert addressees(rows, ["Ben@example.org", me, "ben@example.org"]) == [BEN, Subscriber(me, "Ada", ADA.columns)]
    assert addressees(None, [me]) == [Subscriber(me, MADE_UP.name)]


def test_whoever_is_looked_at_decides_what_is_sent(config: Config) -> None:
    rows = find_list(listed(config, "ada@example.org,Ada,Lyon", "ben@example.org,Ben,Oslo"))
    assert addressees(rows, ["ada@example.org"], BEN) == [Subscriber("ada@example.org", "Ben", BEN.columns)]


def test_whoever_is_outside_the_standing_segment_is_nobody_to_render_for(config: Config) -> None:
    config.path.write_text(config.path.read_text() + "[subscribers]\nwhere = \"subscriber.city == 'Oslo'\"\n")
    config = listed(load_config(config.path), "ada@example.org,Ada,Lyon", "ben@example.org,Ben,Oslo")
    assert one_subscriber(config)[0] == BEN
    rows = open_list(config)
    assert [type(row) for _, row in rows] == [LeftOut, Subscriber]
    report = check_list(rows)
    assert (report.subscribers, report.left, report.outside) == (1, 0, 1)


def test_who_has_paused_is_left_out_until_the_day(config: Config) -> None:
    text = (
        "email,name,city,paused_until\nada@example.org,,,2999-01-01\nben@example.org,,,2001-01-01\neve@example.org,,,\n"
    )
    (config.root / "subscribers.csv").write_text(text)
    rows = [row for _, row in open_list(config)]
    assert [type(row) for row in rows] == [LeftOut, Subscriber, Subscriber]
    assert isinstance(rows[0], LeftOut)
    assert rows[0].what == "paused until 2999-01-01"


def test_who_was_erased_is_left_out_though_put_back_on_the_list(config: Config) -> None:
    listed(config, "ada@example.org,Ada,Lyon", "ben@example.org,Ben,Oslo")
    roster, engine = open_roster(config), open_state(config)
    erase(engine, roster, load_secret(config), "ada@example.org", 1.0)
    assert [row.email for _, row in open_list(config) if isinstance(row, Subscriber)] == ["ben@example.org"]
    listed(config, "Ada@Example.org,Ada,Lyon")
    (row,) = [row for _, row in open_list(config)]
    assert isinstance(row, LeftOut)
    assert row.what == "asked to be erased"
    engine.dispose()


def test_the_database_is_a_list_like_a_file(config: Config) -> None:
    config.path.write_text(
        config.path.read_text() + '[subscribers]\nsource = "database"\nwhere = "subscriber.city == \'Oslo\'"\n'
    )
    config = load_config(config.path)
    assert find_list(config) is None
    put(open_roster(config), [Subscriber("seg@example.org", "", {"city": "Lyon"}), BEN])
    assert one_subscriber(config) == (BEN, ("city",))
    report = check_list(open_list(config))
    assert (report.subscribers, report.outside, report.columns) == (1, 1, ("city",))


def test_who_left_by_a_column_is_left_out_of_the_database_too(config: Config) -> None:
    config.path.write_text(config.path.read_text() + '[subscribers]\nsource = "database"\n')
    config = load_config(config.path)
    gone, there = (Subscriber(f"{word}@example.org", "", {"status": word}) for word in ("bounced", "active"))
    put(open_roster(config), [gone, there])
    assert [row for _, row in open_list(config)] == [LeftOut(gone, "left: status is 'bounced'"), there]


def test_a_list_that_an_editor_of_ours_changes_meanwhile_is_read_anew(config: Config) -> None:
    rows = open_list(listed(config, "ada@example.org,Ada,Lyon"))
    put(open_roster(config), [BEN])
    assert [row for _, row in rows] == [ADA, BEN]
