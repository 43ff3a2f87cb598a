"""`doctor`: what is wrong with identity, relay, list and this machine, and the exact line to put where."""

import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.console import note, paint, say, say_json, table

if TYPE_CHECKING:
    from newsletter.doctor.run import Examination

MARKS = {"pass": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red"), "skip": ("·", "dim")}
_HANG = 4


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(doctor)


def doctor(
    context: typer.Context,
    probe: Annotated[
        bool, typer.Option("--probe", help="Send one real message through the relay into [feedback] imap, and read it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A list of what was looked at, for programs.")] = False,
) -> None:
    """Say what keeps mail from arriving, and how to fix it.

    Reads DNS, the relay, the list and this machine; changes nothing. Exits with 1 if something is wrong. With --probe
    one message goes through the relay into your own mailbox, to see what becomes of it on the way.

    \b
      newsletter doctor
      newsletter doctor --probe
    """
    from newsletter.cli.loop import run_async
    from newsletter.config.settings import load_config
    from newsletter.doctor.run import examine

    if not as_json and sys.stderr.isatty():
        note("asking name servers, the relay and the public pages…")
    if probe:
        note("one message goes to your own mailbox, and is waited for, two minutes at most")
    examinations = run_async(examine(load_config(context.obj), probe=probe))
    if as_json:
        say_json([asdict(one) for examination in examinations for one in examination.diagnoses])
    else:
        _show(examinations)
    if any(one.result == "fail" for examination in examinations for one in examination.diagnoses):
        raise typer.Exit(1)


def _show(examinations: "list[Examination]") -> None:
    for examination in examinations:
        say(paint(examination.heading, "bold"))
        if examination.table:
            header, *rows = examination.table
            say("\n".join(f"  {line}" for line in table(rows, header).split("\n")))
        for one in examination.diagnoses:
            mark, colour = MARKS[one.result]
            say(f"  {paint(mark, colour)} {one.what} {paint(f'[{one.check}]', 'dim')}", hang=_HANG)
            for line in filter(None, one.fix.split("\n")):
                _say_fix(line)
    counts = Counter(one.result for examination in examinations for one in examination.diagnoses)
    told = (
        (counts["fail"], "wrong", "red"),
        (counts["warn"], "to better", "yellow"),
        (counts["pass"], "fine", "green"),
    )
    said = ", ".join(paint(f"{count} {word}", colour if count else "dim") for count, word, colour in told)
    say(said + (f", {counts['skip']} not looked at" if counts["skip"] else ""))


def _say_fix(line: str) -> None:
    """How to mend it; a line that is copied, of a zone or a config, is never folded."""
    from newsletter.doctor.diagnosis import is_copied

    if is_copied(line):
        print(" " * (_HANG + 2) + line)  # noqa: T201
    else:
        say(" " * (_HANG + 2) + line, hang=_HANG + 2)
