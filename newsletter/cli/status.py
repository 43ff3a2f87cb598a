"""`status` and `deliveries`: what became of the issues."""

import csv
import sys
from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.console import say, say_json, table
from newsletter.cli.posts import find_issue
from newsletter.cli.watch import say_workers, show_looks, state_word
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from newsletter.config.settings import Config


class DeliveryState(StrEnum):
    """The states of a delivery."""

    pending = "pending"
    sending = "sending"
    sent = "sent"
    deferred = "deferred"
    failed = "failed"
    unknown = "unknown"
    skipped = "skipped"


class DeliveriesFormat(StrEnum):
    """How to print deliveries."""

    table = "table"
    csv = "csv"
    json = "json"


FIELDS = ("email", "state", "attempts", "reply", "message_id", "relay", "updated", "provider_id")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(status)
    app.command()(deliveries)


def status(
    context: typer.Context,
    issue: Annotated[
        str | None, typer.Argument(metavar="ISSUE", help="An issue's id, or its post; all of them if left out.")
    ] = None,
    posts: Annotated[
        bool, typer.Option("--posts", help="Every post instead: whether it is due, sent, or has changed since.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Live, until nobody of the issue is left; of the newest, if none is named.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Show the issues, how many subscribers are in which state, and how many left over each, and why.

    \b
      newsletter status
      newsletter status hello --json
      newsletter status hello --watch
      newsletter status --posts
    """
    from newsletter.audience.leaving import in_words
    from newsletter.cli.status_posts import show_posts
    from newsletter.config.settings import load_config
    from newsletter.delivery.ledger.report import issue_counts
    from newsletter.state import database_of

    config = load_config(context.obj)
    if posts:
        if issue is not None or watch:
            raise NewsletterError("--posts shows every post, once; leave the issue and --watch out")
        raise typer.Exit(show_posts(config, as_json=as_json))
    state = database_of(config)
    begun = issue is not None or state.exists()
    if watch:
        from newsletter.delivery.watch import watch as watch_issue

        if not begun:
            raise _nothing_to_watch()
        engine = state.engine()
        show_looks(watch_issue(engine, find_issue(config, issue) if issue else _moving(engine)), as_json=as_json)
        return
    counts = issue_counts(state.engine(), find_issue(config, issue) if issue else None) if begun else []
    if counts:
        counts = _with_reasons(state.engine(), counts)
    if as_json:
        say_json(counts[0] if issue else counts)
        return
    if not counts:
        say("no issue has been sent yet; `newsletter send POST --dry-run` rehearses one")
        return
    names = (*(state.value for state in DeliveryState), "unsubscribed")
    shown = [name for name in names if name == DeliveryState.sent.value or any(one[name] for one in counts)]
    rows = [
        [
            one["issue"], _day(one["created"]), state_word(one), str(one["recipients"]),
            *(str(one[name] or "") for name in shown),
        ]
        for one in counts
    ]  # fmt: skip
    say(table(rows, ["issue", "created", "state", "recipients", *shown], right=range(3, 4 + len(shown))))
    _say_schedule(config, counts)
    for one in counts:
        if why := in_words(one["unsubscribed"], one["reasons"]):
            say(f"{one['issue']}, who left: {why}")
        if workers := say_workers(one):
            say(f"{one['issue']}: {workers}")


def _with_reasons(engine: "Engine", counts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The issues with what those who left over each have said about why."""
    from newsletter.audience.leaving import reasons_told

    told = reasons_told(engine) if any(one["unsubscribed"] for one in counts) else {}
    return [{**one, "reasons": told.get(one["issue"], Counter())} for one in counts]


def _moving(engine: "Engine") -> str:
    """The newest issue that somebody is left of, else the newest."""
    from newsletter.delivery.ledger.report import issue_counts

    issues = issue_counts(engine)
    if not issues:
        raise _nothing_to_watch()
    going = (one["issue"] for one in issues if one["state"] not in ("done", "cancelled"))
    return str(next(going, issues[0]["issue"]))


def _nothing_to_watch() -> NewsletterError:
    return NewsletterError("no issue has been sent yet, there is nothing to watch; `newsletter send POST` sends one")


def deliveries(
    context: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="ISSUE", help="The issue's id, or its post.")],
    state: Annotated[DeliveryState | None, typer.Option("--state", help="Only those in this state.")] = None,
    form: Annotated[DeliveriesFormat, typer.Option("--format", help="How to print them.")] = DeliveriesFormat.table,
) -> None:
    """Show who got an issue, who did not, and what the relay said.

    \b
      newsletter deliveries hello --state failed
      newsletter deliveries hello --format csv > hello.csv
    """
    from newsletter.audience.csv.formula import guard
    from newsletter.audience.token import load_secret
    from newsletter.config.settings import load_config
    from newsletter.delivery.ledger.report import iter_deliveries
    from newsletter.state import open_state

    config = load_config(context.obj)
    rows = iter_deliveries(
        open_state(config), find_issue(config, issue), load_secret(config), state.value if state else None
    )
    if form is DeliveriesFormat.json:
        say_json(list(rows))
    elif form is DeliveriesFormat.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows([guard(str(row[field] or "")) for field in FIELDS] for row in rows)
    else:
        shown = [[_cell(row, field) for field in ("email", "state", "attempts", "updated", "reply")] for row in rows]
        if shown:
            say(table(shown, ["email", "state", "attempts", "updated", "reply"], right=[2]))
        else:
            say(f"nobody {'is ' + state.value if state else 'is planned'}")


def _say_schedule(config: "Config", counts: list[dict[str, Any]]) -> None:
    """When what is scheduled begins."""
    from newsletter.cli.schedule import say_moment
    from newsletter.site.load import newsletter_zone

    waiting = [one for one in counts if one["state"] == "scheduled"]
    zone = newsletter_zone(config) if waiting else None
    for one in waiting:
        unattended = "" if one["sender"] or one.get("queued") else "; nobody waits for it: run its `send` again"
        say(f"{one['issue']} begins {say_moment(datetime.fromisoformat(one['starts']).astimezone(zone))}{unattended}")


def _cell(row: dict[str, Any], field: str) -> str:
    return _minute(row[field]) if field == "updated" else " ".join(str(row[field] or "").split())


def _day(moment: str) -> str:
    return moment[:10]


def _minute(moment: str | None) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}" if moment else ""
