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
