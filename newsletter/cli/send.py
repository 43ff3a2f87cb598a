"""`send`: plan, ask, deliver, report; and its rehearsal, `send --dry-run`.

Both take the same path: the same audience, plan, ledger, engine and SMTP client. A dry run differs in its ledger (a
scratch file) and its relay (the test inbox).
"""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.console import confirm, is_interactive, plural
from newsletter.cli.log import LogAddressesOption, LogFormat, LogFormatOption, is_structured, log_as
from newsletter.cli.send_options import (
    ConnectionsOption,
    Options,
    RateOption,
    SmtpOption,
    asked_moment,
    asked_relays,
)
from newsletter.cli.send_report import name_rejected, say_report, show_plan
from newsletter.cli.unchanged import remember
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.audience.source import MailingList
    from newsletter.cli.compose_process import Composing
    from newsletter.cli.rehearsal import Rehearsal
    from newsletter.compose.issue import Issue
    from newsletter.config.settings import Config
    from newsletter.delivery.ledger.ledger import Ledger
    from newsletter.delivery.ledger.plan import Audience, Plan
    from newsletter.delivery.pace import RetryPolicy


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(send)


def send(
    context: typer.Context,
    post: Annotated[
        str | None, typer.Argument(metavar="POST", help="The post's file, or its slug; none with --new.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Every post that is due and was not sent, oldest first.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DAY", help="With --new: also posts from before the first run.")
    ] = None,
    digest: Annotated[bool, typer.Option("--digest", help="With --new: one issue of them all.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Into the test inbox; nothing is recorded.")] = False,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="EMAIL", help="Only there, through the real relay; not recorded."),
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="EXPR", help="Only subscribers for whom this is true.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many in this run.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    smtp: SmtpOption = None,
    connections: ConnectionsOption = None,
    rate: RateOption = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help='Wait until then: 18:30, "2026-05-04 09:00"; or now.')
    ] = None,
    local_time: Annotated[
        bool, typer.Option("--local-time", help="With --at: when each reader's own clock shows it.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave deferred recipients to the next run.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Queue it for the workers, and return; --smtp, --connections bind nobody.")
    ] = False,
    resend_unknown: Annotated[
        bool, typer.Option("--resend-unknown", help="Also to those who may have it: they may get it twice.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also to those who were refused.")] = False,
    again: Annotated[
        str | None, typer.Option("--again", metavar="NAME", help="A second issue of the same post.")
    ] = None,
    excepted: Annotated[
        str, typer.Option("--except", metavar="ISSUE", help="Not to those who have, or may have, this issue.")
    ] = "",
    as_begun: Annotated[
        bool, typer.Option("--as-begun", help="Finish the issue as it was begun, though the post has changed.")
    ] = False,
    first: Annotated[
        bool, typer.Option("--first", help="In a CI job: the newsletter's first send, there is no ledger yet.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Send although the checks found errors, or the site does not publish it.")
    ] = False,
    when_live: Annotated[
        bool, typer.Option("--when-live", help="Wait until the post's page and its pictures answer.")
    ] = False,
    at_commit: Annotated[
        str | None, typer.Option("--at-commit", metavar="REV", help="The post as it stands in this commit of git.")
    ] = None,
    require_clean: Annotated[
        bool, typer.Option("--require-clean", help="Refuse a post that is not as it was committed.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what went wrong, as cron likes it.")] = False,
    log_format: LogFormatOption = LogFormat.text,
    log_addresses: LogAddressesOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, nothing else; with --new, a list of them.")
    ] = False,
) -> None:
    """Send a post to all who do not have it yet; asks first.

    Shows its plan before. Safe to repeat: nobody gets an issue twice. Ctrl-C finishes what is under way; the next run
    goes on.

    \b
      newsletter send hello --dry-run
      newsletter send hello --to you@example.org
      newsletter send hello --where "subscriber.city == 'Lyon'"
      newsletter send hello
      newsletter send --new --yes
    """
    from newsletter.config.settings import load_config

    log_as(log_format, addresses=log_addresses)
    config = load_config(context.obj)
    if dry_run + bool(to) + as_begun > 1:
        raise NewsletterError("--dry-run, --to and --as-begun can't go together; give one of them")
    if new == bool(post):
        raise NewsletterError(
            "name a post, or give --new alone" if new else "name a post, or give --new for all that are due"
        )
    if (since is not None or digest) and not new:
        raise NewsletterError("--since and --digest go with --new")
    if local_time and at is None:
        raise NewsletterError("--local-time goes with --at; say when")
    if new and (to or as_begun or again or limit or at):
        raise NewsletterError("--new can't go with --to, --as-begun, --again, --limit or --at; name a post for those")
    if detach and (dry_run or to or no_wait):
        raise NewsletterError("--detach can't go with --dry-run, --to or --no-wait; workers send what is live")
    if detach:
        from newsletter.cli.worker import shared_state

        shared_state(config, "--detach")
    if at_commit is not None and (to or as_begun):
        raise NewsletterError("--at-commit can't go with --to or --as-begun")

    @functools.cache
    def zone() -> tzinfo | None:
        from newsletter.site.load import newsletter_zone

        return newsletter_zone(config)

    options = Options(
        post or "", dry_run, where, limit, yes, no_wait, as_begun, resend_unknown, retry_failed, again, excepted, first,
        force, as_json, asked_moment(at, zone, local=local_time), asked_relays(config, smtp, connections, rate),
        when_live=when_live, require_clean=require_clean, quiet=quiet, detach=detach,
        is_logged=is_structured(), zone=zone,
    )  # fmt: skip
    if to:
        from newsletter.cli.send_to import send_to

        raise typer.Exit(send_to(config, options, to))
    with contextlib.ExitStack() as checkout:
        if at_commit is not None:
            from newsletter.cli.commit import in_commit

            options = in_commit(config, options, at_commit, checkout)
        if not new:
            raise typer.Exit(send_issue(config, options))
        from newsletter.cli.send_new import send_new

        raise typer.Exit(send_new(config, options, since, digest=digest, send=lambda one: send_issue(config, one)))


def send_issue(config: "Config", options: Options) -> int:
    """Compose, hold the issue, read the list, plan, ask, deliver; the exit code."""
    from newsletter.cli.ci import refuse_forgetful
    from newsletter.cli.compose_process import Composing
    from newsletter.delivery.pace import RetryPolicy
    from newsletter.state import database_of

    with config.naming("delivery"):
        retry = RetryPolicy.parse(config.delivery.retry_first, config.delivery.retry_max, config.delivery.give_up)
    if not options.dry_run:
        refuse_forgetful(config, first=options.first)
    composing = None
    if not options.as_begun:
        composing = Composing(
            options.source or config, options.post, options.again, live=not options.dry_run, force=options.force,
            has_relay=bool(options.relays), when=options.at.moment if options.at else None, digest=options.digest,
            day=options.day, clean=config if options.require_clean else None,
            compares=not options.dry_run and options.source is None,
        )  # fmt: skip
    elif not database_of(config).exists():
        raise NewsletterError("no issue was begun yet; send the post without --as-begun")

    if not options.dry_run:
        return _plan_and_send(config, options, retry, composing, None)
    from newsletter.cli.rehearsal import rehearsing  # with asyncio, which a send with nothing to do does without

    with rehearsing(config) as begin_rehearsal:
        return _plan_and_send(config, options, retry, composing, begin_rehearsal)


def _plan_and_send(
    config: "Config", options: Options, retry: "RetryPolicy", composing: "Composing | None",
    begin_rehearsal: "Callable[[], Rehearsal] | None",
) -> int:  # fmt: skip
    """What `send_issue` does once all processes are there."""
    from newsletter.audience.source import open_list
    from newsletter.cli.send_plan import nothing_done, scheduled, settles_nothing
    from newsletter.delivery.ledger.plan import make_plan  # not before the forks, which would carry it
    from newsletter.state.unsubscribe_answer import has_answered

    prepared = None
    is_settled = False
    rows = open_list(config)
    where = _segment(options.where, rows)
    issue_id = composing.issue_id() if composing is not None else None
    with _ledger(config, options) as ledger:

        def read(rows: "MailingList") -> "Audience":
            local = options.at.local if options.at else None
            return ledger.read_audience(local.reading(rows) if local else rows.blocks(), where, options.excepted)

        def plan_for(audience: "Audience") -> "Plan":
            plan = make_plan(
                ledger, issue, audience, limit=options.limit, resend_unknown=options.resend_unknown,
                retry_failed=options.retry_failed, second=options.again is not None and not options.digest,
                root=config.root,
            )  # fmt: skip
            return scheduled(plan, options, prepared)

        if composing is None or issue_id is None:
            issue = _begun(ledger, config, options)
            ledger.hold(issue.id)
            audience = read(rows)
        else:
            ledger.hold(issue_id)
            audience = read(rows)
            if composing.is_unchanged() and (frozen := ledger.frozen(issue_id)) is not None:
                issue = frozen
                plan = plan_for(audience)
                is_settled = settles_nothing(ledger, plan, options)
            if not is_settled:
                prepared = composing.prepared()
                issue = prepared.issue
        if not is_settled:
            plan = plan_for(audience)
        if not (options.relays or options.dry_run):
            from newsletter.smtp.relay import no_relay

            raise no_relay(config)
        if plan.chosen == 0:
            raise NewsletterError(_nobody(options, plan), path=rows.name)
        name_rejected(plan, rows.name)
        if options.dry_run:
            _foresee(config, options, plan)
        answered = not config.unsubscribe.url or has_answered(config)
        by_day = {relay.name: ledger.sent_by_day(relay.name) for relay in options.relays if relay.has_ramp}
        show_plan(plan, options, prepared, answered=answered, by_day=by_day)
        if is_settled:
            return say_report(plan, nothing_done(plan), options)
        if plan.to_send and not options.dry_run:
            _ask(options, plan)
        from newsletter.cli.loop import run_async
        from newsletter.cli.send_delivery import PlannedRun
        from newsletter.cli.send_shared import queueing

        delivery = PlannedRun(config, options, retry, ledger, plan, prepared, lambda: plan_for(read(open_list(config))))
        if begin_rehearsal is None:
            ledger.queueing = queueing(config, options, plan)
            try:
                return run_async(delivery.detach() if options.detach else delivery.run(options.relays))
            finally:
                with contextlib.suppress(NewsletterError):  # the state is away; it only saves time
                    if prepared is not None and prepared.inputs and (begun := ledger.frozen_hash(plan.issue.id)):
                        remember(config, plan.issue.id, prepared.inputs, begun)
        rehearsal = begin_rehearsal()
        connections = options.relays[0].connections if options.relays else config.smtp.connections
        return run_async(delivery.run((rehearsal.relay(config, connections),), rehearsal))


def _begun(ledger: "Ledger", config: "Config", options: Options) -> "Issue":
    """The issue as it is frozen in the ledger, to be finished as it was begun; there is no post to compose."""
    from newsletter.delivery.ledger.recognize import slug_in_use
    from newsletter.site.slug import split_name

    issue = ledger.frozen(options.again or options.post)
    typed = Path(options.post)
    if issue is None and options.again is None:
        stem = typed.parent.name if typed.stem == "index" else typed.stem
        issue = ledger.frozen(split_name(stem)[1])
    if issue is None:
        raise NewsletterError(f"no issue {options.post!r} was begun; `newsletter status` names those that were")
    begun = config.root / issue.post
    if typed.is_file() and begun.is_file() and not typed.samefile(begun):
        raise slug_in_use(options.post, issue)
    return issue


def _nobody(options: Options, plan: "Plan") -> str:
    if plan.left_out and not options.where:
        why = ", ".join(f"{count:,} {why}" for why, count in plan.left_out.items())
        return f"everybody on it is left out: {why}; `newsletter subscribers check` shows more"
    if options.where:
        return f"no subscriber matches {options.where!r}; `newsletter subscribers check` shows the columns"
    if plan.bad_rows:
        return f"none of its {plan.bad_rows} rows can be mailed; `newsletter subscribers check` names them"
    return "there are no subscribers; add a row under the header"


def _segment(expression: str | None, rows: "MailingList") -> Any:
    if expression is None:
        return None
    from newsletter.audience.segment import compile_segment

    return compile_segment(expression, rows.columns)


@contextlib.contextmanager
def _ledger(config: "Config", options: Options) -> "Iterator[Ledger]":
    """The newsletter's ledger; for a dry run a scratch file that knows the same suppressions."""
    from newsletter.delivery.ledger.open import open_ledger
    from newsletter.delivery.ledger.sqlite import SqliteLedger
    from newsletter.state import database_of

    live = database_of(config)
    if not options.dry_run:
        with open_ledger(live) as ledger:
            yield ledger
        return
    with (
        tempfile.TemporaryDirectory(prefix="newsletter-") as folder,
        SqliteLedger.rehearsal(Path(folder) / "rehearsal.db", live, options.excepted) as ledger,
    ):
        yield ledger


def _foresee(config: "Config", options: Options, plan: "Plan") -> None:
    """Say what a live send would refuse by what its ledger remembers."""
    from newsletter.cli.check import foretell
    from newsletter.delivery.foresee import foresee_refusal
    from newsletter.state import database_of

    second = options.again is not None and not options.digest
    if refusal := foresee_refusal(database_of(config), plan.issue, second=second, root=config.root):
        foretell([refusal])


def _ask(options: Options, plan: "Plan") -> None:
    if options.yes:
        return
    if options.as_json or not is_interactive():
        raise NewsletterError("there is nobody to ask; give --yes to send without asking")
    if not confirm(f"Send to {plural(plan.to_send, 'subscriber')}?"):
        raise NewsletterError("nothing was sent; the same command asks again")
