"""`subscribers`: the list."""

from typing import Annotated

import typer

from newsletter.cli import subscribers_edit, subscribers_import
from newsletter.cli.console import note, plural, say, say_json, short_path

SHOWN = 50
"""Problems that are shown unless all are asked for."""


OUTSIDE = "outside [subscribers] where"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="The list of subscribers.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(check)
    subscribers_edit.register(group)
    subscribers_import.register(group)
    app.add_typer(group, name="subscribers")


def check(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every problem, not the first 50.")] = False,
) -> None:
    """Read the list as a send would: count, and name each row that can't be mailed with its line.

    Shows what stands in columns that may say that somebody left, and whom that keeps from being mailed. Exits with 1 if
    a row can't be mailed, with 2 if the list can't be read. Changes nothing.

    \b
      newsletter subscribers check
    """
    from newsletter.audience.csv.reader import check_list
    from newsletter.audience.source import open_list
    from newsletter.config.settings import load_config

    subscribers = open_list(load_config(context.obj))
    report = check_list(subscribers, None if everything or as_json else SHOWN)
    if as_json:
        say_json(
            {
                "path": str(subscribers.name),
                "subscribers": report.subscribers,
                "left": report.left,
                "outside": report.outside,
                "columns": list(report.columns),
                "status": {column.name: {value: n for value, n, _ in column.values} for column in report.status},
                "problems": [{"line": line, "problem": what} for line, what in report.problems],
            }
        )
    else:
        for line, what in report.problems:
            note(f"{short_path(str(subscribers.name))}:{line}: {what}")
        if hidden := report.bad_rows - len(report.problems):
            note(f"and {hidden:,} more; --all shows them")
        people = plural(report.subscribers, "subscriber")
        counts = [f"{count:,} {what}" for count, what in ((report.left, "left"), (report.outside, OUTSIDE)) if count]
        bad = f"{plural(report.bad_rows, 'row')} that can't be mailed"
        say(f"{', '.join([people, *counts, bad])}; further columns: {', '.join(report.columns) or 'none'}")
        for column in report.status:
            say(str(column))
    if report.bad_rows:
        raise typer.Exit(1)
