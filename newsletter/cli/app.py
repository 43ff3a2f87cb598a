"""Put the commands together, run one, and turn what it raises into one line on stderr and an exit code.

A command's module is imported only when that command is called. Exit codes: docs/reference/exit-codes.md.
"""

import importlib
import io
import os
import sqlite3
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import exceptions as typer_exceptions
from typer._click.exceptions import NoArgsIsHelpError, UsageError

from newsletter import __version__
from newsletter.cli.console import EVENTS, INTERRUPTED, fail, say, short_path
from newsletter.cli.usage import explain_usage
from newsletter.errors import NewsletterError

COMMANDS = {
    "init": "scaffold",
    "new": "scaffold",
    "render": "render",
    "preview": "preview",
    "check": "check",
    "send": "send",
    "inbox": "inbox",
    "status": "status",
    "deliveries": "status",
    "pause": "pause",
    "resume": "pause",
    "cancel": "pause",
    "subscribers": "subscribers",
    "suppress": "suppress",
    "feedback": "feedback",
    "doctor": "doctor",
    "dkim": "dkim",
    "serve": "serve",
    "worker": "worker",
    "state": "state",
    "completion": "completion",
    "archive": "archive",
}
"""Each command and the module of this room that defines it, in the order of the help."""


def build_app(*names: str) -> typer.Typer:
    """The Typer app with the commands of `names`, or all of them."""
    app = typer.Typer(
        name="newsletter",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_options)
    for module in dict.fromkeys(COMMANDS[name] for name in names or COMMANDS):
        importlib.import_module(f"newsletter.cli.{module}").register(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        say(f"newsletter {__version__}")
        raise typer.Exit


def _options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", help="The newsletter.toml to use; looked up from here upward.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Publish a newsletter from a git repository.

    A Markdown post becomes one inline-styled message to every subscriber: nobody twice, nobody silently missed.

    \b
      newsletter init                       start here
      newsletter preview                    look at it as the reader will
      newsletter send POST --dry-run        rehearse into the test inbox
      newsletter send POST                  send it; safe to repeat
    """
    context.obj = config


def run(arguments: list[str]) -> int:
    """Run the command line `arguments`; the exit code."""
    EVENTS.handlers = []  # until a command says otherwise, lines are for people
    called = _called(arguments)
    command = typer.main.get_command(build_app(called) if called else build_app())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that can't show a letter shows `?`
    try:
        with command.make_context("newsletter", arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer_exceptions.Exit as exit_:
        return exit_.exit_code
    except NoArgsIsHelpError as error:  # a group without a command: what there is, as for `newsletter` alone
        say(error.message)
    except UsageError as error:
        return fail(explain_usage(error, f"newsletter {called}" if called else "newsletter"), 2)
    except NewsletterError as error:
        error.path = short_path(error.path) if error.path else None
        return fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer_exceptions.Abort):
        return fail("stopped", INTERRUPTED)
    except BrokenPipeError:  # `newsletter deliveries … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, sqlite3.OperationalError) as error:
        return fail(_mishap(error), 2)
    return 0


def _called(arguments: list[str]) -> str | None:
    """The command that is called; None where it isn't one of ours."""
    words = iter(arguments)
    for word in words:
        if word == "--config":
            next(words, None)
        elif not word.startswith("-"):
            return word if word in COMMANDS else None
    return None


def _mishap(error: Exception) -> str:
    """A file, a socket or a database that failed where no room expected it."""
    where = f"{short_path(str(error.filename))}: " if isinstance(error, OSError) and error.filename else ""
    what = (isinstance(error, OSError) and error.strerror) or str(error)
    hint = "make room" if "space left" in what or "is full" in what else "fix that"
    return f"{where}{what[:1].lower()}{what[1:]}; {hint}, then run the command again"
