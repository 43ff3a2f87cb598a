"""The words of the test inbox's messages, as SQLite's FTS5 keeps them: what a commit brings is a list of its own.

Many lists make a search slow, and lists that hold words of messages that are gone take room. To make one of many costs
as much again as to write them, so it waits for a quiet moment (`WordLists.compact`), and comes sooner only where there
are more than a search should have to look through. https://www.sqlite.org/fts5.html#fts5_data_structures
"""

import sqlite3

_TABLE = """
CREATE VIRTUAL TABLE words USING fts5 (
  subject, sender, recipients, body, tokenize = 'unicode61 remove_diacritics 2'
)
"""
_SETTINGS = {
    "automerge": 0,
    "usermerge": 8,  # as many lists of like length are worth making one
    "crisismerge": 1_000,  # never, by what is below; FTS5 can't have 2,000
}
MOST_LISTS = 250
"""Beyond, some are made one with each commit: a search has to look into every one."""
STEP = 800
"""Pages that are written anew at once: about 20 ms."""
_LISTS = """
WITH RECURSIVE lists (id) AS (
  SELECT min(segid) FROM words_idx UNION ALL
  SELECT (SELECT min(segid) FROM words_idx WHERE segid > id) FROM lists WHERE id IS NOT NULL
) SELECT count(id) FROM lists
"""
"""How many there are, by a look for each."""
_FREE_SHARE = 4
"""The file shrinks when one page in so many is free, and it is not small."""
_FREE_PAGES = 400


def make_words(database: sqlite3.Connection) -> None:
    """The table; without an index of words where this SQLite has no FTS5."""
    try:
        database.execute(_TABLE)
    except sqlite3.OperationalError:
        database.execute("CREATE TABLE words (subject TEXT, sender TEXT, recipients TEXT, body TEXT)")
        return
    for name, value in _SETTINGS.items():
        database.execute("INSERT INTO words (words, rank) VALUES (?, ?)", (name, value))


class WordLists:
    """The lists in one file, as a process that writes there keeps them few and free of what is gone."""

    def __init__(self) -> None:
        self._gone = 0  # messages, since all lists began to become one
        self._forgetting = False  # they are at it

    def came(self, database: sqlite3.Connection) -> None:
        """A commit's words are in: make one of some lists where there are too many."""
        if database.execute(_LISTS).fetchone()[0] > MOST_LISTS:
            _merge(database, STEP)

    def went(self, database: sqlite3.Connection, count: int) -> None:
        """Messages were deleted. FTS5 keeps their words for generations; so once as many went as are left, all lists
        become one, by and by."""
        self._gone += count
        if self._gone >= _kept(database):
            self._begin(database)
        elif self._forgetting:
            self._forgetting = _merge(database, STEP)

    def compact(self, database: sqlite3.Connection) -> bool:
        """One step of what may wait for a quiet moment; False where nothing is left to do."""
        if self._gone and self._gone * 2 >= _kept(database):
            return self._begin(database)
        return _merge(database, STEP)

    def _begin(self, database: sqlite3.Connection) -> bool:
        self._gone = 0
        self._forgetting = _merge(database, -STEP)
        return self._forgetting


def shrink(database: sqlite3.Connection) -> bool:
    """Give some free pages back, where much of the file is; False where that is done."""
    free, pages = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
    if free < _FREE_PAGES or free * _FREE_SHARE < pages:
        return False
    database.executescript(f"PRAGMA incremental_vacuum({_FREE_PAGES})")  # `execute` would stop at the first page
    return bool(database.execute("PRAGMA freelist_count").fetchone()[0] < free)


def _kept(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])


def _merge(database: sqlite3.Connection, pages: int) -> bool:
    """Make one of lists, or go on with it; `pages` below 0: of all of them. False where nothing was to do."""
    before = database.total_changes
    database.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
    return database.total_changes - before > 1  # FTS5's own way to say that it did something
