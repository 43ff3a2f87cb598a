"""The log of a run, beside the state file: intents and replies, safe from the death of the process once written.

One `write` before a body goes takes the place of a transaction; the rows of the ledger follow a few times a second
(ledger.journal). So a sender that was killed leaves a log that knows more than the rows: whoever holds the issue next
adds it to them (ledger.sqlite), and who only looks sees the rows as the log has them (`overlay`). The kernel keeps what
was written when the process dies, not when the power goes; then what was claimed is in doubt (ledger.journal).

Lines of JSON in the order of events: an opening; `[id, moment]`, an intent; a `Record`, a reply; `[mark]`: all before
it is in the rows as soon as the lease says so (`leases.log_mark`). A last line without its end was not written whole,
so nothing has followed from it. Whoever writes a log holds a lock on it (flock); a second issue that is sent at the
same time has a log of its own, `newsletter.db-intents-2`.
"""

import contextlib
import errno
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path
from typing import Any

from newsletter.delivery.ledger.batch import Record, merge
from newsletter.errors import NewsletterError
from newsletter.state.private import FILE

FORMAT = 1
LONGEST = 16 << 20
"""Bytes above which what is in the rows is dropped from the log."""
_TAIL = 1 << 16
_NEXT = "run the same command again to go on"
_FULL = f"the disk is full; make room, then {_NEXT}"
_encode = json.JSONEncoder(separators=(",", ":")).encode
_quoted = json.encoder.encode_basestring_ascii  # what it makes of a string

_OVERLAY = """
CREATE TEMP VIEW deliveries AS
SELECT d.id, d.issue, d.key, d.email, d.name, d.columns, ifnull(l.value ->> 1, d.state) AS state,
  d.attempts + ifnull(l.value ->> 9, 0) AS attempts, d.first_attempt,
  iif(l.value IS NULL, d.not_before, l.value ->> 7) AS not_before,
  iif(l.value IS NULL, d.code, l.value ->> 2) AS code, iif(l.value IS NULL, d.status, l.value ->> 3) AS status,
  iif(l.value IS NULL, d.text, l.value ->> 4) AS text, iif(l.value IS NULL, d.command, l.value ->> 5) AS command,
  iif(l.value IS NULL, d.relay, l.value ->> 6) AS relay, iif(l.value IS NULL, d.updated, l.value ->> 8) AS updated
FROM main.deliveries d LEFT JOIN temp.logged l ON l.id = d.id
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """Whose log it is. What came before `mark` was dropped: it is in the rows."""

    issue: str
    epoch: int
    mark: int = 0
    format: int = FORMAT


class Log:
    """The log of one run, from its making to `close`; `is_settled`: whether an old log with that opening may go."""

    def __init__(self, state: Path, issue: str, epoch: int, is_settled: Callable[[Opening], bool]) -> None:
        self._opening = Opening(issue, epoch)
        self.path, self._file = _take(state, is_settled)
        self._mark = 0
        self._buffer = [_line(asdict(self._opening))]
        self.is_broken = False  # the last line may not be whole: nothing is written any more
        self.write()

    def intend(self, id_: int, now: float) -> None:
        """The body of this recipient's message is about to go, once this is written."""
        self._buffer.append(b"[%d,%.3f]\n" % (id_, now))

    def record(self, record: Record) -> None:
        """What became of it."""
        self._buffer.append(_record_line(record))

    def mark(self) -> int:
        """The number of a new mark: what was recorded so far goes into the rows with it."""
        self._mark += 1
        self._buffer.append(b"[%d]\n" % self._mark)
        return self._mark

    def write(self) -> None:
        """Hand what was recorded to the kernel. Raises NewsletterError."""
        data = b"".join(self._buffer)
        self._buffer.clear()
        if not data:
            return
        reason = _FULL
        try:
            if not self.is_broken:
                written = os.write(self._file, data)
                if written == len(data):
                    return
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)  # all of it or nothing
        except OSError as error:
            if error.errno != errno.ENOSPC:
                reason = f"can't be written ({error.strerror}); fix that, then {_NEXT}"
        self.is_broken = True
        raise NewsletterError(reason, path=self.path)

    def shorten(self, mark: int) -> None:
        """All before the mark is in the rows: a long log begins anew behind it, where that can be done."""
        if os.fstat(self._file).st_size < LONGEST:
            return
        fresh = self.path.with_name(f"{self.path.name}~")
        opening = Opening(self._opening.issue, self._opening.epoch, mark)
        with contextlib.suppress(OSError):
            data = _line(asdict(opening)) + _behind(self.path, mark)
            fresh.unlink(missing_ok=True)
            file = _open(fresh)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(file, data) == len(data):
                fresh.rename(self.path)
                file, self._file = self._file, file
            os.close(file)

    def close(self, *, settled: bool) -> None:
        """End the log; where all of it is in the rows, leave it empty."""
        with contextlib.suppress(OSError):
            if settled:
                os.ftruncate(self._file, 0)
            os.close(self._file)


def _behind(path: Path, mark: int) -> bytes:
    """What a log has behind a mark, which is near its end: the rest, which is long, is not read."""
    size, length = path.stat().st_size, _TAIL
    with path.open("rb") as file:
        while True:
            file.seek(max(size - length, 0))
            _, found, behind = file.read().rpartition(b"\n[%d]\n" % mark)
            if found or length >= size:
                return behind
            length *= 4


def read(path: Path) -> tuple[Opening | None, Iterator[Any]]:
    """The opening of a log, None where it has none (yet), and its entries. Raises NewsletterError for a newer one."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError:
        lines = []
    entries = _entries(lines)
    first = next(entries, None)
    if not isinstance(first, dict):
        return None, iter(())
    match first:
        case {"format": 1, "issue": str(issue), "epoch": int(epoch), "mark": int(mark)}:
            return Opening(issue, epoch, mark), entries
    raise NewsletterError("was written by a newer version; update newsletter", path=path)


def changes(opening: Opening, entries: Iterator[Any], mark: int) -> dict[int, Record]:
    """What a log knows beyond the rows, of which the lease says that they have all before `mark`."""
    found: dict[int, Record] = {}
    last = opening.mark
    for entry in entries:
        match entry:
            case [int(last)]:
                if last <= mark:
                    found.clear()
            case [int(id_), moment]:
                merge(found, (id_, "sending", None, None, None, None, None, None, moment, 1))
            case [int(id_), str(state), code, status, text, command, relay, not_before, updated, int(uncounted)]:
                merge(found, (id_, state, code, status, text, command, relay, not_before, updated, uncounted))
            case _:
                break  # damaged by a power cut, as a line that is no JSON
    return found if mark <= last else {}  # else the rows have gone on since the log was read


def overlay(db: sqlite3.Connection, state: Path) -> None:
    """Let `db` see deliveries as the logs have them, in a transaction that begins here and that it is to end."""
    logs_read = [read(path) for path in logs(state)]
    db.execute("BEGIN")
    found: dict[int, Record] = {}
    for opening, entries in logs_read:
        if opening is not None:
            query = "SELECT log_mark FROM leases WHERE issue = ? AND log_epoch = ? AND log_mark IS NOT NULL"
            for (mark,) in db.execute(query, (opening.issue, opening.epoch)).fetchall():
                found |= changes(opening, entries, mark)
    if found:
        db.execute("CREATE TEMP TABLE logged (id INTEGER PRIMARY KEY, value TEXT)")
        db.executemany("INSERT INTO temp.logged VALUES (?, ?)", [(id_, _encode(row)) for id_, row in found.items()])
        db.execute(_OVERLAY)


def logs(state: Path) -> list[Path]:
    """The logs beside a state file; most often there is one, and it is empty."""
    first = _slot(state, 1)
    found = [path for path in state.parent.glob(f"{escape(first.name)}*") if not path.name.endswith("~")]
    return sorted(path for path in found if path.stat().st_size)


def _slot(state: Path, number: int) -> Path:
    return state.with_name(f"{state.name}-intents" + (f"-{number}" if number > 1 else ""))


def _take(state: Path, is_settled: Callable[[Opening], bool]) -> tuple[Path, int]:
    """The first log that nobody writes and nobody needs, locked and empty. Raises NewsletterError."""
    for number in range(1, 100):
        path = _slot(state, number)
        try:
            file = _open(path)
        except OSError as error:
            raise NewsletterError(f"can't be written ({error.strerror}); see [state] url", path=path) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            opening, _ = read(path)
            if os.path.samestat(os.fstat(file), path.stat()) and (opening is None or is_settled(opening)):
                os.ftruncate(file, 0)
                return path, file
        except OSError:  # another sender's
            pass
        os.close(file)
    raise NewsletterError("a hundred issues are being sent at once; wait for one of them", path=state)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE)


def _line(value: object) -> bytes:
    return _encode(value).encode("ascii") + b"\n"


def _record_line(record: Record) -> bytes:
    """As `_line` writes it, in a quarter of the time: there is one a message."""
    id_, state, code, status, text, command, relay, not_before, updated, uncounted = record
    said = ",".join(["null" if one is None else _quoted(one) for one in (status, text, command, relay)])
    code_, moment = "null" if code is None else code, "null" if not_before is None else not_before
    return f'[{id_},"{state}",{code_},{said},{moment},{updated},{uncounted}]\n'.encode("ascii")


def _entries(lines: list[bytes]) -> Iterator[Any]:
    """What the lines say, up to one that a power cut has left damaged."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return
