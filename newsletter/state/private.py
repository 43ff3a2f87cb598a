"""Make files and folders that nobody but their owner can read, whatever the umask and whoever comes first.

`mkdir(parents=True)` leaves the mode of parents to the umask, and so does a database that makes its own file; here each
is made with the mode it keeps.
"""

import contextlib
import os
import stat
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def state_folder(path: Path) -> Path:
    """The folder for what is ours and never in git, private and ignored. Raises OSError."""
    if not (private_folder(path) / ".gitignore").exists():
        write_private(path / ".gitignore", "*\n")
    return path


def private_folder(path: Path) -> Path:
    """The folder `path`, made with mode 0700 where it is missing, and closed to others where it was open.

    Its parents must be there. Raises OSError.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=FOLDER)
        path.chmod(FOLDER)  # the umask may have taken even the owner's rights
    if path.stat().st_mode & OTHERS:
        path.chmod(FOLDER)
    return path


def private_file(path: Path) -> Path:
    """The file `path`, made empty with mode 0600 where it is missing. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE))
        path.chmod(FILE)
    return path


def write_private(path: Path, text: str) -> None:
    """Write `text` to the file `path`, readable by its owner alone. Raises OSError."""
    private_file(path).chmod(FILE)
    path.write_text(text, encoding="utf-8")
