"""`subscribers import`: a file of people, looked at first, then taken over whole or not at all."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.console import confirm, is_interactive, note, plural, say, say_json, short_path, table
from newsletter.cli.owed import send_owed
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.audience.imports.importer import Import, ImportOutcome

SHOWN = 50
"""Refused rows that are named, unless with --json."""


def register(group: typer.Typer) -> None:
    """Add the command of this file."""
    group.command("import")(import_)


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with a header row.")],
    house: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="HOUSE",
            help="The file is an export of mailchimp, substack, ghost, buttondown, listmonk, kit, beehiiv or brevo; "
            "or of none of them: other.",
        ),
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Take over the good rows where some are refused.")] = False,
    ask_first: Annotated[
        bool, typer.Option("--confirm", help="Ask each newcomer by mail first; who confirms joins.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Take people over from a CSV file or another house's export: shows what it would do, and asks.

    Who left in the other house is suppressed here, never subscribed. Columns are kept; tags are put together. All or
    nothing: a row that can't be taken over stops the import, named with its line, unless --partial is given. A second
    import of the same file changes nothing.

    \b
      newsletter subscribers import people.csv
      newsletter subscribers import subscribed_email_audience_export.csv --from mailchimp
    """  # fmt: skip
    from newsletter.audience.imports.importer import prepare_import
    from newsletter.audience.roster import open_roster
    from newsletter.audience.token import load_secret
    from newsletter.config.settings import load_config
    from newsletter.state import open_state

    config = load_config(context.obj)
    if ask_first and not config.unsubscribe.url:
        what = (
            "--confirm needs the page that people confirm on; set [unsubscribe] url, and run `newsletter serve` there"
        )
        raise NewsletterError(what, **config.where("unsubscribe", "url"))
    engine = open_state(config)
    with prepare_import(engine, open_roster(config), file, house, load_secret(config)) as ready:
        outcome = ready.outcome
        if not as_json:
            _show(outcome)
        _show_refused(ready, file)
        done = changed = False
        if not dry_run:
            _permit(outcome, partial=partial, yes=yes, as_json=as_json)
            changed = ready.apply(time.time(), confirm=ask_first)
            done = True
        if as_json:
            say_json(_as_json(ready))
        elif done:
            say("done" if changed else "nothing to do")
    if done and ask_first and outcome.added + outcome.unconfirmed:
        send_owed(config)


def _permit(outcome: "ImportOutcome", *, partial: bool, yes: bool, as_json: bool) -> None:
    """Raise unless it may be done."""
    if outcome.refused and not partial:
        rows = plural(outcome.refused, "row")
        raise NewsletterError(f"{rows} can't be taken over; fix the file, or leave them out with --partial")
    if yes or not _changes(outcome):
        return
    if as_json or not is_interactive():
        raise NewsletterError("there is nobody to ask; give --yes to import without asking")
    if not confirm("Import?"):
        raise NewsletterError("nothing was imported; the same command asks again")


def _changes(outcome: "ImportOutcome") -> int:
    """How many rows may change something, before it is tried; the unconfirmed are compared when they are written."""
    return outcome.added + outcome.updated + outcome.newly_suppressed + outcome.unconfirmed


def _show(outcome: "ImportOutcome") -> None:
    say(table(outcome.mapping, ("column", "becomes")))
    say()
    for name, count in (
        ("Rows", outcome.read),
        ("To add", outcome.added),
        ("To change", outcome.updated),
        ("As they are", outcome.unchanged),
        ("Suppressed", outcome.suppressed),
        ("Unconfirmed", outcome.unconfirmed),
        ("Refused", outcome.refused),
    ):
        if count or name in ("Rows", "To add"):
            say(f"{name:<13}{count:,}")


def _show_refused(ready: "Import", file: Path) -> None:
    for line, _, reason in ready.refused(SHOWN):
        note(f"{short_path(str(file))}:{line}: {reason}")
    if (hidden := ready.outcome.refused - SHOWN) > 0:
        note(f"and {hidden:,} more; --json names them all")


def _as_json(ready: "Import") -> dict[str, object]:
    outcome = ready.outcome
    return {
        "read": outcome.read,
        "added": outcome.added,
        "updated": outcome.updated,
        "unchanged": outcome.unchanged,
        "suppressed": outcome.suppressed,
        "unconfirmed": outcome.unconfirmed,
        "rejected": [{"line": line, "email": email, "reason": reason} for line, email, reason in ready.refused()],
    }
