"""`suppress`: who must not be mailed, whatever the list says."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.console import iso, note, plural, say, say_json, short_path, table
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from newsletter.audience.suppression import Reason

REASON = typer.Option("--reason", metavar="R", help="unsubscribe, bounce, complaint or manual.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Who must not be mailed.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    group.command()(add)
    group.command()(remove)
    group.command("import")(import_)
    app.add_typer(group, name="suppress")


def list_(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, for programs.")] = False,
) -> None:
    """Show who must not be mailed, with the reason, who said so, the issue and the date; oldest first.

    \b
      newsletter suppress list
    """
    from newsletter.audience.suppression import all_suppressions

    found = list(all_suppressions(_state(context)))
    if as_json:
        say_json(
            [
                {
                    "email": one.email,
                    "reason": one.reason,
                    "source": one.source,
                    "issue": one.issue,
                    "created": iso(one.created),
                }
                for one in found
            ]
        )
    elif found:
        rows = [
            (
                one.email or "(erased)",
                one.reason,
                one.source,
                one.issue or "",
                time.strftime("%Y-%m-%d", time.localtime(one.created)),
            )
            for one in found
        ]
        say(table(rows, ("email", "reason", "source", "issue", "since")))
    else:
        note("nobody is suppressed")


def add(
    context: typer.Context,
    emails: Annotated[list[str], typer.Argument(metavar="EMAIL…")],
    reason: Annotated[str, REASON] = "manual",
) -> None:
    """Mail these addresses nothing more: from now on, also in a send that is running, also if the list names them.

    \b
      newsletter suppress add ada@example.org
    """
    from newsletter.audience.erasure import was_erased
    from newsletter.audience.suppression import suppress
    from newsletter.audience.token import load_secret
    from newsletter.cli.subscribers_edit import read_address
    from newsletter.config.settings import load_config

    why = _reason(reason)
    engine, secret = _state(context), load_secret(load_config(context.obj))
    for address in [read_address(email) for email in emails]:
        new = not was_erased(engine, secret, address) and suppress(engine, address, why, "cli", time.time())
        say(f"{address} is mailed nothing more" if new else f"{address} was suppressed already")


def remove(
    context: typer.Context,
    emails: Annotated[list[str], typer.Argument(metavar="EMAIL…")],
) -> None:
    """Allow mail to these addresses again. Do it only where they asked for it.

    \b
      newsletter suppress remove ada@example.org
    """
    from newsletter.audience.erasure import return_erased
    from newsletter.audience.suppression import unsuppress
    from newsletter.audience.token import load_secret
    from newsletter.cli.subscribers_edit import read_address
    from newsletter.config.settings import load_config

    engine, secret = _state(context), load_secret(load_config(context.obj))
    addresses = list(dict.fromkeys(read_address(email) for email in emails))
    missed = []
    for address in addresses:
        if unsuppress(engine, address) | return_erased(engine, secret, address):
            say(f"{address} may be mailed again")
        else:
            missed.append(address)
    if missed == addresses:
        raise NewsletterError(f"{', '.join(missed)}: not suppressed; `newsletter suppress list` shows who is")
    for address in missed:
        note(f"{address} is not suppressed")
    if missed:
        raise typer.Exit(1)


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file, or an address a line; - is stdin.")],
    reason: Annotated[str, REASON] = "manual",
) -> None:
    """Suppress the addresses of a file: a CSV file with a header, or one address a line. Twice is nothing twice.

    A column `reason` counts where it has one of the words. A row that holds no address is named with its line, and
    nothing is done.

    \b
      newsletter suppress import complaints.csv --reason complaint
    """
    from newsletter.audience.erasure import erased_among
    from newsletter.audience.imports.suppressions import read_suppressions
    from newsletter.audience.suppression import suppress_all
    from newsletter.audience.token import load_secret
    from newsletter.config.settings import load_config

    why = _reason(reason)
    engine = _state(context)
    rows, problems = read_suppressions(file if str(file) != "-" else None, sys.stdin, why)
    for line, what in problems[:50]:
        note(f"{short_path(str(file))}:{line}: {what}")
    if problems:
        raise NewsletterError(f"{plural(len(problems), 'row')} without an address; fix the file, nothing was done")
    with engine.connect() as connection:
        erased = erased_among(connection, load_secret(load_config(context.obj)), [address for address, _ in rows])
    new = suppress_all(engine, [row for row in rows if row[0] not in erased], "import", time.time())
    say(f"{plural(new, 'address')} suppressed, {len(rows) - new:,} were already".replace("addresss", "addresses"))


def _reason(text: str) -> "Reason":
    from newsletter.audience.suppression import REASONS

    for reason in REASONS:
        if reason == text.lower():
            return reason
    raise NewsletterError(f"--reason {text!r} is none; known: {', '.join(REASONS)}")


def _state(context: typer.Context) -> "Engine":
    from newsletter.config.settings import load_config
    from newsletter.state import open_state

    return open_state(load_config(context.obj))
