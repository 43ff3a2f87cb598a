"""The plan: what is frozen, what may change between two runs, and what is said about it."""

from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.audience.csv.reader import read_csv
from newsletter.audience.listing import Problem
from newsletter.audience.segment import compile_segment
from newsletter.audience.subscriber import Subscriber
from newsletter.cli.status import FIELDS
from newsletter.compose.issue import Slot
from newsletter.delivery.ledger.plan import LEFT, make_plan
from newsletter.errors import NewsletterError, TryAgainLater

from .relay_server import RelayServer, serving
from .sending import (
    Place,
    an_issue,
    by_state,
    database_at,
    execute,
    ledger_at,
    listing,
    people,
    plan,
    rows,
    send,
    suppress,
)


def test_planning_changes_nothing(path: Place) -> None:
    with ledger_at(path) as ledger:
        ledger.hold("hello")
        made = make_plan(ledger, an_issue(), ledger.read_audience(listing(people(10))))
        assert (made.recipients, made.to_send, made.is_new) == (10, 10, True)
        assert execute(path, "SELECT count(*) FROM issues") == [(0,)]
        assert execute(path, "SELECT count(*) FROM deliveries") == [(0,)]


def test_freezing_writes_a_row_for_each_recipient_in_the_order_of_the_list(path: Place) -> None:
    issue = replace(an_issue(), text=("Hello ", Slot("{{ subscriber.name }}", "email_templates/post.txt", 3)))
    listed = [Subscriber("Zoe@example.org", "Zoë", {"city": "Lyon"}), Subscriber("ada@example.org")]
    with ledger_at(path) as ledger:
        plan(ledger, listed, issue)
        assert ledger.frozen("hello") == issue
        assert ledger.frozen("nothing") is None
    found = rows(path)
    assert [(row["email"], row["key"], row["name"], row["columns"]) for row in found] == [
        ("Zoe@example.org", "zoe@example.org", "Zoë", '{"city":"Lyon"}'),
        ("ada@example.org", "ada@example.org", "", "{}"),
    ]
    assert {row["state"] for row in found} == {"pending"}


def test_bad_rows_and_suppressed_people_are_counted_apart(path: Place) -> None:
    suppress(path, "reader3@example.org")
    with ledger_at(path) as ledger:
        ledger.hold("hello")
        listed = listing(people(5), [(7, Problem("no '@' in 'x'; fix the row or delete it"))])
        made = make_plan(ledger, an_issue(), ledger.read_audience(listed))
        ledger.freeze(made)
    assert (made.recipients, made.to_send, made.suppressed, made.bad_rows) == (5, 4, 1, 1)
    assert made.rejected == ((7, "", "no '@' in 'x'; fix the row or delete it"),)
    assert by_state(path)["skipped"] == {"reader3@example.org"}


def test_a_list_from_a_file_is_read_as_it_is(path: Place, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("email,name,city\nada@example.org,Ada,Paris\nbad,,\nADA@example.org,,\n")
    with ledger_at(path) as ledger:
        ledger.hold("hello")
        made = make_plan(ledger, an_issue(), ledger.read_audience(read_csv(tmp_path / "list.csv").blocks()))
    assert (made.to_send, made.bad_rows) == (1, 2)


def test_a_broken_list_leaves_nothing_behind(path: Place) -> None:
    def listed():
        yield from listing(people(5))
        raise NewsletterError("a quote is never closed")

    with ledger_at(path) as ledger:
        ledger.hold("hello")
        with pytest.raises(NewsletterError, match="never closed"):
            make_plan(ledger, an_issue(), ledger.read_audience(listed()))
        made = make_plan(ledger, an_issue(), ledger.read_audience(listing(people(2))))
    assert made.to_send == 2


async def test_newcomers_join_and_leavers_are_skipped_on_the_next_run(path: Place) -> None:
    async with serving(RelayServer()) as server:
        await send(path, server.url, people(10), plan_options={"limit": 4})
        assert len(server.accepted) == 4
        with ledger_at(path) as ledger:
            made = plan(ledger, [*people(12)[:8], *people(12)[10:]])
        assert (made.newcomers, made.leavers, made.to_send, made.already_sent) == (2, 2, 6, 4)
        assert made.newcomer_names == ("reader10@example.org", "reader11@example.org")
        assert made.leaver_names == ("reader8@example.org", "reader9@example.org")
        report = await send(path, server.url, [*people(12)[:8], *people(12)[10:]])
        assert report.sent == 6
        assert {row["text"] for row in rows(path) if row["state"] == "skipped"} == {LEFT}
        report = await send(path, server.url, people(12))
    assert report.sent == 2
    assert set(server.counts.values()) == {1}
    assert len(server.counts) == 12


async def test_a_segment_leaves_the_others_pending(path: Place) -> None:
    listed = [
        replace(person, columns={"city": "Lyon" if number % 2 else "Paris"}) for number, person in enumerate(people(10))
    ]
    in_lyon = {"where": compile_segment("subscriber.city == 'Lyon'", ["city"])}
    in_paris = {"where": compile_segment("subscriber.city == 'Paris'", ["city"])}
    async with serving(RelayServer()) as server:
        report = await send(path, server.url, listed, plan_options={**in_lyon, "limit": 2})
        assert (report.sent, report.pending) == (2, 3)
        report = await send(path, server.url, listed, plan_options=in_paris)
        assert report.sent == 5
        assert len(by_state(path)["pending"]) == 3
        report = await send(path, server.url, listed)
    assert report.sent == 3
    assert set(server.counts.values()) == {1}
    assert len(server.counts) == 10


async def test_what_was_frozen_is_sent_although_the_list_says_something_else_now(path: Place) -> None:
    with ledger_at(path) as ledger:
        plan(ledger, [Subscriber("ada@example.org", "Ada", {"city": "Paris"})])
        plan(ledger, [Subscriber("ada@example.org", "Ada Moreau", {"city": "Lyon"})])
    assert [(row["name"], row["columns"]) for row in rows(path)] == [("Ada", '{"city":"Paris"}')]


def test_an_edited_post_is_refused_with_what_changed_and_the_ways_on(path: Place) -> None:
    with ledger_at(path) as ledger:
        plan(ledger, people(3))
        with pytest.raises(NewsletterError) as caught:
            make_plan(ledger, an_issue("Goodbye, you."), ledger.read_audience(listing(people(3))))
    said = str(caught.value)
    assert "-Hello, you." in said
    assert "+Goodbye, you." in said
    assert "--as-begun" in said
    assert "--again NAME" in said
    assert caught.value.exit_code == 2


async def test_a_frozen_issue_is_finished_without_a_list(path: Place) -> None:
    async with serving(RelayServer()) as server:
        await send(path, server.url, people(10), plan_options={"limit": 3})
        suppress(path, "reader9@example.org")
        report = await send(path, server.url, None)
    assert (report.sent, report.skipped, report.pending) == (6, 1, 0)
    assert set(server.counts.values()) == {1}


async def test_who_is_no_longer_suppressed_is_sent_to_on_the_next_run(path: Place) -> None:
    suppress(path, "reader1@example.org")
    async with serving(RelayServer()) as server:
        assert (await send(path, server.url, people(3))).sent == 2
        with ledger_at(path):
            execute(path, "DELETE FROM suppressions")
        assert (await send(path, server.url, people(3))).sent == 1
    assert set(server.counts.values()) == {1}


async def test_the_failed_are_tried_again_when_asked(path: Place) -> None:
    def script(_talk: object, command: str, argument: str) -> str | None:
        return "550 5.3.0 not today" if command == "RCPT" and argument.startswith("reader1@") else None

    async with serving(RelayServer(script=script)) as server:
        assert (await send(path, server.url, people(3))).failed == 1
        server.script = None
        assert (await send(path, server.url, people(3))).sent == 0
        assert (await send(path, server.url, people(3), plan_options={"retry_failed": True})).sent == 1
    assert set(server.counts.values()) == {1}


def test_a_plan_is_not_frozen_by_who_has_lost_the_lease(path: Place) -> None:
    with ledger_at(path) as ledger:
        ledger.hold("hello")
        made = make_plan(ledger, an_issue(), ledger.read_audience(listing(people(3))))
        execute(path, "UPDATE leases SET epoch = epoch + 1")
        with pytest.raises(TryAgainLater):
            ledger.freeze(made)
    assert rows(path) == []


def test_two_issues_do_not_mix(path: Place) -> None:
    with ledger_at(path) as ledger:
        plan(ledger, people(3))
    with ledger_at(path) as ledger:
        made = plan(ledger, people(5), an_issue(issue_id="again"))
        assert (made.is_new, made.to_send) == (True, 5)
        assert ledger.counts() == {"pending": 5}


def test_status_and_deliveries_say_what_the_ledger_says(path: Place) -> None:
    from newsletter.compose.message.writer import MessageWriter
    from newsletter.delivery.ledger.report import issue_counts, iter_deliveries

    with ledger_at(path) as ledger:
        plan(ledger, people(3))
        execute(
            path,
            "UPDATE deliveries SET state = 'failed', attempts = 1, code = 550, status = '5.1.1', text = 'no such user',"
            " command = 'RCPT', relay = 'relay:25', updated = 86400 WHERE id = 2",
        )
    engine = database_at(path).engine()
    (one,) = issue_counts(engine)
    assert (one["issue"], one["recipients"], one["pending"], one["failed"]) == ("hello", 3, 2, 1)
    assert issue_counts(engine, "hello") == [one]
    (failed,) = iter_deliveries(engine, "hello", b"0" * 16, "failed")
    assert failed == {
        "email": "reader1@example.org",
        "state": "failed",
        "attempts": 1,
        "reply": "550 5.1.1 no such user",
        "message_id": MessageWriter(an_issue(), b"0" * 16).message_id("reader1@example.org"),
        "relay": "relay:25",
        "updated": "1970-01-02T00:00:00+00:00",
        "provider_id": None,
    }
    assert tuple(failed) == FIELDS
    assert len(list(iter_deliveries(engine, "hello", b"0" * 16))) == 3
    for ask in (lambda: issue_counts(engine, "nothing"), lambda: list(iter_deliveries(engine, "nothing", b""))):
        with pytest.raises(NewsletterError, match="no issue 'nothing'; known: hello"):
            ask()
    engine.dispose()
