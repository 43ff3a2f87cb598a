"""Edit a list in its CSV file: whole or not at all, one editor at a time, and nothing touched but what changes.

Rows that stay are copied byte for byte; in a row that changes, the cells that stay are. Delimiter, quoting, line ends,
a BOM, the order of rows and columns, and rows that can't be mailed are kept. The new file is written beside the old
one, synced, and takes its name in one step. Whether the file can be read at all is `scan`'s to say.
"""

import contextlib
import csv
import fcntl
import glob
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path

from newsletter.audience.address import address_key, normalize_address
from newsletter.audience.csv.header import read_header
from newsletter.audience.csv.reader import read_csv
from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError, TryAgainLater

Fields = dict[str, str]
"""A row's cells by the names of their columns, `email` and `name` among them."""

PATIENCE = 60.0
"""Seconds to wait for others; a million rows are read and written in less."""

_CHUNK = 500  # rows that are written at once
_SAMPLE = 4096  # of different cells that are remembered

KEEP: Fields = {}
"""What a `Change` answers for a row that stays as it is."""

Change = Callable[[str, Fields], Fields | None]
"""From an address's key and a row: what it is from now on, KEEP (that very object), or None to delete it."""

Additions = Callable[[Sequence[str], str], Iterable[Sequence[str]]]
"""From the file's columns, and the one of them that a whole name goes to: rows to be appended."""


@contextlib.contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold a list against other editors of this program; `lock` is a file for nothing else, made if missing."""
    try:
        lock.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NewsletterError(f"can't be made ({error.strerror}); fix that, then try again", path=lock) from None
    with _held(handle, fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def reading(lock: Path) -> Iterator[None]:
    """Keep editors of this program away while a list is read; where nobody ever edited, there is nothing to lock."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    with _held(handle, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def _held(handle: int, kind: int) -> Iterator[None]:
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TryAgainLater("another command has been using the list for long; try again later") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def edit_csv(path: Path, change: Change | None, add: Additions | None = None, columns: Iterable[str] = ()) -> bool:
    """Give each row to `change`, append the rows of `add`, and put the result in the file's place.

    `columns` are those that must be there (`name` among them, if anybody has one); new ones go to the header's end.
    Whether anything changed. The caller holds the lock. Raises NewsletterError where the list can't be read for sure,
    or was changed by another hand.
    """
    target = path.resolve()
    with _reading(path):
        read_csv(path)
        before = target.stat()
        shape = _Shape.of(path)
        there = {*shape.names, "name"} if shape.name != "name" else {*shape.names}
        wanted = [name for name in dict.fromkeys(columns) if name not in there]
        for left in target.parent.glob(f".{glob.escape(path.name)}-*"):  # of a killed editor
            left.unlink(missing_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                changed = _write(out.write, path, shape, wanted, change, add)
                out.flush()
                os.fchmod(out.fileno(), before.st_mode & 0o7777)
                with contextlib.suppress(OSError):
                    os.fchown(out.fileno(), before.st_uid, before.st_gid)
                os.fsync(out.fileno())
            if not changed:
                return False
            after = target.stat()
            if (after.st_ino, after.st_size, after.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
                raise NewsletterError("the list was changed while it was edited; run the command again", path=path)
            os.replace(draft, target)
            _sync(target.parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
    return True


def new_csv(path: Path, columns: Iterable[str]) -> None:
    """Make an empty list with these columns after `email` and `name`."""
    with _reading(path), path.open("x", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerow(["email", "name", *columns])


@dataclass(frozen=True)
class _Shape:
    """How the file is written: what a new row must look like."""

    names: tuple[str, ...]
    delimiter: str
    end: str  # of its lines
    quote_all: bool
    header: int  # its line: a spreadsheet's `sep=;` or a title may stand above it
    name: str  # the column that a whole name goes to

    @classmethod
    def of(cls, path: Path) -> "_Shape":
        header = read_header(path)
        raw = next(islice(_raw_rows(path, header.delimiter), header.line - 1, None))[1]
        end = re.search(r"(?:\r\n|\r|\n)?\Z", raw)
        assert end is not None
        bom = "\ufeff" if raw.startswith("\ufeff") else ""
        cells = _raw_cells(raw[len(bom) : end.start()], header.delimiter)
        all_quoted = all(cell[:1] == '"' for cell in cells)
        name = header.names[header.name_parts[0]] if header.name_parts else "name"
        return cls(header.names, header.delimiter, end[0] or "\n", all_quoted, header.line, name)

    def cell(self, text: str) -> str:
        """`text` as a cell of this file."""
        return '"' + text.replace('"', '""') + '"' if self.quote_all or self.needs_quotes(text) else text

    @cached_property
    def needs_quotes(self) -> Callable[[str], object]:
        """Whether a text holds what only quotes can hold."""
        return re.compile(rf'[{re.escape(self.delimiter)}"\r\n]|\A\s|\s\Z').search

    def lines(self, rows: Iterable[Sequence[str]]) -> str:
        """Rows as they stand in this file, with their ends."""
        columns = map(self._column, zip(*rows, strict=True))
        return "".join(f"{line}{self.end}" for line in map(self.delimiter.join, zip(*columns, strict=True)))

    def _column(self, texts: Sequence[str]) -> Sequence[str]:
        """The cells of a column; most columns need no quotes, which is asked of all at once."""
        text = "\n".join(texts)
        special = any(mark in text for mark in (self.delimiter, '"', "\r", "\n ", " \n")) or text != text.strip(" ")
        if self.quote_all or special or text.count("\n") >= len(texts):
            return list(map(self._known_cell, texts))
        return texts

    @cached_property
    def _known_cell(self) -> Callable[[str], str]:
        """`cell`, remembering what comes again: tags and cities do."""
        return lru_cache(_SAMPLE)(self.cell)


def _write(
    write: Callable[[str], object],
    path: Path,
    shape: _Shape,
    wanted: list[str],
    change: Change | None,
    add: Additions | None,
) -> bool:
    names = (*shape.names, *wanted)
    width, email = len(shape.names), shape.names.index("email")
    changed = bool(wanted)
    rows = _raw_rows(path, shape.delimiter)
    for _, above, _ in islice(rows, shape.header - 1):
        write(above)
    _, header, _ = next(rows)
    write(_widened(header, shape, [shape.cell(name) for name in wanted], width) if wanted else header)
    ended = header.endswith(("\n", "\r"))
    empty = [""] * len(wanted)
    for _, raw, cells in rows:
        ended = raw.endswith(("\n", "\r"))
        if len(cells) <= email or not any(map(str.strip, cells)):
            write(raw)
            continue
        if change is not None:
            before = dict(zip(names, (*cells[:width], *[""] * (len(names) - len(cells[:width]))), strict=True))
            after = change(key_of(cells[email]), before)
            if after is None:
                changed = True
                continue
            if after is not KEEP and any(before[name] != after.get(name, "") for name in names):
                changed = True
                write(_rewritten(raw, before, after, names, shape))
                continue
        write(_widened(raw, shape, empty, width) if wanted else raw)
    if add is not None:
        added = iter(add(names, shape.name))
        while lines := shape.lines(islice(added, _CHUNK)):
            write(lines if ended else shape.end + lines)
            changed = ended = True
    return changed


def cells_of(people: Iterable[Subscriber]) -> Additions:
    """These people, to be appended."""

    def rows(names: Sequence[str], whole: str) -> Iterator[list[str]]:
        for person in people:
            known = {**person.columns, "email": person.email}
            if whole == "name" or not known.get(whole):
                known[whole] = person.name
            yield [known.get(name, "") for name in names]

    return rows


def key_of(cell: str) -> str:
    """The key of the person in a cell of addresses; for what is no address, its text in lower case."""
    try:
        return address_key(normalize_address(cell))
    except ValueError:
        return cell.strip().casefold()


def _rewritten(raw: str, before: Fields, after: Fields, names: tuple[str, ...], shape: _Shape) -> str:
    """The row with `after`'s values; cells of the same value stay as they are written."""
    written = _raw_cells(raw.rstrip("\r\n"), shape.delimiter)
    cells = []
    for number, name in enumerate(names):
        value = after.get(name, "")
        kept = number < len(written) and value == before[name]
        cells.append(written[number] if kept else shape.cell(value))
    end = raw[len(raw.rstrip("\r\n")) :]
    return shape.delimiter.join(cells) + (end or shape.end)


def _widened(raw: str, shape: _Shape, cells: list[str], width: int) -> str:
    """A row with further cells behind its last; empty ones that a spreadsheet appended go."""
    text = raw.rstrip("\r\n")
    written = _raw_cells(text, shape.delimiter)
    while len(written) > width and not written[-1].strip(' "'):
        written.pop()
    return shape.delimiter.join((*written, *cells)) + (raw[len(text) :] or shape.end)


def _raw_rows(path: Path, delimiter: str) -> Iterator[tuple[int, str, list[str]]]:
    """Each row: its first line (from 1), its text as it stands in the file, its cells."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        with path.open(encoding="utf-8", newline="") as file:
            for line in file:
                taken.append(line)
                yield line if len(taken) > 1 or not line.startswith("\ufeff") else line[1:]

    first = 1
    for cells in csv.reader(lines(), delimiter=delimiter, strict=True):
        yield first, "".join(taken), cells
        first += len(taken)
        taken.clear()


def _raw_cells(text: str, delimiter: str) -> list[str]:
    """The cells of a row as they are written, quotes and all."""
    if '"' not in text:
        return text.split(delimiter)
    cell = re.compile(rf'(?:"(?:[^"]|"")*")?[^{re.escape(delimiter)}]*')
    cells, at = [], 0
    while True:
        found = cell.match(text, at)
        assert found is not None
        cells.append(found[0])
        at = found.end() + 1
        if at > len(text):
            return cells


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NewsletterError(f"can't be edited ({error.strerror}); fix that, then try again", path=path) from None


def _sync(folder: Path) -> None:
    """Make the new name durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
