"""The words of the test inbox's messages, as SQLite's FTS5 keeps them: what a commit brings is a list of its own.

Many lists make a search slow, and lists that hold words of messages that are gone take room. To make one of many costs
as much again as to write them, so it waits for a quiet moment (`tidy_words`), and comes sooner only where there are
more than a search should have to look through. https://www.sqlite.org/fts5.html#fts5_data_structures
"""

import sqlite3

_TABLE = """
CREATE VIRTUAL TABLE words USING fts5 (
  subject, sender, recipients, body, tokenize = 'unicode61 remove_diacritics 2'
)
"""
_SETTINGS = {
    "pgsz": 16_000,  # bytes of a list's pages: a little less than SQLite's own
    "automerge": 0,
    "usermerge": 8,  # as many lists of like length are worth making one
    "crisismerge": 1_000,  # never, by what is below; FTS5 can't have 2,000
}
MOST_LISTS = 250
"""Beyond, some are made one with each commit: a search has to look into every one."""
STEP = 200
"""Pages that are written anew at once: about 20 ms."""
_PAGES, _MOST_PAGES = 4, 1_000
"""Pages that are written anew for a message that goes, and at once at most."""
_LISTS = """
WITH RECURSIVE lists (id) AS (
  SELECT min(segid) FROM words_idx UNION ALL
  SELECT (SELECT min(segid) FROM words_idx WHERE segid > id) FROM lists WHERE id IS NOT NULL
) SELECT count(id) FROM lists
"""
"""How many there are, by a look for each."""
_FREE_SHARE = 4
"""The file shrinks when one page in so many is free, and it is not small."""
_FREE_PAGES = 500


def make_words(database: sqlite3.Connection) -> None:
    """The table; without an index of words where this SQLite has no FTS5."""
    try:
        database.execute(_TABLE)
    except sqlite3.OperationalError:
        database.execute("CREATE TABLE words (subject TEXT, sender TEXT, recipients TEXT, body TEXT)")
        return
    for name, value in _SETTINGS.items():
        database.execute("INSERT INTO words (words, rank) VALUES (?, ?)", (name, value))


def bound_lists(database: sqlite3.Connection) -> None:
    """After a commit's words: make one of some lists where there are too many."""
    if database.execute(_LISTS).fetchone()[0] > MOST_LISTS:
        _merge(database, STEP)


def forget_words(database: sqlite3.Connection, gone: int, *, whole: bool) -> None:
    """Take out the words of `gone` messages that were deleted, some with each: FTS5 itself keeps them for generations.

    `whole`: all lists are to become one.
    """
    pages = min(_PAGES * gone, _MOST_PAGES)
    _merge(database, -pages if whole else pages)


def tidy_words(database: sqlite3.Connection) -> bool:
    """One step of what may wait for a quiet moment, some 20 ms; False where nothing is left to do."""
    before = database.total_changes
    _merge(database, STEP)
    return database.total_changes - before > 1  # FTS5's own way to say that it did something


def shrink(database: sqlite3.Connection) -> bool:
    """Give some free pages back, where much of the file is; False where that is done."""
    free, pages = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
    if free < _FREE_PAGES or free * _FREE_SHARE < pages:
        return False
    database.execute(f"PRAGMA incremental_vacuum({_FREE_PAGES})").fetchall()
    return bool(database.execute("PRAGMA freelist_count").fetchone()[0] < free)


def _merge(database: sqlite3.Connection, pages: int) -> None:
    database.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
