"""The index of the test inbox: what is listed and searched, in SQLite, beside the Maildir that it is made from.

It may be thrown away at any time: `store` makes it again from the Maildir, all but tags and the envelopes (who said
MAIL FROM and RCPT TO), which no file holds. A hundred thousand messages are listed by their ids and found by a word
index (FTS5, where SQLite has it). One connection writes, another reads, so that a page never waits for a batch.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.errors import NewsletterError
from newsletter.inbox.maildir import Entry
from newsletter.inbox.search import Condition
from newsletter.inbox.words import WordLists, make_words, shrink
from newsletter.state.private import private_file

COUNT_LIMIT = 10_000
"""Matches are counted up to this; beyond, "more than 10,000" is answer enough, and quick."""

INDEX_NAME = "index.sqlite"

_SCHEMA = 1
_TABLES = """
CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, folder TEXT NOT NULL, flags TEXT NOT NULL,
  unread INTEGER NOT NULL, mail_from TEXT NOT NULL, rcpt_tos TEXT NOT NULL, sender TEXT NOT NULL,
  recipients TEXT NOT NULL, subject TEXT NOT NULL, date TEXT NOT NULL, received REAL NOT NULL, size INTEGER NOT NULL,
  attachments INTEGER NOT NULL, snippet TEXT NOT NULL, message_id TEXT NOT NULL
);
CREATE INDEX messages_unread ON messages (id) WHERE unread = 1;
CREATE INDEX messages_attachments ON messages (id) WHERE attachments > 0;
CREATE INDEX messages_received ON messages (received);
CREATE INDEX messages_size ON messages (size);
CREATE TABLE tags (
  message INTEGER NOT NULL, tag TEXT NOT NULL COLLATE NOCASE, PRIMARY KEY (tag, message)
) WITHOUT ROWID;
CREATE INDEX tags_message ON tags (message);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_ARRIVALS = """
CREATE TABLE IF NOT EXISTS arrivals (
  key TEXT PRIMARY KEY, mail_from TEXT NOT NULL, rcpt_tos TEXT NOT NULL, received REAL NOT NULL
)
"""
_COLUMNS = [
    "key", "folder", "flags", "unread", "mail_from", "rcpt_tos", "sender", "recipients", "subject", "date", "received",
    "size", "attachments", "snippet", "message_id",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A message in the list. `received` in seconds since 1970; `date` is its own, in ISO 8601, or empty."""

    id: int
    entry: Entry
    mail_from: str
    rcpt_tos: tuple[str, ...]
    sender: str
    recipients: tuple[str, ...]
    subject: str
    date: str
    received: float
    size: int
    attachments: int
    snippet: str
    message_id: str
    words: str = ""  # given when the row is written, not when it is read
    tags: tuple[str, ...] = ()

    @property
    def unread(self) -> bool:
        return self.entry.unread


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the file of a message does not say: its envelope, and when it came (seconds since 1970)."""

    key: str
    mail_from: str
    rcpt_tos: tuple[str, ...]
    received: float


class Index:
    """The database at `path`; an unreadable or older one is thrown away and begun anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write_lock, self._read_lock = threading.RLock(), threading.RLock()
        self._lists = WordLists()
        self._uncompacted = False  # what `compact` did is in the journal alone
        try:
            self._writer = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            drop_index(path.parent)
            self._writer = self._open()
        self._reader = self._connect()
        self.fts = "fts5" in str(self._reader.execute("SELECT sql FROM sqlite_master WHERE name = 'words'").fetchone())

    def _connect(self) -> sqlite3.Connection:
        private_file(self.path)  # its journals (-wal, -shm) take its mode
        database = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; an older one does not shrink
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA wal_autocheckpoint = 4000")  # pages; most are written again before
        database.execute("PRAGMA cache_size = -16000")
        return database

    def _open(self) -> sqlite3.Connection:
        database = self._connect()
        try:
            database.execute(_ARRIVALS)
            if database.execute("PRAGMA user_version").fetchone()[0] == _SCHEMA:
                database.execute("SELECT count(*) FROM messages, tags, words, counters WHERE 0").fetchone()
                return database
            database.execute("BEGIN IMMEDIATE")
            if database.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA:  # nobody was quicker
                for name in ("messages", "tags", "counters", "words"):
                    database.execute(f"DROP TABLE IF EXISTS {name}")
                for statement in _TABLES.split(";\n"):
                    database.execute(statement)
                make_words(database)
                database.execute(f"PRAGMA user_version = {_SCHEMA}")
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A commit under the writer's lock, taken back when its body fails."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    # Writing

    def add(self, rows: Sequence[IndexRow]) -> list[int]:
        """Write rows in one commit; the ids of those that were not there already."""
        names, marks = ", ".join(_COLUMNS), ", ".join("?" * len(_COLUMNS))
        insert = f"INSERT OR IGNORE INTO messages ({names}) VALUES ({marks})"  # noqa: S608
        fresh: list[tuple[int, IndexRow]] = []
        with self.transaction() as database:
            for row in rows:
                values = (
                    row.entry.key, row.entry.folder, row.entry.flags, row.unread, row.mail_from,
                    json.dumps(row.rcpt_tos), row.sender, json.dumps(row.recipients), row.subject, row.date,
                    row.received, row.size, row.attachments, row.snippet, row.message_id,
                )  # fmt: skip
                done = database.execute(insert, values)
                if done.rowcount:
                    fresh.append((done.lastrowid or 0, row))
                elif row.rcpt_tos:  # another process has found the file first, and could not know its envelope
                    envelope = (row.mail_from, json.dumps(row.rcpt_tos), row.entry.key)
                    database.execute("UPDATE messages SET mail_from = ?, rcpt_tos = ? WHERE key = ?", envelope)
            database.executemany(
                "INSERT INTO words (rowid, subject, sender, recipients, body) VALUES (?, ?, ?, ?, ?)",
                (
                    (
                        id_,
                        row.subject,
                        f"{row.sender} {row.mail_from}",
                        " ".join((*row.recipients, *row.rcpt_tos)),
                        row.words,
                    )
                    for id_, row in fresh
                ),
            )
            database.executemany(
                "INSERT OR IGNORE INTO tags VALUES (?, ?)", ((id_, tag) for id_, row in fresh for tag in row.tags)
            )
            if database.execute("SELECT 1 FROM arrivals LIMIT 1").fetchone():
                database.executemany("DELETE FROM arrivals WHERE key = ?", ((row.entry.key,) for _, row in fresh))
            if self.fts and fresh:
                self._lists.came(database)
        return [id_ for id_, _ in fresh]

    def note(self, arrivals: Sequence[Arrival]) -> None:
        """Remember the envelopes of messages that are files, and not in the index yet."""
        rows = [(one.mail_from, json.dumps(one.rcpt_tos), one.key, one.received) for one in arrivals]
        with self.transaction() as database:
            database.executemany(
                "UPDATE messages SET mail_from = ?, rcpt_tos = ? WHERE key = ?", [row[:3] for row in rows]
            )
            missing = "NOT EXISTS (SELECT 1 FROM messages WHERE key = ?3)"
            database.executemany(f"INSERT OR IGNORE INTO arrivals SELECT ?3, ?1, ?2, ?4 WHERE {missing}", rows)

    def unnote(self, keys: Iterable[str]) -> None:
        """Forget what was noted of messages that are gone."""
        with self.transaction() as database:
            database.executemany("DELETE FROM arrivals WHERE key = ?", [(key,) for key in keys])

    def remove(self, ids: Iterable[int]) -> None:
        gone = [(number,) for number in ids]
        with self.transaction() as database:
            for one in ("messages WHERE id", "words WHERE rowid", "tags WHERE message"):
                database.executemany(f"DELETE FROM {one} = ?", gone)  # noqa: S608
            if gone and self.fts:
                self._lists.went(database, len(gone))

    def compact(self) -> bool:
        """Do some of what may wait for a quiet moment, tens of milliseconds; False where nothing is left to do."""
        with self._write_lock:
            if (self.fts and self._lists.compact(self._writer)) or shrink(self._writer):
                self._uncompacted = True
                return True
            if self._uncompacted:  # the file itself shrinks with the journal
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._uncompacted = False
        return False

    def clear(self) -> None:
        with self.transaction() as database:
            database.execute("DELETE FROM messages")
            database.execute("DELETE FROM tags")
            database.execute("DELETE FROM arrivals")
            database.execute("DELETE FROM counters")
            database.execute("DROP TABLE words")
            make_words(database)

    def mark(self, marks: Sequence[tuple[int, Entry]]) -> None:
        """Write where messages stand now, and so whether they are unread."""
        with self.transaction() as database:
            database.executemany(
                "UPDATE messages SET folder = ?, flags = ?, unread = ? WHERE id = ?",
                [(entry.folder, entry.flags, entry.unread, number) for number, entry in marks],
            )

    def count_up(self, name: str, by: int) -> None:
        with self.transaction() as database:
            database.execute(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
                (name, by),
            )

    # Reading

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a query."""
        with self._read_lock:
            return self._reader.execute(sql, values).fetchall()

    def page(
        self, condition: Condition, limit: int, below: int | None = None, offset: int = 0
    ) -> tuple[list[IndexRow], int, bool]:
        """Up to `limit` matches, newest first, those with an id under `below` if that is given; how many match in all,
        counted up to COUNT_LIMIT; and whether that is all."""
        if condition.sql == "1":
            under = "WHERE id < ?" if below is not None else ""
            values: list[Any] = [below] if below is not None else []
            asked = f"SELECT id FROM messages {under} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608
            ids = [row[0] for row in self.ask(asked, (*values, limit, offset))]
            return self._by_ids(ids), self.total(), True
        first = self._matches(condition, None, COUNT_LIMIT + 1, 0)
        exact = len(first) <= COUNT_LIMIT
        fresh = first if below is None else [number for number in first if number < below]
        if exact or offset + limit < len(fresh):
            ids = fresh[offset : offset + limit]
        else:
            ids = self._matches(condition, below, limit, offset)
        return self._by_ids(ids), min(len(first), COUNT_LIMIT), exact

    def _matches(self, condition: Condition, below: int | None, limit: int, offset: int) -> list[int]:
        values: list[Any] = [*condition.values] + ([below] if below is not None else [])
        if condition.words:  # the word index gives ids in their order by itself
            under = "AND rowid < ?" if below is not None else ""
            sql = f"SELECT rowid FROM words WHERE words MATCH ? {under} ORDER BY rowid DESC LIMIT ? OFFSET ?"  # noqa: S608
        else:
            under = "AND id < ?" if below is not None else ""
            sql = f"SELECT id FROM messages WHERE ({condition.sql}) {under} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608
        return [row[0] for row in self.ask(sql, (*values, limit, offset))]

    def _by_ids(self, ids: list[int]) -> list[IndexRow]:
        marks = ", ".join("?" * len(ids))
        asked = f"SELECT id, {', '.join(_COLUMNS)} FROM messages WHERE id IN ({marks}) ORDER BY id DESC"  # noqa: S608
        return self._rows(self.ask(asked, ids)) if ids else []

    def total(self) -> int:
        return int(self.ask("SELECT count(*) FROM messages")[0][0])

    def size(self) -> int:
        """Bytes of all messages."""
        return int(self.ask("SELECT coalesce(sum(size), 0) FROM messages")[0][0])

    def arrivals(self) -> dict[str, Arrival]:
        """What is noted, by key, in the order in which it came."""
        rows = self.ask("SELECT key, mail_from, rcpt_tos, received FROM arrivals ORDER BY received, rowid")
        return {key: Arrival(key, sender, tuple(json.loads(names)), moment) for key, sender, names, moment in rows}

    def all(self) -> list[tuple[int, Entry]]:
        rows = self.ask("SELECT id, key, folder, flags FROM messages")
        return [(number, Entry(*rest)) for number, *rest in rows]

    def ids(self, condition: Condition) -> list[tuple[int, Entry]]:
        sql = f"SELECT id, key, folder, flags FROM messages WHERE {condition.sql}"  # noqa: S608
        return [(number, Entry(*rest)) for number, *rest in self.ask(sql, condition.values)]

    def oldest(self, count: int) -> list[tuple[int, Entry]]:
        rows = self.ask("SELECT id, key, folder, flags FROM messages ORDER BY id LIMIT ?", (count,))
        return [(number, Entry(*rest)) for number, *rest in rows]

    def beyond(self, most: int, born: float | None) -> int:
        """How many of the oldest have to go: the others are at most `most` bytes, and none came before `born`."""
        count = 0
        if born is not None:
            count = int(self.ask("SELECT count(*) FROM messages WHERE received < ?", (born,))[0][0])
        excess = self.size() - most
        if excess <= 0:
            return count
        with self._read_lock:
            for gone, (size,) in enumerate(self._reader.execute("SELECT size FROM messages ORDER BY id"), 1):
                excess -= size
                if excess <= 0:
                    return max(count, gone)
        return count

    def get(self, number: int) -> IndexRow | None:
        found = self._by_ids([number])
        return found[0] if found else None

    def neighbours(self, number: int, condition: Condition) -> tuple[int | None, int | None]:
        """The ids of the next newer and the next older match."""
        if condition.words:
            key, where = "rowid", "words WHERE words MATCH ?"
        else:
            key, where = "id", f"messages WHERE ({condition.sql})"
        newer = f"SELECT {key} FROM {where} AND {key} > ? ORDER BY {key} LIMIT 1"  # noqa: S608
        older = f"SELECT {key} FROM {where} AND {key} < ? ORDER BY {key} DESC LIMIT 1"  # noqa: S608
        found = [self.ask(sql, (*condition.values, number)) for sql in (newer, older)]
        return found[0][0][0] if found[0] else None, found[1][0][0] if found[1] else None

    def counters(self) -> dict[str, int]:
        return dict(self.ask("SELECT name, value FROM counters"))

    def unread(self) -> int:
        return int(self.ask("SELECT count(*) FROM messages WHERE unread = 1")[0][0])

    def version(self) -> int:
        """Changes when another process has written."""
        return int(self.ask("PRAGMA data_version")[0][0])

    def _rows(self, found: list[Any]) -> list[IndexRow]:
        tags: dict[int, list[str]] = {}
        if found:
            marks = ", ".join("?" * len(found))
            asked = f"SELECT message, tag FROM tags WHERE message IN ({marks}) ORDER BY tag"  # noqa: S608
            for number, tag in self.ask(asked, [row[0] for row in found]):
                tags.setdefault(number, []).append(tag)
        return [
            IndexRow(
                id=number, entry=Entry(key, folder, flags), mail_from=mail_from, rcpt_tos=tuple(json.loads(rcpt_tos)),
                sender=sender, recipients=tuple(json.loads(recipients)), subject=subject, date=date, received=received,
                size=size, attachments=attachments, snippet=snippet, message_id=message_id,
                tags=tuple(tags.get(number, ())),
            )
            for number, key, folder, flags, _, mail_from, rcpt_tos, sender, recipients, subject, date, received, size,
            attachments, snippet, message_id in found
        ]  # fmt: skip


def open_index(path: Path) -> Index:
    """The index of the inbox in that folder. Raises NewsletterError."""
    try:
        return Index(path / INDEX_NAME)
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from None


def drop_index(path: Path) -> None:
    """Throw away the index of the inbox in that folder; whoever opens the inbox next makes it anew."""
    for ending in ("", "-wal", "-shm"):
        (path / f"{INDEX_NAME}{ending}").unlink(missing_ok=True)


def unusable(path: Path, error: OSError | sqlite3.Error) -> NewsletterError:
    """Why the inbox can't be kept in that folder."""
    reason = error.strerror if isinstance(error, OSError) else error
    return NewsletterError(f"the inbox can't be kept here ({reason}); make room, or the folder writable", path=path)
