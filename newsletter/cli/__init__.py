"""The command line: the only room that prints, prompts and exits.

`newsletter --help` must be instant, and Typer alone takes ten times as long to import as Python to start: so the
overview is kept as text (written by `make docs`, held equal to the commands by a test), and the rest is imported when
needed.
"""

import contextlib
import os
import sys


def main() -> None:
    """Run `newsletter` with the arguments of the process; exits."""
    arguments = sys.argv[1:]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell: `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (until the end)
    if os.name == "nt":
        sys.stderr.write("newsletter: runs on Linux and macOS; on Windows, use it inside WSL (`wsl --install`)\n")
        sys.exit(2)
    if arguments in (["--help"], ["-h"], []):
        with contextlib.suppress(OSError), open(f"{__path__[0]}/help.txt", encoding="utf-8") as overview:
            sys.stdout.write(overview.read())
            sys.stdout.flush()
            return
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looked for in every package that is installed
    from newsletter.cli.app import run

    sys.exit(run(arguments))
