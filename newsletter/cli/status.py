"""`status` and `deliveries`: what became of the issues."""

import csv
import json
import sys
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.console import say, say_json, table
from newsletter.cli.posts import find_issue
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
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
        bool, typer.Option("--watch", help="Go on until nobody of the issue is left to be sent to.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Show the issues, how many subscribers are in which state, and how many left over each.

    \b
      newsletter status
      newsletter status hello --json
      newsletter status --posts
    """
    from newsletter.cli.status_posts import show_posts
    from newsletter.config.settings import load_config
    from newsletter.delivery.ledger.report import issue_counts
    from newsletter.state import database_of

    config = load_config(context.obj)
    if posts:
        if issue is not None:
            raise NewsletterError("--posts shows every post; leave the issue out")
        raise typer.Exit(show_posts(config, as_json=as_json))
    if watch:
        if issue is None:
            raise NewsletterError("--watch needs an issue; name one")
        from newsletter.cli.loop import run_async

        run_async(_watch(config, find_issue(config, issue), as_json=as_json))
        return
    state = database_of(config)
    begun = issue is not None or state.exists()
    counts = issue_counts(state.engine(), find_issue(config, issue) if issue else None) if begun else []
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
            one["issue"], _day(one["created"]), _word(one), str(one["recipients"]),
            *(str(one[name] or "") for name in shown),
        ]
        for one in counts
    ]  # fmt: skip
    say(table(rows, ["issue", "created", "state", "recipients", *shown], right=range(3, 4 + len(shown))))
    _say_schedule(config, counts)


async def _watch(config: "Config", issue: str, *, as_json: bool) -> None:
    """A line whenever the counts have changed; with --json an object each, on a line of its own."""
    from newsletter.api import follow, of_config

    async for now in follow(of_config(config), issue):
        if as_json:
            print(json.dumps(now), flush=True)  # noqa: T201 (a program reads it line by line)
        else:
            counts = [f"{now[state.value]:,} {state.value}" for state in DeliveryState if now[state.value]]
            say(f"{datetime.now():%H:%M:%S}  {', '.join(counts) or 'nobody is planned'}")


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
        unattended = "" if one["sender"] else "; nobody waits for it: run its `send` again"
        say(f"{one['issue']} begins {say_moment(datetime.fromisoformat(one['starts']).astimezone(zone))}{unattended}")


def _word(issue: dict[str, Any]) -> str:
    """The issue's state; "stopped" where nobody sends what is to be sent."""
    return "stopped" if issue["state"] == "running" and not issue["sender"] else str(issue["state"])


def _cell(row: dict[str, Any], field: str) -> str:
    return _minute(row[field]) if field == "updated" else " ".join(str(row[field] or "").split())


def _day(moment: str) -> str:
    return moment[:10]


def _minute(moment: str | None) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}" if moment else ""
