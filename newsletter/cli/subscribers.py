"""`subscribers`: the list."""

from typing import Annotated

import typer

from newsletter.cli.console import note, plural, say, say_json, short_path

SHOWN = 50
"""Problems that are shown unless all are asked for."""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="The list of subscribers.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(check)
    app.add_typer(group, name="subscribers")


def check(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every problem, not the first 50.")] = False,
) -> None:
    """Read the list as a send would: count, and name each row that can't be mailed with its line.

    Exits with 1 if there is such a row, with 2 if the list can't be read for sure. Changes nothing.

    \b
      newsletter subscribers check
    """
    from newsletter.audience.csv.reader import check_csv
    from newsletter.config.settings import load_config

    config = load_config(context.obj)
    path = config.root / config.subscribers.source
    report = check_csv(path, None if everything or as_json else SHOWN)
    if as_json:
        say_json(
            {
                "path": str(path),
                "subscribers": report.subscribers,
                "columns": list(report.columns),
                "problems": [{"line": line, "problem": what} for line, what in report.problems],
            }
        )
    else:
        for line, what in report.problems:
            note(f"{short_path(str(path))}:{line}: {what}")
        if hidden := report.bad_rows - len(report.problems):
            note(f"and {hidden:,} more; --all shows them")
        columns = ", ".join(report.columns) or "none"
        people = plural(report.subscribers, "subscriber")
        say(f"{people}, {plural(report.bad_rows, 'row')} that can't be mailed; columns: {columns}")
    if report.bad_rows:
        raise typer.Exit(1)
