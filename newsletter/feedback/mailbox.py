"""Where mail that came back lies: files, standard input, a Maildir, an mbox; a mailbox on a server is `imap`'s.

Each source yields mails, oldest first, each with what marks it as handled: a flag, never a deletion. What a mail says
is `read`'s business.
"""

import mailbox
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from newsletter.errors import NewsletterError

LARGEST = 25_000_000
"""Bytes of a mail that are read; no notice is as large."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail: where it lies, for people; its bytes; and `mark`, which says that it was handled."""

    name: str
    data: bytes
    mark: Callable[[], None]


def _nothing() -> None:
    """Files given by name are left as they are: the state knows what was handled."""


def read_files(names: Iterable[str]) -> Iterator[Mail]:
    """The mails in files; `-` is standard input. Raises NewsletterError for one that can't be read."""
    for name in names:
        try:
            data = sys.stdin.buffer.read(LARGEST + 1) if name == "-" else _bytes(Path(name))
        except OSError as error:
            raise NewsletterError(f"can't be read: {error.strerror}; name a file with one mail", path=name) from None
        if data or name != "-":  # a pipe with nothing in it is no mail
            yield Mail(name, data, _nothing)


def read_maildir(folder: Path) -> Iterator[Mail]:
    """The mails of a Maildir that nobody has looked at; what was handled is marked as seen."""
    if not (folder / "new").is_dir() or not (folder / "cur").is_dir():
        raise NewsletterError("is no Maildir; name a folder that has new/ and cur/ in it", path=folder)
    unseen = [path for path in (folder / "cur").iterdir() if "S" not in path.name.rpartition(":2,")[2]]
    for path in sorted([*(folder / "new").iterdir(), *unseen], key=lambda path: path.name):
        try:
            data = _bytes(path)
        except OSError:  # somebody else has moved it
            continue
        yield Mail(str(path.relative_to(folder)), data, partial(_see, path, folder))


def read_mbox(path: Path) -> Iterator[Mail]:
    """The mails of an mbox file, which stays as it is."""
    if not path.is_file():
        raise NewsletterError("is no mbox file; name the file", path=path)
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.iterkeys(), 1):
            with box.get_file(key) as file:
                yield Mail(f"{path}:{number}", file.read(LARGEST + 1), _nothing)
    finally:
        box.close()


def _see(path: Path, folder: Path) -> None:
    """Mark a Maildir's mail as seen (https://cr.yp.to/proto/maildir.html)."""
    base, _, flags = path.name.partition(":2,")
    seen = folder / "cur" / f"{base}:2,{''.join(sorted({*flags, 'S'}))}"
    path.rename(seen)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)
