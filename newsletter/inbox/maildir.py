"""A Maildir: one file a message, in `new` until somebody has seen it, then in `cur` with its flags in its name.

Any mail program can read and change it beside us (`mutt -f .newsletter/inbox`). A message's bytes are kept as they
arrived. A file appears whole or not at all; it is not forced to the disk, since a test inbox may forget its last moment
when the power goes. Format: https://cr.yp.to/proto/maildir.html
"""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from newsletter.state.private import private_folder

_count = itertools.count(1)


class Entry(NamedTuple):
    """A message's file: its unique name, the folder it stands in, and its flags, such as "S" for seen."""

    key: str
    folder: str  # "new" or "cur"
    flags: str

    @property
    def name(self) -> str:
        return f"{self.key}:2,{self.flags}" if self.folder == "cur" else self.key

    @property
    def unread(self) -> bool:
        return "S" not in self.flags


class Maildir:
    """The folder at `path`, made with mode 0700 where it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        private_folder(path)
        for folder in ("tmp", "new", "cur"):
            private_folder(path / folder)
        self._folder = f"{path}/"  # of names that are put together for every message
        self._tmp, self._new = self._folder + "tmp/", self._folder + "new/"

    def name(self) -> Entry:
        """The entry of a message to come; there is no file yet."""
        now = time.time_ns()
        return Entry(f"{now // 10**9}.M{now // 1000 % 10**6:06d}P{os.getpid()}Q{next(_count)}.newsletter", "new", "")

    def write(self, entry: Entry, message: bytes) -> None:
        """Keep a message under its entry; it is there as soon as this returns."""
        draft = self._tmp + entry.key
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                while message:
                    message = message[os.write(file, message) :]
            finally:
                os.close(file)
            os.rename(draft, self._new + entry.key)
        except BaseException:
            _unlink(draft)
            raise

    def add(self, message: bytes) -> Entry:
        """Keep a message under a new entry."""
        entry = self.name()
        self.write(entry, message)
        return entry

    def read(self, entry: Entry) -> bytes | None:
        """The message's bytes, or None if somebody took it away."""
        try:
            return _read(f"{self._folder}{entry.folder}/{entry.name}")
        except FileNotFoundError:
            found = self.find(entry)
        try:
            return _read(f"{self._folder}{found.folder}/{found.name}") if found else None
        except FileNotFoundError:
            return None

    def remove(self, entry: Entry) -> None:
        if not _unlink(f"{self.path}/{entry.folder}/{entry.name}") and (found := self.find(entry)):
            _unlink(f"{self.path}/{found.folder}/{found.name}")

    def mark(self, entry: Entry, unread: bool) -> Entry:
        """Mark a message as seen or not; the entry as it is afterwards."""
        found = self.find(entry) or entry
        flags = "".join(sorted((set(found.flags) - {"S"}) | (set() if unread else {"S"})))
        marked = Entry(found.key, "cur", flags)
        try:
            os.rename(self.path / found.folder / found.name, self.path / "cur" / marked.name)
        except FileNotFoundError:
            return entry
        return marked

    def find(self, entry: Entry) -> Entry | None:
        """Where a message stands now, if another program has moved or marked it."""
        if os.path.exists(f"{self.path}/{entry.folder}/{entry.name}"):
            return entry
        return next((one for one in self.entries() if one.key == entry.key), None)

    def entries(self) -> Iterator[Entry]:
        """All messages, in no order. File names are data: what is not ours may have any shape."""
        for folder in ("new", "cur"):
            with os.scandir(self.path / folder) as files:
                for file in files:
                    key, marked, flags = file.name.partition(":2,")
                    if file.name.startswith(".") or not file.is_file(follow_symlinks=False):
                        continue
                    if folder == "new":
                        yield Entry(file.name, folder, "")
                    elif marked:
                        yield Entry(key, folder, flags)

    def stamp(self) -> tuple[int, int]:
        """Changes whenever a message comes, goes or is marked."""
        return (self.path / "new").stat().st_mtime_ns, (self.path / "cur").stat().st_mtime_ns

    def came(self, entry: Entry) -> float:
        """When a message came, in seconds since 1970; 0 if it is gone."""
        try:
            return os.stat(f"{self.path}/{entry.folder}/{entry.name}").st_mtime
        except OSError:
            return 0.0


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
