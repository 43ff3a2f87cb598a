"""Keep paths inside a folder: what a post or a site names is never read from elsewhere."""

import os
from pathlib import Path

from newsletter.errors import NewsletterError


def shown_path(path: Path, root: Path) -> str:
    """`path` relative to the newsletter in `root`, as people and the ledger know it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def inside(root: Path, path: Path | str) -> Path:
    """`path`, absolute or relative to `root`, with symbolic links followed; it need not exist.

    Raises NewsletterError when it leads out of `root`, by `..`, as an absolute path or through a link.
    """
    try:
        base = root.resolve()
        found = (base / path).resolve()
        if found.is_relative_to(base):
            return found
    except (OSError, ValueError, RuntimeError):  # NUL in the name; a link to itself
        pass
    raise NewsletterError(f"{str(path)[:200]!r} leads out of {root}; name a file inside it")


def below(root: Path, path: Path | str) -> Path:
    """`path` in `root`, its links not followed: a folder that the author names may be a link to anywhere.

    Raises NewsletterError as `inside` does.
    """
    found = Path(os.path.normpath(root / path))
    return found if found.is_relative_to(root) else inside(root, path)


def is_inside(root: Path, path: Path | str) -> bool:
    """Whether `inside` would give `path` back."""
    try:
        inside(root, path)
    except NewsletterError:
        return False
    return True
