"""Show an error where it is: the file, the line, and the lines around it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.errors import NewsletterError

AROUND = 4
"""Lines shown before and after the faulty one."""
LONGEST = 400
"""Characters of a line that are shown."""
LARGEST = 8 * 1024 * 1024
"""Bytes of a file that an excerpt is taken from at most."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a file, the first of them numbered `first` (from 1)."""

    first: int
    lines: tuple[str, ...]


def describe_error(error: Exception, root: Path) -> dict[str, Any]:
    """What the page shows of an error, as JSON: `{error, hint, path, line, excerpt: {first, lines}}`.

    `path` is relative to `root` where it can be. What is not a NewsletterError is a bug, and said to be one.
    """
    if not isinstance(error, NewsletterError):
        return {
            "error": f"{type(error).__name__}: {error}",
            "hint": "this is a bug in newsletter; please report it",
            "path": None,
            "line": None,
            "excerpt": None,
        }
    what, _, hint = error.what.partition("; ")
    path = _find(error.path, root)
    excerpt = _excerpt(path, error.line) if path is not None and error.line else None
    shown = error.path
    if path is not None and path.is_relative_to(root):
        shown = str(path.relative_to(root))
    return {
        "error": what,
        "hint": hint,
        "path": shown,
        "line": error.line,
        "excerpt": {"first": excerpt.first, "lines": list(excerpt.lines)} if excerpt else None,
    }


def _find(path: str | None, root: Path) -> Path | None:
    """The file that an error names, absolute or relative to `root`; None if there is no such file."""
    if path is None:
        return None
    try:
        found = root / path
        return found if found.is_file() else None
    except (OSError, ValueError):
        return None


def _excerpt(path: Path, line: int) -> Excerpt | None:
    try:
        if path.stat().st_size > LARGEST:
            return None
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    first = max(1, line - AROUND)
    taken = lines[first - 1 : line + AROUND]
    return Excerpt(first, tuple(text[:LONGEST] for text in taken)) if taken else None
