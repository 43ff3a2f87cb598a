"""What `send` says: the plan before, the report after, for people and for programs."""

import shlex
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from newsletter.cli.console import human_seconds, human_size, note, paint, plural, say, say_row, short_path
from newsletter.cli.log import event, is_structured

if TYPE_CHECKING:
    from newsletter.cli.compose_process import Prepared
    from newsletter.cli.rehearsal import Arrived, Rehearsal
    from newsletter.cli.send_options import Options
    from newsletter.delivery.engine import Progress, Report
    from newsletter.delivery.ledger.plan import Plan
    from newsletter.smtp.relay import Relay

_COUNTED = {"deferred": "yellow", "failed": "red", "unknown": "red", "skipped": "yellow", "pending": "yellow"}
SHOWN = 5
"""So many replies and names are shown; the rest is counted."""
NEVER_ANSWERED = "{} has never answered; `{} --links` asks it"


def progress_line(now: "Progress", issue: str) -> str:
    """What is said beside the bar."""
    if now.state == "paused":
        return f"paused; `newsletter resume {shlex.quote(issue)}` goes on"
    parts = [f"{now.rate:,.0f}/s"] if now.rate else []
    parts += [f"{count:,} {word}" for word in ("deferred", "failed", "unknown") if (count := getattr(now, word))]
    if now.next_retry is not None:
        what = "next try" if now.deferred else "the next readers' hour comes"
        parts.append(f"{what} in {human_seconds(now.next_retry)}; Ctrl-C is safe, the same command goes on")
    return ", ".join([*parts, *now.notes[-1:]])


def name_rejected(plan: "Plan", path: object) -> None:
    """Name the first rows that can't be mailed, beside the output."""
    for line, _, what in plan.rejected[:SHOWN]:
        if is_structured():
            event("rejected", path=short_path(str(path)), line=line, reason=what.partition(" in ")[0])
        else:
            note(f"{short_path(str(path))}:{line}: {what}")
    if hidden := plan.bad_rows - min(SHOWN, len(plan.rejected)):
        note(f"and {plural(hidden, 'more row')} that can't be mailed; `newsletter subscribers check` names them")


def show_plan(
    plan: "Plan",
    options: "Options",
    prepared: "Prepared | None",
    *,
    answered: bool,
    by_day: Mapping[str, dict[int, int]],
) -> None:
    """Say what a run would do. Beside JSON only what may be amiss, on stderr; for cron only what resembles another.

    `answered`: the address to unsubscribe by ever did. `by_day`: what each relay with a ramp was given on which day.
    """
    relays = () if options.dry_run else options.relays
    doubts = _doubts(plan, prepared, is_live=not options.dry_run)
    moments = _moments(plan, options)
    if options.is_silent or options.is_logged:
        last = ""
        for name, value in (*doubts, *moments):
            last = name or last
            if value and (last == "Resembles" or not options.quiet):
                note(f"{last}: {value}")
        return
    never = "" if answered else NEVER_ANSWERED.format(plan.issue.unsubscribe_url, _check(plan))
    for name, value in (*_rows(plan, relays), ("Unsubscribe", never), *doubts, *_work(plan, relays, by_day), *moments):
        if value:
            say_row(name, value)


def _moments(plan: "Plan", options: "Options") -> list[tuple[str, str]]:
    """When it begins, and until when it may go."""
    from newsletter.cli.schedule import say_moment
    from newsletter.delivery.pace import time_at_rates

    now = datetime.now(UTC)
    starts, until = (
        say_moment(datetime.fromtimestamp(moment, UTC).astimezone(options.zone())) if moment is not None else ""
        for moment in (plan.asked.starts, plan.asked.send_before)
    )
    if options.at is None:
        begun = plan.asked.starts is not None and plan.asked.starts > now.timestamp()
        said: tuple[str, ...] = (f"{starts}, as it was scheduled; --at now sends at once",) if begun else ()
    else:
        said = options.at.local.in_words(now) if options.at.local else options.at.said
    if until and plan.asked.send_before is not None:
        begins = max(plan.asked.starts or 0.0, now.timestamp())
        needs = time_at_rates([relay.rate for relay in options.relays], plan.to_send)
        if begins + needs > plan.asked.send_before:
            until += "; at this rate not everybody has it by then"
        local = options.at.local if options.at is not None else None
        if local is not None and (late := local.later(plan.asked.send_before, now)):
            until += f"; {late:,} whose hour comes later do not get it"
    return [*(("" if number else "At", line) for number, line in enumerate(said)), ("Not after", until)]


def _doubts(plan: "Plan", prepared: "Prepared | None", *, is_live: bool) -> list[tuple[str, str]]:
    """What may be a mistake, for somebody to look at before the answer."""
    rows = []
    if plan.is_first and plan.is_new and is_live:
        what = "no issue was sent from here before; if that is wrong, [state] url names another state than it should"
        rows.append(("First", what))
    if plan.resembles is not None:
        rows.append(("Resembles", f"{plan.resembles}; if it is the same post, don't send it"))
    if prepared is not None and prepared.dated is not None:
        rows.append(("Post's date", f"{prepared.dated:%Y-%m-%d %H:%M}, which is yet to come"))
    warnings = [one for one in prepared.findings if one.severity == "warning"] if prepared is not None else []
    for number, one in enumerate(warnings[:SHOWN]):
        where = f"{short_path(one.source)}:{one.line}: " if one.source and one.line else ""
        rows.append(("" if number else "Warnings", f"{where}{one.message}"))
    if (hidden := len(warnings) - SHOWN) > 0:
        rows.append(("", f"and {hidden:,} more; `{_check(plan)}` shows them"))
    return rows


def _rows(plan: "Plan", relays: "tuple[Relay, ...]") -> list[tuple[str, str]]:
    """What goes out, to whom, and through what."""
    from newsletter.delivery.ledger.recognize import source_text

    issue = plan.issue
    size = sum(len(part if isinstance(part, str) else part.source) for part in (*issue.html, *issue.text))
    size += sum(len(picture.data) for picture in issue.pictures)
    waiting = {
        "Unknown": (
            plan.unknown and not plan.resend_unknown,
            f"{plan.unknown:,}; --resend-unknown sends to them again",
        ),
        "Failed": (plan.failed and not plan.retry_failed, f"{plan.failed:,}; --retry-failed tries them again"),
        "Suppressed": (plan.suppressed, f"{plan.suppressed:,}"),
        "Already sent": (plan.already_sent, f"{plan.already_sent:,}"),
    }
    out = [
        f"{count:,} {why}"
        for count, why in (
            *((count, why) for why, count in plan.left_out.items()),
            (plan.has_other, f"who have or may have {plan.excepted!r}"),
            (plan.bad_rows, "of rows that can't be mailed"),
        )
        if count
    ]
    through = "; ".join(_relay(relay) for relay in relays)
    return [
        ("Subject", source_text(issue.subject)),
        ("From", issue.sender),
        ("Issue", f"{issue.id}{'' if plan.is_new else ' (begun before)'}"),
        ("Paused", f"it waits for `newsletter resume {shlex.quote(issue.id)}`" if plan.is_paused else ""),
        ("Audience", f"{plan.recipients:,}"),
        ("Left out", ", ".join(out)),
        *(("", str(column)) for column in plan.status),
        *((name, text) for name, (there, text) in waiting.items() if there),
        ("New on list", _names(plan.newcomers, plan.newcomer_names)),
        ("Left list", _names(plan.leavers, plan.leaver_names)),
        ("Message", f"about {human_size(size)}"),
        ("Relay", through or "the test inbox"),
    ]


def _relay(relay: "Relay") -> str:
    """Name, connections, rates, and for whom, if it is bound."""
    bound = f"for {', '.join(sorted(relay.domains))} alone" if relay.domains else ""
    return ", ".join(filter(None, (relay.name, plural(relay.connections, "connection"), *map(str, relay.rate), bound)))


def _work(plan: "Plan", relays: "tuple[Relay, ...]", by_day: Mapping[str, dict[int, int]]) -> list[tuple[str, str]]:
    rows = [("To send", f"{plan.to_send:,}"), ("Time", _time(relays, plan.to_send))]
    return [*rows, *(("" if number else "Warm-up", line) for number, line in enumerate(_ramps(plan, relays, by_day)))]


def _ramps(plan: "Plan", relays: "tuple[Relay, ...]", by_day: Mapping[str, dict[int, int]]) -> list[str]:
    """What ramps leave of today, and on how many days all will have it."""
    from newsletter.smtp.rate import DAY, Ramp, days_for

    today = int(time.time() // DAY)
    ramps = [
        (relay, ramp, by_day.get(relay.name, {})) for relay in relays for ramp in relay.rate if isinstance(ramp, Ramp)
    ]
    lines = []
    for relay, ramp, sent in ramps:
        day = 1 + sum(1 for other, count in sent.items() if count and other < today)
        used = f", {sent[today]:,} of them used" if sent.get(today) else ""
        lines.append(f"{relay.name} takes {ramp.share(today, sent):,} today, on its day {day:,} of sending{used}")
    if ramps and plan.to_send and len([ramp for _, ramp, _ in ramps]) == len(relays):
        days = days_for(plan.to_send, today, [(ramp, sent) for _, ramp, sent in ramps])
        lines.append("all of them today" if days == 1 else f"all of them within {days:,} days, if it goes on every day")
    return lines


def _time(relays: "tuple[Relay, ...]", count: int) -> str:
    from newsletter.delivery.pace import time_at_rates

    seconds = time_at_rates([relay.rate for relay in relays], count)
    return f"about {human_seconds(seconds)} at this rate" if seconds >= 1 else ""


def _names(count: int, names: tuple[str, ...]) -> str:
    if not count:
        return ""
    return f"{count:,}: {', '.join(names)}{' …' if count > len(names) else ''}"


def report_json(plan: "Plan", report: "Report", rehearsal: "Rehearsal | None") -> dict[str, Any]:
    from newsletter.delivery.ledger.batch import Asked

    return {
        "issue": plan.issue.id,
        "post": plan.issue.post,
        "mode": "dry-run" if rehearsal else "live",
        "recipients": plan.recipients,
        "sent": report.sent,
        "deferred": report.deferred,
        "failed": report.failed,
        "unknown": report.unknown,
        "pending": report.pending,
        "skipped": report.skipped + plan.suppressed + sum(plan.left_out.values()) + plan.has_other + plan.bad_rows,
        "already_sent": plan.already_sent,
        "rejected": [{"line": line, "email": email, "reason": what} for line, email, what in plan.rejected],
        "error": str(report.stopped) if report.stopped is not None else None,
        "seconds": round(report.seconds, 3),
        "rate": round(report.rate, 1),
        "inbox": rehearsal.place if rehearsal else None,
        "paused": round(report.paused, 3),
        "state": Asked(report.state).in_one_word(report.pending + report.deferred, 0.0),
    }


def queued_json(plan: "Plan") -> dict[str, Any]:
    """What `--detach --json` says: nothing was sent yet, so many are queued."""
    from newsletter.delivery.progress import Tally

    report = Tally(0, 0.0).report(0.0, {"pending": plan.to_send}, (), None, False)
    return {**report_json(plan, report, None), "queued": plan.to_send}


def say_report(
    plan: "Plan",
    report: "Report",
    options: "Options",
    rehearsal: "Rehearsal | None" = None,
    arrived: "Arrived | None" = None,
    prepared: "Prepared | None" = None,
) -> int:
    """Say what a run did, to people or programs; the exit code."""
    code = exit_code(plan, report)
    if options.as_json:
        options.report(report_json(plan, report, rehearsal))
        if report.stopped is not None:
            note(f"newsletter: {report.stopped}")
    elif options.is_logged:
        counted = report_json(plan, report, rehearsal)
        replies = [{"reply": text, "count": count} for text, count in report.replies]
        event("report", **{**counted, "rejected": len(counted["rejected"]), "replies": replies})
    elif not options.quiet or code:
        again = f" --again {shlex.quote(options.again)}" if options.again else ""
        command = f"newsletter send {shlex.quote(options.post)}{again}"
        _show_report(plan, report, rehearsal, arrived, prepared, command)
    return code


def _show_report(
    plan: "Plan",
    report: "Report",
    rehearsal: "Rehearsal | None",
    arrived: "Arrived | None",
    prepared: "Prepared | None",
    command: str,
) -> None:
    """For people; `command` is the one that sends this issue again."""
    say()
    if not plan.to_send and report.stopped is None and not report.interrupted:
        say("nothing to send" + (": everybody has it" if plan.already_sent == plan.recipients else ""))
        _show_unknown(plan, report, command)
        return
    word = "accepted" if rehearsal is not None else "sent"
    counts = [paint(f"{report.sent:,} {word}", "green") if report.sent else f"{report.sent:,} {word}"]
    counts += [paint(f"{n:,} {w}", colour) for w, colour in _COUNTED.items() if (n := getattr(report, w))]
    speed = f" in {human_seconds(report.seconds)} ({report.rate:,.0f}/s)" if report.sent else ""
    say(("Rehearsed: " if rehearsal is not None else "") + ", ".join(counts) + speed)
    for text, count in report.replies[:SHOWN]:
        say(f"  {count:,} × {text}")
    for text in report.notes:
        if text != str(report.stopped):
            say(f"  {text}")
    _show_unknown(plan, report, command)
    if rehearsal is not None:
        _show_rehearsal(
            rehearsal,
            arrived,
            Counter(one.severity for one in prepared.findings) if prepared else Counter(),
            _check(plan),
        )
    if report.stopped is not None:
        note(f"newsletter: {report.stopped}")
    if report.interrupted:
        note("stopped; run the same command again to go on")
        if report.state == "paused":
            note(f"it is paused; `newsletter resume {shlex.quote(plan.issue.id)}` first")
    elif rehearsal is None and report.failed + report.unknown + report.deferred:
        say(f"`newsletter deliveries {plan.issue.id}` names everybody")


def _check(plan: "Plan") -> str:
    """The command that shows the findings of the issue's post."""
    return f"newsletter check {shlex.quote(plan.issue.post)}"


def _show_unknown(plan: "Plan", report: "Report", command: str) -> None:
    """Name those who may have it, also from an earlier run that died, and the command that mails them again."""
    before = () if plan.resend_unknown else plan.unknown_names
    count = report.unknown + (0 if plan.resend_unknown else plan.unknown)
    if count:
        names = ", ".join((*before, *report.unknown_names)[:SHOWN]) + (" …" if count > SHOWN else "")
        say(f"  {count:,} unknown, who may have it: {names}")
        say(f"  `{command} --resend-unknown` mails them again; some then get it twice")


def _show_rehearsal(rehearsal: "Rehearsal", arrived: "Arrived | None", findings: Counter[str], check: str) -> None:
    """What arrived in our own test inbox, parsed again; `check` is the command that shows the findings."""
    counts = [
        paint(plural(n, kind), colour)
        for kind, colour in (("error", "red"), ("warning", "yellow"))
        if (n := findings[kind])
    ]
    if arrived is not None:
        say_row("Refused", f"{arrived.refused:,}")
        say_row("Largest", human_size(arrived.largest))
    say_row("Findings", (", ".join(counts) or "none") + (f"; `{check}` shows them" if counts else ""))
    if arrived is not None and arrived.headers:
        say("Sample")
        for name, value in arrived.headers:
            say(f"  {name}: {value}", hang=4)
    say_row("Inbox", short_path(rehearsal.place))
    say_row("Look at it", "`newsletter inbox` opens it in the browser" if rehearsal.is_ours else "it is there")


def exit_code(plan: "Plan", report: "Report") -> int:
    if report.interrupted:
        return 130
    if report.stopped is not None:
        nothing_sent = not report.sent + report.unknown
        return report.stopped.exit_code if nothing_sent or report.stopped.exit_code != 2 else 3
    if plan.waiting:
        return 3
    tried = plan.to_send > 0  # who is suppressed is not tried again
    left = (0 if plan.retry_failed and tried else plan.failed) + (0 if plan.resend_unknown and tried else plan.unknown)
    return 1 if report.failed or report.deferred or report.unknown or left else 0
