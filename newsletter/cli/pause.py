"""`pause`, `resume`, `cancel`: hold an issue, go on, or end it, from another terminal than the one that sends."""

import shlex
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.console import confirm, is_interactive, plural, say
from newsletter.cli.posts import find_issue
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from sqlalchemy import Engine

PATIENCE = 5.0
"""Seconds that `cancel` waits for the sender to end, so that its counts are the last."""

_Issue = Annotated[str, typer.Argument(metavar="ISSUE", help="An issue's id, or its post.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(pause)
    app.command()(resume)
    app.command()(cancel)


def pause(context: typer.Context, issue: _Issue) -> None:
    """Hold an issue that is being sent, or is scheduled; `resume` goes on.

    The sender, in whatever terminal, stops within two seconds: what is under way is finished, nobody else is mailed,
    and the command waits. A later `send` of the issue waits as well. Pausing twice is no error.

    \b
      newsletter pause hello
    """
    from newsletter.delivery import control

    engine, issue = _open(context, issue)
    before = control.pause(engine, issue)
    said = f"{issue!r} is paused already" if before["state"] == "paused" else f"paused {issue!r}"
    sender = "its sender waits" if before["sender"] else "nobody sends it now"
    if workers := before.get("workers"):
        sender = f"{plural(len(workers), 'worker')} stop"
    say(f"{said}: {_progress(before)}; {sender}; `newsletter resume {shlex.quote(issue)}` goes on")


def resume(context: typer.Context, issue: _Issue) -> None:
    """Go on with an issue that was paused.

    Its sender goes on within two seconds, if there is one; else `send` does. Resuming twice is no error.

    \b
      newsletter resume hello
    """
    from newsletter.delivery import control

    engine, issue = _open(context, issue)
    before = control.resume(engine, issue)
    said = f"{issue!r} goes on" if before["state"] == "paused" else f"{issue!r} is not paused"
    next_step = f"; nobody sends it now: run `{send_command(before)}` to go on"
    if before.get("queued"):
        next_step = "; no worker is there: run `newsletter worker` to go on"
    if before["sender"] or before.get("workers"):
        next_step = ""
    say(f"{said}: {_progress(before)}{_hour(context, before)}{next_step}")


def cancel(
    context: typer.Context, issue: _Issue, yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False
) -> None:
    """End an issue: whoever has not got it does not get it; asks first.

    The sender ends within two seconds, after what is under way. Who was not mailed is skipped, and `send` refuses the
    issue from then on: `send POST --again NAME` makes a second one of its post. Cancelling twice is no error.

    \b
      newsletter cancel hello
      newsletter cancel hello --yes
    """
    from newsletter.config.settings import load_config
    from newsletter.delivery import control
    from newsletter.delivery.ledger.open import open_ledger
    from newsletter.delivery.ledger.report import issue_counts
    from newsletter.state import database_of

    engine, issue = _open(context, issue)
    found = issue_counts(engine, issue)[0]
    if found["state"] not in ("done", "cancelled") and not yes:
        if not is_interactive():
            raise NewsletterError("there is nobody to ask; give --yes to cancel without asking")
        say(f"{issue!r} ({found['state']}): {_progress(found)}")
        if not confirm(f"Cancel it for {plural(_left(found), 'subscriber')}?"):
            raise NewsletterError("nothing was cancelled; the same command asks again")
    with open_ledger(database_of(load_config(context.obj))) as ledger:
        now = _settled(control.cancel(engine, ledger, issue), lambda: issue_counts(engine, issue)[0])
    said = f"{issue!r} was cancelled before" if found["state"] == "cancelled" else f"cancelled {issue!r}"
    left = f"; {_left(now):,} are under way, and finished" if _left(now) else ""
    say(f"{said}: {_progress(now)}, {now['skipped']:,} skipped{left}")


def send_command(issue: Mapping[str, Any]) -> str:
    """The command that goes on with an issue, which is a row of `status`."""
    from newsletter.site.slug import split_name

    name = issue["post"].rpartition("/")[2].rpartition(".")[0]
    begun = "" if split_name(name)[1] == issue["issue"] else " --as-begun"
    return f"newsletter send {shlex.quote(issue['issue'])}{begun}"


def _open(context: typer.Context, typed: str) -> "tuple[Engine, str]":
    """The state, and the id of the issue that was typed."""
    from newsletter.config.settings import load_config
    from newsletter.state import open_state

    config = load_config(context.obj)
    return open_state(config), find_issue(config, typed)


def _settled(now: Mapping[str, Any], look: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """How a cancelled issue stands once its sender has ended, or after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while (now["sender"] or any(one["shards"] for one in now.get("workers", ()))) and time.monotonic() < deadline:
        time.sleep(0.1)
        now = look()
    return now


def _hour(context: typer.Context, issue: Mapping[str, Any]) -> str:
    """When an issue begins that waits for its hour; nothing where it has come."""
    starts = datetime.fromisoformat(issue["starts"]) if issue["starts"] is not None else None
    if starts is None or starts <= datetime.now(UTC):
        return ""
    from newsletter.cli.schedule import say_moment
    from newsletter.config.settings import load_config
    from newsletter.site.load import newsletter_zone

    return f"; it begins {say_moment(starts.astimezone(newsletter_zone(load_config(context.obj))))}"


def _progress(issue: Mapping[str, Any]) -> str:
    return f"{issue['sent']:,} of {issue['recipients']:,} sent"


def _left(issue: Mapping[str, Any]) -> int:
    return int(issue["pending"] + issue["sending"] + issue["deferred"])
