"""The command line: the only room that prints, prompts and exits.

`newsletter --help` must be instant, and Typer alone takes ten times as long to import as Python to start: so the
overview is kept as text (written by `make docs`, held equal to the commands by a test), and the rest is imported when
needed.
"""

import sys
from importlib import resources


def main() -> None:
    """Run `newsletter` with the arguments of the process; exits."""
    arguments = sys.argv[1:]
    if arguments in (["--help"], ["-h"], []):
        sys.stdout.write(resources.files(__name__).joinpath("help.txt").read_text(encoding="utf-8"))
        sys.exit(0)
    from newsletter.cli.app import run

    sys.exit(run(arguments))
