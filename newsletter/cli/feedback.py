"""`feedback`: act on bounces, complaints, and mail that asks to leave or to join."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.console import json_text, note, plural, say, say_json_list
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.config.settings import Config
    from newsletter.feedback.mailbox import Mail
    from newsletter.feedback.read import ReturnedMail
    from newsletter.feedback.record import Person, Recorder

LOOK_BACK = 30 * 86_400.0
"""Seconds before now from which on mail is looked at, where no issue says since when it may answer us."""
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
    """Read what came back, and act on it: bounces, complaints, mail that asks to leave or to join.

    Safe to repeat: a mail is handled once. Handled mails are marked, or moved to [feedback] move_to, never deleted.
    Acts only on what answers a message of ours, unless [feedback] trust_unsigned is set. Who writes to [feedback]
    subscribe is asked back, and joins by answering.

    \b
      newsletter feedback                          the mailbox of [feedback] imap
      newsletter feedback bounce.eml --dry-run
      newsletter feedback --maildir ~/Maildir
    """
    from newsletter.config.settings import load_config
    from newsletter.feedback.read import read_feedback

    config = load_config(context.obj)
    recorder, mails = _recorder(config, dry_run), _mails(config, files or [], imap, maildir, mbox)
    entries, summary = [], Summary()
    for mail in mails:
        found = read_feedback(mail.data, leave=config.unsubscribe.mailto, join=config.feedback.subscribe)
        waiting = recorder.put_off
        deed, person = recorder.act(mail.data, found)
        if not dry_run and recorder.put_off == waiting:
            mail.mark()
        entry = _entry(mail.name, found, deed, person)
        summary.add(entry)
        if as_json:
            entries.append(json_text(entry))  # a text is a third of an object's size
    if as_json:
        say_json_list(entries)
    else:
        _show(summary, dry_run)
    if recorder.put_off:
        note(f"{plural(recorder.put_off, 'sign-up')} by mail left for a later run: so many an hour are asked, no more")
    if config.feedback.subscribe and not dry_run:
        _answer(config)


@dataclass(slots=True)
class Summary:
    """What is told to a person: what was acted on by name, the rest by number."""

    read: int = 0
    acted: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)
    left_alone: Counter[str] = field(default_factory=Counter)
    doubtful: int = 0

    def add(self, entry: dict[str, Any]) -> None:
        """Count one mail."""
        self.read += 1
        if entry["action"] != "none":
            self.acted += 1
            if len(self.shown) < SHOWN:
                self.shown.append(entry)
            return
        kind = str(entry["kind"])
        self.left_alone[str(entry["reason"] or "other") if kind == "other" else kind] += 1
        self.doubtful += kind in {"bounce", "complaint"}


def _entry(name: str, found: "ReturnedMail", deed: str, person: "Person | None") -> dict[str, Any]:
    return {
        "file": name,
        "kind": found.kind,
        "email": person.email if person is not None else found.email or None,
        "hard": found.hard if found.kind == "bounce" else None,
        "status": found.status or None,
        "reason": found.reason or None,
        "issue": person.issue if person is not None else None,
        "action": deed,
    }


def _recorder(config: "Config", dry_run: bool) -> "Recorder":
    from newsletter.audience.address import split_mailbox
    from newsletter.audience.roster import open_roster
    from newsletter.audience.source import find_list, find_subscriber
    from newsletter.audience.token import load_secret
    from newsletter.feedback.join import MailSignup
    from newsletter.feedback.record import Recorder
    from newsletter.state import open_state

    engine, secret, join = open_state(config), load_secret(config), None
    if address := config.feedback.subscribe:
        own = split_mailbox(config.newsletter.author, "[newsletter] author")[1]
        if address.lower() in {own.lower(), config.newsletter.reply_to.lower()}:
            what = "people answer letters there, and each would be taken for a sign-up; give it an address of its own"
            raise NewsletterError(f"[feedback] subscribe: {what}", **config.where("feedback", "subscribe"))
        join = MailSignup(engine, secret, open_roster(config), own.rpartition("@")[2], time.time)
    return Recorder(
        engine,
        secret,
        clock=time.time,
        is_subscriber=lambda email: find_subscriber(find_list(config), email) is not None,
        join=join,
        trust_unsigned=config.feedback.trust_unsigned,
        dry_run=dry_run,
    )


def _mails(
    config: "Config", files: list[str], imap: str | None, maildir: Path | None, mbox: Path | None
) -> "Iterator[Mail]":
    """The mails of the sources that were named; of the configured mailbox where none was."""
    from newsletter.feedback.mailbox import read_files, read_maildir, read_mbox

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
    yield from _mailbox(config, url)


def _mailbox(config: "Config", url: str) -> "Iterator[Mail]":
    """The mails of a mailbox on a server."""
    from newsletter.feedback.imap import ImapBox, ImapLogin, read_imap
    from newsletter.feedback.record import first_sent
    from newsletter.state import open_state

    box, own = ImapBox.parse(url), config.feedback
    login = ImapLogin(token=_token(config)) if own.oauth else ImapLogin(password=config.feedback_password())
    if login == ImapLogin():
        raise NewsletterError(
            "there is no password for the mailbox; set NEWSLETTER_FEEDBACK__PASSWORD, or [feedback] oauth"
        )
    ca_file = config.root / own.ca_file if own.ca_file else None
    first = first_sent(open_state(config))
    if own.subscribe or first is None:  # who wants to join does not wait for an issue
        first = min(first or time.time(), time.time() - LOOK_BACK)
    yield from read_imap(box, login, first, ca_file=ca_file, move_to=own.move_to)


def _token(config: "Config") -> str:
    """What the command of [feedback] oauth prints."""
    from newsletter.cli.loop import run_async
    from newsletter.smtp.login import TokenError, TokenSource

    try:
        return run_async(TokenSource(config.feedback.oauth, str(config.root)).token())
    except TokenError as error:
        raise NewsletterError(f"{error}; see [feedback] oauth", **config.where("feedback", "oauth")) from None


def _answer(config: "Config") -> None:
    """Send the confirmations and welcomes that are owed, by this run or by one whose relay was away."""
    from newsletter.audience.notices import waiting
    from newsletter.cli.owed import send_owed
    from newsletter.state import open_state

    if waiting(open_state(config)):
        send_owed(config, "mail")


def _show(summary: Summary, dry_run: bool) -> None:
    for entry in summary.shown:
        why = ", ".join(str(entry[key]) for key in ("reason", "status", "issue") if entry[key])
        say(f"{entry['action']}: {entry['email']} ({entry['kind']}{': ' + why if why else ''})")
    if summary.acted > SHOWN:
        say(f"and {summary.acted - SHOWN:,} more")
    would = " would be" if dry_run and summary.acted else ""
    said = f"{plural(summary.read, 'mail')} read, {summary.acted}{would} acted on"
    if summary.left_alone:
        said += "; left alone: " + ", ".join(f"{count} {what}" for what, count in summary.left_alone.most_common())
    say(said)
    if summary.doubtful:
        doubtful = plural(summary.doubtful, "bounce or complaint", "bounces or complaints")
        note(
            f"{doubtful} changed nothing: about a mail that is not ours, about the sender and not the reader, or read "
            "before; --json shows which"
        )
