"""Write what is made from the code: the help overview, the reference of commands, of checks; the state file's tables.

`make docs` runs it; a test compares what it would write with what is there.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
WIDTH = 80


def pages() -> dict[Path, str]:
    """Each generated page and its text."""
    return {
        ROOT / "newsletter/cli/help.txt": overview(),
        ROOT / "docs/reference/commands.md": commands(),
        ROOT / "docs/reference/checks.md": checks(),
        ROOT / "docs/newsletter.1": manual(),
        ROOT / "newsletter/state/schema.sql": tables(),
    }


def overview() -> str:
    """What `newsletter --help` prints."""
    return _help(_root())


def commands() -> str:
    """The reference of commands: each one's help, as it prints it."""
    parts = ["# Commands\n\nMade from the commands' own help by `make docs`.\n"]
    root = _root()
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None) or {"": command}
        for child, one in inner.items():
            title = f"newsletter {name} {child}".strip()
            parts.append(f"## {title}\n\n```\n{_help(one, title)}```\n")
    return "\n".join(parts)


def manual() -> str:
    """The manual page, in man's macros: the help of every command."""
    from newsletter import __version__

    root = _root()
    parts = [f'.TH NEWSLETTER 1 "" "newsletter {__version__}" "User Commands"', ".SH NAME"]
    parts.append("newsletter \\- publish a newsletter from a git repository")
    parts += [
        ".SH SYNOPSIS",
        ".B newsletter",
        "[\\-\\-config FILE] COMMAND [OPTIONS]",
        ".SH DESCRIPTION",
        *_verbatim(overview()),
    ]
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None) or {"": command}
        for child, one in inner.items():
            title = f"newsletter {name} {child}".strip()
            parts += [f".SH {title.upper()}", *_verbatim(_help(one, title))]
    files = "newsletter.toml, subscribers.csv, newsletter.db, .newsletter/"
    parts += [".SH FILES", files, ".SH EXIT STATUS", *_verbatim(_exit_codes())]
    return "\n".join(parts) + "\n"


def _verbatim(text: str) -> list[str]:
    """Lines that man shows as they are."""
    escaped = text.rstrip().replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped)
    return [".nf", *("\\&" + line if line[:1] in (".", "'") else line for line in escaped.split("\n")), ".fi"]


def _exit_codes() -> str:
    """The table of docs/reference/exit-codes.md as lines."""
    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    rows = [
        line.strip("| ").split(" | ", 1) for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()
    ]
    return "\n".join(f"{code:>4}  {means.replace('`', '')}" for code, means in rows)


def checks() -> str:
    """The reference of checks: each rule as it is declared."""
    from newsletter.checks.reference import reference_page

    return reference_page()


def tables() -> str:
    """The tables that a new state file gets."""
    from newsletter.state.schema import schema_sql

    return schema_sql()


def _root():
    import typer

    from newsletter.cli.app import build_app

    return typer.main.get_command(build_app())


def _help(command, path: str = "newsletter") -> str:
    with command.make_context(path, [], resilient_parsing=True, terminal_width=WIDTH) as context:
        return command.get_help(context).rstrip() + "\n"


def main() -> None:
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
