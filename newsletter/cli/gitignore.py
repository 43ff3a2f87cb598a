"""Keep the list and the ledger, which hold addresses, out of a repository and off the web: for `init`.

A repository's .gitignore gets the lines that it lacks; a Jekyll site's configuration is the writer's, who is told what
to add to it.
"""

import fnmatch
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from newsletter.errors import NewsletterError

LIST = "subscribers.csv"
PRIVATE = (LIST, "newsletter.db", "newsletter.db-wal", "newsletter.db-shm", "newsletter.db-intents*", ".newsletter/")
"""What is in no repository: the list, the ledger, and the folder of the secret and the test inbox."""

FRESH = (
    "".join(f"{name}\n" for name in PRIVATE[1:])
    + f"# {LIST}  (addresses: no # here where others read the repository)\n"
)
"""The .gitignore of a folder that is in no repository yet."""

_PUBLISHED = (
    "newsletter.toml",
    "subscribers.csv",
    "newsletter.db",
    "newsletter.db-wal",
    "newsletter.db-shm",
    "newsletter.db-intents*",
)
"""What Jekyll would copy to the web; it leaves out what begins with a dot."""


def in_repository(folder: Path) -> bool:
    """Does `folder` lie in a git repository's work tree?"""
    return any((place / ".git").exists() for place in (folder.resolve(), *folder.resolve().parents))


def not_ignored(folder: Path) -> list[str]:
    """Which of PRIVATE git would take into the repository of `folder`; by .gitignore alone where there is no git."""
    git = shutil.which("git")
    if git is not None and folder.is_dir() and in_repository(folder):
        asked = [git, "-C", str(folder), "check-ignore", "--no-index", "--", *PRIVATE]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode in (0, 1):
            return [name for name in PRIVATE if name not in done.stdout.splitlines()]
    path = folder / ".gitignore"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return [name for name in PRIVATE if not {name, f"/{name}"} & {line.strip() for line in lines}]


def ignore(folder: Path, names: Sequence[str]) -> None:
    """Put `names` into the .gitignore of `folder`, below what stands there, in its line ends."""
    path = folder / ".gitignore"
    try:
        before = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
        end = "\r\n" if "\r\n" in before else "\n"
        text = before + (end if before and not before.endswith("\n") else "") + "".join(name + end for name in names)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        what = f"can't be written: {error.strerror}; put {', '.join(names)} into it yourself"
        raise NewsletterError(what, path=path) from None


def tracked(folder: Path) -> list[str]:
    """Which of PRIVATE are in the repository already, where ignoring them changes nothing."""
    git = shutil.which("git")
    if git is None or not in_repository(folder):
        return []
    asked = [git, "-C", str(folder), "ls-files", "--", LIST, "newsletter.db"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603


def jekyll_excludes(path: Path, config: Any) -> list[str]:
    """What to write into a Jekyll site's configuration at `path`, whose values are `config`: lines, or none.

    Where there is an `exclude:` list, the lines that it lacks, in its own way of writing.
    """
    listed = config.get("exclude")
    listed = [str(entry) for entry in listed] if isinstance(listed, list) else [listed] if listed else []
    missing = [name for name in _PUBLISHED if not any(fnmatch.fnmatch(name, entry.lstrip("/")) for entry in listed)]
    if not missing:
        return []
    text = path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() else ""
    there = re.search(
        r"^exclude[ \t]*:[ \t]*(\[)?(?:[^\n]*)\n?((?:[ \t]*(?:#[^\n]*)?\n)*)([ \t]*- )?", text, re.MULTILINE
    )
    if there is None or not listed:
        return [f"exclude: [{', '.join(missing)}]"]
    line = text.count("\n", 0, there.start()) + 1
    if there[1]:
        return [f"to the list `exclude: [...]` on line {line}: {', '.join(missing)}"]
    indent = there[3] or "  - "
    return [f"below `exclude:` on line {line}:", *(f"{indent}{name}" for name in missing)]
