"""The command line: the only room that prints, prompts and exits.

`newsletter --help` must be instant, and Typer alone takes ten times as long to import as Python to start: so the
overview is kept as text (written by `make docs`, held equal to the commands by a test), and the rest is imported when
needed.
"""

import sys


def main() -> None:
    """Run `newsletter` with the arguments of the process; exits."""
    arguments = sys.argv[1:]
    if arguments in (["--help"], ["-h"], []):
        with open(f"{__path__[0]}/help.txt", encoding="utf-8") as overview:
            sys.stdout.write(overview.read())
        return
    from newsletter.cli.app import run

    sys.exit(run(arguments))
