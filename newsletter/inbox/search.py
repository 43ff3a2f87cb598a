"""The search language: a line of words and `key:value` terms becomes a condition in SQL.

Pure. `from:ada subject:"spring issue" -tag:done larger:100k before:2026-05-01 oaks`: terms are joined by "and", `-`
turns one round, quotes hold whole words together, and a word without them also finds longer ones. A value that can't
be understood is said; a term with an unknown key is searched as words, as it would be in a mail program.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEYS = ("from", "to", "subject", "has", "before", "after", "larger", "smaller", "is", "tag")

_TERM = re.compile(r'(?P<minus>[-!]?)(?:(?P<key>[A-Za-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<word>\S+))')
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?\Z", re.IGNORECASE)
_AGE = re.compile(r"(\d+)\s*([hdwmy])\Z", re.IGNORECASE)
_HOURS = {"h": 1, "d": 24, "w": 168, "m": 730, "y": 8766}
_WIDE = re.compile(r"[\u0e00-\u0fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts written without spaces, which the word index can't cut into words."""
_COLUMNS = {"from": "sender", "to": "recipients", "subject": "subject"}


class SearchError(ValueError):
    """A term that can't be understood; the text says which and what would be."""


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL for a WHERE clause over `messages`; its values; and the word query, if that is all there is to it."""

    sql: str
    values: tuple[str | int | float, ...]
    words: str = ""  # an FTS5 query that alone says the same


def compile_search(query: str, now: datetime, fts: bool = True) -> Condition:
    """What `query` asks for; everything if it is empty.

    `now` is for ages such as `after:2d`; `fts` says whether there is a word index (else LIKE is used).
    Raises SearchError.
    """
    clauses: list[str] = []
    values: list[str | int | float] = []
    words: list[str] = []
    for match in _TERM.finditer(query[:1000]):
        key, negated = (match["key"] or "").lower(), bool(match["minus"])
        value = match["quoted"] if match["quoted"] is not None else match["word"]
        if key and key not in KEYS:
            key, value = "", f"{match['key']}:{value}"
        if not value.strip() or (value[-1:] == ":" and value[:-1].lower() in KEYS):
            continue  # somebody is still typing
        if key in ("", *_COLUMNS):
            term = _phrase(value, _COLUMNS.get(key, ""), whole=match["quoted"] is not None)
            if not term:
                continue
            if fts and not _WIDE.search(value):
                if not negated:
                    words.append(term)
                    continue
                clauses.append("id NOT IN (SELECT rowid FROM words WHERE words MATCH ?)")
                values.append(term)
                continue
            sql, found = _like(value, _COLUMNS.get(key, ""))
        else:
            sql, found = _plain(key, value, now)
        clauses.append(f"NOT ({sql})" if negated else sql)
        values.extend(found)
    query_words = " AND ".join(words)
    if words and not clauses:
        return Condition("id IN (SELECT rowid FROM words WHERE words MATCH ?)", (query_words,), query_words)
    if words:
        clauses.insert(0, "id IN (SELECT rowid FROM words WHERE words MATCH ?)")
        values.insert(0, query_words)
    return Condition(" AND ".join(clauses) or "1", tuple(values))


def _phrase(value: str, column: str, *, whole: bool) -> str:
    """An FTS5 phrase, quoted so that nothing in it is syntax. Its last word may go on, unless it is `whole` or one
    letter, which begins too many words to be of use."""
    letters = re.sub(r'["\x00]', " ", value).strip()
    if not re.search(r"\w", letters):
        return ""
    phrase = f'"{letters}"' + ("" if whole or not re.search(r"\w\w\W*\Z", letters) else " *")
    return f"{column} : {phrase}" if column else phrase


def _like(value: str, column: str) -> tuple[str, list[str | int | float]]:
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", value) + "%"
    columns = [column] if column else ["subject", "sender", "recipients", "body"]
    test = " OR ".join(f"{name} LIKE ? ESCAPE '\\'" for name in columns)
    return f"id IN (SELECT rowid FROM words WHERE {test})", [pattern] * len(columns)  # noqa: S608 (names of ours)


def _plain(key: str, value: str, now: datetime) -> tuple[str, list[str | int | float]]:
    word = value.lower()
    match key:
        case "has":
            if word not in {"attachment", "attachments"}:
                raise SearchError(f"has:{value} is not known; has:attachment is")
            return "attachments > 0", []
        case "is":
            known = {"unread": "unread = 1", "read": "unread = 0", "tagged": "id IN (SELECT message FROM tags)"}
            if word not in known:
                raise SearchError(f"is:{value} is not known; is:unread, is:read and is:tagged are")
            return known[word], []
        case "tag":
            return "id IN (SELECT message FROM tags WHERE tag = ? COLLATE NOCASE)", [value]
        case "larger" | "smaller":
            size = _SIZE.match(word)
            if not size:
                raise SearchError(f"{key}:{value} is no size; write {key}:100k or {key}:2M")
            factor = {"": 1, "k": 1000, "m": 1_000_000, "g": 1_000_000_000}[size[2].lower()]
            return f"size {'>' if key == 'larger' else '<'} ?", [int(float(size[1][:15]) * factor)]
    return f"received {'<' if key == 'before' else '>='} ?", [_moment(key, word, now)]


def _moment(key: str, value: str, now: datetime) -> float:
    """A day (in the zone of `now`), a moment, or an age such as 2d, as seconds since 1970."""
    if age := _AGE.match(value):
        return (now - timedelta(hours=min(int(age[1]), 10**6) * _HOURS[age[2].lower()])).timestamp()
    if value in {"today", "yesterday"}:
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return (day - timedelta(days=value == "yesterday")).timestamp()
    try:
        moment = datetime.fromisoformat(value.upper().replace("/", "-"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo or UTC)).timestamp()
    except (ValueError, OverflowError):
        raise SearchError(f"{key}:{value} is no date; write {key}:2026-05-31 or {key}:2d for two days ago") from None
