"""`send` where the state is shared: what workers need to know, the progress of all, and `--detach`."""

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from newsletter.cli.console import plural, say
from newsletter.cli.log import event
from newsletter.cli.schedule import say_moment
from newsletter.cli.send_options import Options
from newsletter.cli.send_report import queued_json

if TYPE_CHECKING:
    from newsletter.config.settings import Config
    from newsletter.delivery.ledger.plan import Plan, Queueing
    from newsletter.delivery.workers.overall import Overall


def queueing(config: "Config", options: Options, plan: "Plan") -> "Queueing":
    """What workers need to know of a send: how fast it goes, which secret it has, whether it is queued at once."""
    from newsletter.delivery.ledger.plan import Queueing
    from newsletter.delivery.workers.secret import secret_digest
    from newsletter.smtp.rate import Rate

    rates = [[each.count / each.seconds for each in relay.rate if isinstance(each, Rate)] for relay in options.relays]
    starts = plan.asked.starts
    waits = options.when_live or config.posts.live or (starts is not None and starts > datetime.now(UTC).timestamp())
    return Queueing(
        rate=sum(map(min, rates)) if rates and all(rates) else None,
        secret=secret_digest(config, plan.issue.id),
        waits=waits and not options.detach,
    )


def overall(config: "Config", plan: "Plan") -> "Overall | None":
    """The issue as all workers send it; None where its state is in a file."""
    from newsletter.state import database_of
    from newsletter.state.sqlite import SqliteDatabase

    database = database_of(config)
    if isinstance(database, SqliteDatabase):
        return None
    from newsletter.delivery.workers.overall import Overall
    from newsletter.state.postgres import PostgresDatabase

    assert isinstance(database, PostgresDatabase)
    return Overall(database, plan)


def say_queued(config: "Config", options: Options, plan: "Plan") -> int:
    """Say what workers will do now; the exit code."""
    if options.as_json:
        options.report(queued_json(plan))
    elif options.is_logged:
        event("queued", issue=plan.issue.id, queued=plan.to_send)
    elif not options.quiet:
        issue, starts = shlex.quote(plan.issue.id), plan.asked.starts
        when = ""
        if starts is not None and starts > datetime.now(UTC).timestamp():
            when = f" for {say_moment(datetime.fromtimestamp(starts, UTC).astimezone(options.zone()))}"
        say(f"queued {plural(plan.to_send, 'subscriber')}{when}; `newsletter worker` sends, on any host")
        say(f"`newsletter status {issue} --watch` shows how far it is, `newsletter cancel {issue}` ends it")
    return 3 if plan.waiting else 0
