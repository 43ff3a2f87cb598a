"""`send --new`: every post that is due and went to nobody yet, the oldest first, each as `send` would send it.

Which posts are due is `site.publication`'s to say, which went out `delivery.ledger.posts`'s. What lies before the day
of the first run stays where it is, unless `--since` names an earlier day: an archive is not mailed by accident. An
issue that was begun and is not finished is finished as it was begun, before anything new.
"""

import calendar
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from newsletter.cli.console import fail, note, plural, say, say_json, short_path
from newsletter.cli.survey import midnight
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.cli.send_options import Options
    from newsletter.config.settings import Config
    from newsletter.delivery.ledger.posts import PostIssue
    from newsletter.site.page import Page
    from newsletter.site.publication import Candidate

Send = Callable[["Options"], int]


@dataclass
class Work:
    """What a run has to do."""

    unfinished: "list[PostIssue]"  # begun before, with somebody to send to; the oldest first
    alone: "list[Page]"
    digest: "list[Page]"
    digest_id: str
    left: list[str]  # what is not sent, and why, for people
    broken: list[str]  # posts that can't be read


def send_new(
    config: "Config", options: "Options", since: str | None, *, digest: bool, send: Send, now: datetime | None = None
) -> int:
    """Do it all; the worst exit code, but what stops one post for a reason of its own stops no other.

    `send` sends what an `Options` names and reports to its `report`.
    """
    now = now or datetime.now().astimezone()
    reports: list[dict[str, Any]] = []
    if options.as_json:
        options = replace(options, report=reports.append)
    with _held(config, options):
        work = _work(config, options, since, digest=digest, now=now)
        code = 2 if work.broken else 0
        for what in work.broken:
            note(what)
        for one in _runs(work, options, now):
            before = len(reports)
            done, refusal = _send_one(send, one)
            code = max(code, done)
            if refusal is not None and options.as_json and len(reports) == before:
                reports.append({"issue": one.again, "post": one.post, "error": str(refusal)})
            if done in _ENDING and not isinstance(refusal, _own_reasons()):
                break
    if options.as_json:
        say_json(reports)
    if not options.quiet:
        if not (options.as_json or work.unfinished or work.alone or work.digest):
            say("nothing new to send")
        for what in work.left:
            note(what)
    return code


_HELD = {"paused": "it is paused; `newsletter resume` goes on", "scheduled": "it is scheduled for later"}
"""What is said of an issue that was begun and is to wait."""
_ENDING = (3, 75, 130)
"""Codes after which the next post would fare no better: the relay is away or refuses us, or somebody stopped us."""


def _own_reasons() -> tuple[type[NewsletterError], ...]:
    """Why one post has to wait and the others need not."""
    from newsletter.cli.live import NotLive

    return (NotLive,)


def _send_one(send: Send, options: "Options") -> tuple[int, NewsletterError | None]:
    """The exit code of one post, and what refused it."""
    from newsletter.delivery.ledger.recognize import AlreadySent

    try:
        return send(options), None
    except AlreadySent as error:
        note(f"left out: {_shown(error)}")
        return 0, None
    except NewsletterError as error:
        return fail(_shown(error), error.exit_code), error


def _shown(error: NewsletterError) -> str:
    error.path = short_path(error.path) if error.path else None
    return str(error)


@contextmanager
def _held(config: "Config", options: "Options") -> Iterator[None]:
    """One run at a time: what another is sending just now, this one would take for new."""
    from newsletter.delivery.ledger.open import open_ledger
    from newsletter.state import database_of

    if options.dry_run:
        yield
        return
    from newsletter.cli.ci import refuse_forgetful

    refuse_forgetful(config, first=options.first)
    with open_ledger(database_of(config)) as ledger:
        ledger.hold("send --new")
        yield


def _runs(work: Work, options: "Options", now: datetime) -> "Iterator[Options]":
    """What to send, one after the other."""
    for issue in work.unfinished:
        note(f"{issue.id}: begun before, with {plural(issue.pending, 'recipient')} to go")
        yield replace(options, post=issue.post, again=issue.id, as_begun=True)
    for page in work.alone:
        yield replace(options, post=str(page.post.path))
    if work.digest:
        posts = tuple(page.post.path for page in work.digest)
        yield replace(options, post=work.digest_id, again=work.digest_id, digest=posts, day=midnight(now))


def _work(config: "Config", options: "Options", since: str | None, *, digest: bool, now: datetime) -> Work:
    from newsletter.cli.survey import FIRST_RUN, survey
    from newsletter.compose.composer import Composer
    from newsletter.delivery.ledger.posts import remember
    from newsletter.site.load import newsletter_zone
    from newsletter.state import database_of

    zone = newsletter_zone(config)
    now = now.astimezone(zone)
    found = survey(Composer(options.source or config), config, now, zone, _day(since, zone) if since else None)
    if found.is_first and not options.dry_run:
        remember(database_of(config), FIRST_RUN, found.began.timestamp())
    due = [each.candidate.page for each in found.posts if each.is_due]
    begun = [] if options.dry_run else list(reversed(found.issues))
    unfinished = [issue for issue in begun if issue.state == "running"]
    broken = [_shown(error) for error in found.broken]
    work = Work(
        unfinished, due, [], "", _left([each.candidate for each in found.posts if not each.issue], found.since), broken
    )
    work.left += [f"left: {issue.id}: {_HELD[issue.state]}" for issue in begun if issue.state in _HELD]
    every = config.digest.every
    if digest or every:
        work.alone = [page for page in due if page.post.personalize or _is_late(page, zone, now)]
        rest = [page for page in due if page not in work.alone]
        last = max((day for issue in found.issues if (day := issue.digest_day)), default=found.began.date())
        next_day = _after(last, every)
        if digest or next_day <= now.date():
            work.digest, work.digest_id = rest, _digest_id(now, found.issues)
        elif rest:
            waiting = plural(len(rest), "post")
            work.left.insert(0, f"{waiting} for the next digest, on {next_day}; --digest sends it now")
    return work


def _is_late(page: "Page", zone: tzinfo | None, now: datetime) -> bool:
    """Whether its `send_before` has passed: it goes alone, and is refused; the digest of the others is not."""
    from newsletter.site.dates import aware

    return page.post.send_before is not None and aware(page.post.send_before, zone) <= now


def _left(unsent: "list[Candidate]", bound: datetime) -> list[str]:
    """What is not due, in words: the older ones counted, the undated named, the next one to come."""
    from newsletter.site.publication import LATER, UNDATED

    told = []
    older = sum(not each.why_not and each.since is not None and each.since < bound for each in unsent)
    if older:
        before = f"{bound:%Y-%m-%d}; --since DAY names an earlier day"
        told.append(f"left: {plural(older, 'unsent post')} older than the first run, or the day named, {before}")
    undated = [short_path(str(each.page.post.path)) for each in unsent if each.why_not == UNDATED]
    if undated:
        names = ", ".join(undated[:3]) + (" …" if len(undated) > 3 else "")
        told.append(f"left: {names}: no date; give it one, or send it by name")
    later = next((each for each in unsent if each.why_not == LATER and each.since), None)
    if later is not None:
        told.append(f"next: {short_path(str(later.page.post.path))}, on {later.since:%Y-%m-%d}")
    return told


def _day(text: str, zone: tzinfo | None) -> datetime:
    """The beginning of the day that `--since` names, or the moment."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise NewsletterError(f"--since {text!r} is no day; write 2026-05-04") from None
    if moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()


def _after(day: date, every: str) -> date:
    """The first day of the next digest after one of `day`."""
    if every == "monthly":
        year, month = day.year + day.month // 12, day.month % 12 + 1
        return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
    return day + timedelta(days={"weekly": 7}.get(every, 1))


def _digest_id(now: datetime, begun: "list[PostIssue]") -> str:
    from newsletter.delivery.ledger.posts import DIGEST

    name = f"{DIGEST}{now:%Y-%m-%d}"
    taken = {issue.id for issue in begun}
    return next(each for n in range(1, 1000) if (each := name if n == 1 else f"{name}-{n}") not in taken)
