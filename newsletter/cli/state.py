"""`state`: seal the ledger, or the list, where others can read it; copy the state into another database."""

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.console import note, plural, say, short_path
from newsletter.errors import NewsletterError

SEALED = "newsletter-state.age"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Seal the ledger or the list with age, where others can read it; copy the state.",
    )
    group.command("key")(key)
    group.command("seal")(seal)
    group.command("open")(open_)
    group.command("copy")(copy)
    app.add_typer(group, name="state")


def key() -> None:
    """Make a key for NEWSLETTER_AGE_KEY.

    Keep it where only this newsletter's jobs can read it: whoever has it can read the list and the ledger.

    \b
      newsletter state key
    """
    from newsletter.state.sealed import new_key

    secret, public = new_key()
    say(secret)
    note(f"public key, for others who seal: {public}")


def seal(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Seal this file, beside itself; else the ledger.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where the ledger goes.")] = None,
) -> None:
    """Seal the ledger, the secret and DKIM keys into one file; or FILE into FILE.age.

    The key is NEWSLETTER_AGE_KEY. A list that is sealed is read as it is: [subscribers] source = "subscribers.csv.age".

    \b
      newsletter state seal
      newsletter state seal subscribers.csv
    """
    from newsletter.config.settings import load_config
    from newsletter.state.open import state_file
    from newsletter.state.sealed import seal_file, seal_state

    config = load_config(context.obj)
    if file is not None:
        if out is not None:
            raise NewsletterError("--out is for the ledger; a file is sealed beside itself")
        target = seal_file(file, config)
    else:
        target = out or config.root / SEALED
        seal_state(config, state_file(config, "`state seal`"), target)
    note(f"sealed {short_path(str(target))}")


def open_(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The sealed file; else newsletter-state.age.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a ledger, or file, that is there.")
    ] = False,
) -> None:
    """Put back what was sealed: the ledger with its secret, or FILE.age as FILE.

    What is there stays, unless --replace is given: a ledger knows who was mailed, and must not be lost.

    \b
      newsletter state open
      newsletter state open subscribers.csv.age
    """
    from newsletter.config.settings import load_config
    from newsletter.state.open import state_file
    from newsletter.state.sealed import SUFFIX, open_file, open_state_file

    config = load_config(context.obj)
    source = file or config.root / SEALED
    if not source.exists():
        raise NewsletterError("there is no such file; `newsletter state seal` makes one", path=source)
    if source.suffix == SUFFIX and source.stem.endswith(".csv"):
        target = open_file(source, config, source.with_suffix(""), replace=replace)
        note(f"opened {short_path(str(target))}")
        return
    names = open_state_file(config, source, state_file(config, "`state open`"), replace=replace)
    note(f"opened {', '.join(names)}")


def copy(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="As [state] url has it: sqlite:///newsletter.db")],
    target: Annotated[str, typer.Argument(metavar="TO", help="A state with nothing in it: postgresql://…")],
) -> None:
    """Copy the whole state into another database, a file or PostgreSQL's, and compare it afterwards.

    All or nothing; FROM stays as it is, and TO must have nothing in it. Then name TO in [state] url. A password of
    PostgreSQL's comes from PGPASSWORD or ~/.pgpass. The secret stands beside the state, and is not copied.

    \b
      newsletter state copy sqlite:///newsletter.db postgresql://newsletter@db.example.org/newsletter
    """
    from newsletter.config.settings import load_config
    from newsletter.delivery.ledger.open import open_ledger
    from newsletter.state.copy import copy_state, senders
    from newsletter.state.open import database_at
    from newsletter.state.postgres import has_password

    root = load_config(context.obj).root
    for url in (source, target):
        if has_password(url):
            what = "everybody on this machine sees a password that is typed; give it as PGPASSWORD, or in ~/.pgpass"
            raise NewsletterError(what)
    origin, copied = database_at(source, root), database_at(target, root)
    for issue in senders(origin):  # of one that lives it is said so; what a dead one left is settled
        with open_ledger(origin) as ledger:
            ledger.hold(issue)
    counts = copy_state(origin, copied)
    said = ", ".join(_counted(count, name.replace("_", " ")) for name, count in counts.items() if count)
    say(f"copied to {short_path(copied.name)}: {said or 'nothing, there was nothing'}")


def _counted(count: int, table: str) -> str:
    """`1 issue`, `2 deliveries`: a table's name says several."""
    one = table.removesuffix("ies") + "y" if table.endswith("ies") else table.removesuffix("s")
    return plural(count, one, table)
