"""`feedback`: act on bounces, complaints, and mail that asks to leave."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.console import note, plural, say, say_json
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.config.settings import Config
    from newsletter.feedback.mailbox import Mail
    from newsletter.feedback.record import Recorder

SHOWN = 20
"""Mails that are named one by one for a person."""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(feedback)


def feedback(
    context: typer.Context,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE…|-]", help="Files with one mail each; - reads standard input.")
    ] = None,
    imap: Annotated[
        str | None, typer.Option("--imap", metavar="URL", help="This mailbox, instead of the configured one.")
    ] = None,
    maildir: Annotated[Path | None, typer.Option("--maildir", metavar="DIR", help="The unseen mails of it.")] = None,
    mbox: Annotated[Path | None, typer.Option("--mbox", metavar="FILE", help="The mails of it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, one entry a mail.")] = False,
) -> None:
    """Read what came back, and act on it: bounces, complaints, mail that asks to leave.

    Safe to repeat: a mail is handled once. Handled mails are marked, never deleted. Acts only on what answers a message
    of ours, unless [feedback] trust_unsigned is set.

    \b
      newsletter feedback                          the mailbox of [feedback] imap
      newsletter feedback bounce.eml --dry-run
      newsletter feedback --maildir ~/Maildir
    """
    from newsletter.config.settings import load_config
    from newsletter.feedback.read import read_feedback

    config = load_config(context.obj)
    recorder, mails = _recorder(config, dry_run), _mails(config, files or [], imap, maildir, mbox)
    entries: list[dict[str, Any]] = []
    for mail in mails:
        found = read_feedback(mail.data, leave=config.unsubscribe.mailto)
        action, person = recorder.act(mail.data, found)
        if not dry_run:
            mail.mark()
        entries.append(
            {
                "file": mail.name,
                "kind": found.kind,
                "email": person.email if person is not None else found.email or None,
                "hard": found.hard if found.kind == "bounce" else None,
                "status": found.status or None,
                "reason": found.reason or None,
                "issue": person.issue if person is not None else None,
                "action": action,
            }
        )
    if as_json:
        say_json(entries)
    else:
        _show(entries, dry_run)


def _recorder(config: "Config", dry_run: bool) -> "Recorder":
    from newsletter.audience.source import find_list, find_subscriber
    from newsletter.audience.token import load_secret
    from newsletter.feedback.record import Recorder
    from newsletter.state import open_state

    return Recorder(
        open_state(config),
        load_secret(config),
        clock=time.time,
        is_subscriber=lambda email: find_subscriber(find_list(config), email) is not None,
        trust_unsigned=config.feedback.trust_unsigned,
        dry_run=dry_run,
    )


def _mails(
    config: "Config", files: list[str], imap: str | None, maildir: Path | None, mbox: Path | None
) -> "Iterator[Mail]":
    """The mails of the sources that were named; of the configured mailbox where none was."""
    from newsletter.feedback.mailbox import ImapBox, read_files, read_imap, read_maildir, read_mbox
    from newsletter.feedback.record import first_sent
    from newsletter.state import open_state

    yield from read_files(files)
    if maildir is not None:
        yield from read_maildir(maildir)
    if mbox is not None:
        yield from read_mbox(mbox)
    if imap is None and (files or maildir or mbox):
        return
    url = imap or config.feedback.imap
    if not url:
        raise NewsletterError(
            "there is no mailbox to read; set [feedback] imap, or name files, --maildir or --mbox", path=config.path
        )
    ca_file = config.root / config.feedback.ca_file if config.feedback.ca_file else None
    password = config.feedback_password()
    if not password:
        raise NewsletterError("there is no password for the mailbox; set NEWSLETTER_FEEDBACK__PASSWORD")
    yield from read_imap(ImapBox.parse(url), lambda: ("password", password), first_sent(open_state(config)), ca_file)


def _show(entries: list[dict[str, Any]], dry_run: bool) -> None:
    """A summary for people: what was acted on by name, the rest by number."""
    acted = [entry for entry in entries if entry["action"] != "none"]
    for entry in acted[:SHOWN]:
        why = ", ".join(str(entry[key]) for key in ("reason", "status", "issue") if entry[key])
        say(f"{entry['action']}: {entry['email']} ({entry['kind']}{': ' + why if why else ''})")
    if len(acted) > SHOWN:
        say(f"and {len(acted) - SHOWN:,} more")
    left = Counter(_left_alone(entry) for entry in entries if entry["action"] == "none")
    would = " would be" if dry_run and acted else ""
    said = f"{plural(len(entries), 'mail')} read, {len(acted)}{would} acted on"
    if left:
        said += "; left alone: " + ", ".join(f"{count} {what}" for what, count in left.most_common())
    say(said)
    doubtful = sum(entry["action"] == "none" and entry["kind"] in {"bounce", "complaint"} for entry in entries)
    if doubtful:
        note(
            f"{plural(doubtful, 'bounce or complaint', 'bounces or complaints')} changed nothing: about a mail that is "
            "not ours, about the sender and not the reader, or read before; --json shows which"
        )


def _left_alone(entry: dict[str, Any]) -> str:
    return entry["reason"] or "other" if entry["kind"] == "other" else str(entry["kind"])
