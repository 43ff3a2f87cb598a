"""Put the commands together, run one, and turn what it raises into one line on stderr and an exit code.

A command's module is imported only when that command is called. Exit codes: docs/reference/exit-codes.md.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import exceptions as typer_exceptions
from typer._click.exceptions import ClickException, UsageError

from newsletter import __version__
from newsletter.cli.console import fail, short_path
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
    "subscribers": "subscribers",
}
"""Each command and the module of this room that defines it, in the order of the help."""

INTERRUPTED = 130


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


def _options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", help="The newsletter.toml to use; looked up from here upward.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
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
    if version:
        print(f"newsletter {__version__}")  # noqa: T201
        raise typer.Exit


def run(arguments: list[str]) -> int:
    """Run the command line `arguments`; the exit code."""
    called = next((argument for argument in arguments if argument in COMMANDS), None)
    app = build_app(called) if called else build_app()
    try:
        code = app(args=arguments, prog_name="newsletter", standalone_mode=False)
        sys.stdout.flush()
    except NewsletterError as error:
        error.path = short_path(error.path) if error.path else None
        return fail(str(error), error.exit_code)
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "newsletter"
        return fail(f"{_lower(error.format_message())}; see `{command} --help`", 2)
    except ClickException as error:
        return fail(error.format_message(), 2)
    except typer_exceptions.Exit as exit_:
        return exit_.exit_code
    except (KeyboardInterrupt, typer_exceptions.Abort):
        return fail("stopped", INTERRUPTED)
    except BrokenPipeError:  # `newsletter deliveries … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def _lower(message: str) -> str:
    message = " ".join(message.split()).rstrip(".")
    return message[:1].lower() + message[1:]
