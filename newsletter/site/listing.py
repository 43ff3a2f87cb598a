"""The list of posts beside the preview: title, date and draft mark at a glance.

A glance reads the beginning of a file with patterns instead of a YAML parser, so that a blog of a thousand posts is
listed at once; what it can't read is told when the post is opened. Which files are posts: see `discover`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path

from newsletter.site.dates import as_date
from newsletter.site.slug import file_safe, split_name, titleize

GLANCE = 8192
"""Bytes of a post that are looked at."""

_MATTER = re.compile(r"\A\s*(?:---[ \t]*\n(.*?)\n(?:---|\.\.\.)|\+\+\+[ \t]*\n(.*?)\n\+\+\+|(\{.*?\n\}))", re.DOTALL)
_FIELD = re.compile(
    r"""^[ \t]*["']?(title|date|draft|published|slug)["']?[ \t]*[:=][ \t]*"""
    r"""(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\n]|'')*)'|([^\n#]*))""",
    re.MULTILINE | re.IGNORECASE,
)
_HEADING = re.compile(r"^#[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class PostSummary:
    """A post at a glance. `key` names it in addresses: its slug, made unique."""

    path: Path
    key: str
    title: str
    date: datetime | None
    draft: bool


class PostList:
    """Remembers glances for as long as a file is unchanged."""

    def __init__(self) -> None:
        self._glances: dict[Path, tuple[tuple[int, int], PostSummary]] = {}
        self._added: list[Path] = []

    def add(self, path: Path) -> None:
        """Put a post on the list that is in none of the site's folders."""
        self._added.append(path)

    def arrange(self, paths: Iterable[Path], zone: tzinfo) -> list[PostSummary]:
        """The posts in the order of `paths`, those added first; each with a key of its own."""
        posts = []
        taken: dict[str, int] = {}
        for path in (*(path for path in self._added if path.is_file()), *paths):
            if (post := self._look(path, zone)) is not None:
                count = taken[post.key] = taken.get(post.key, 0) + 1
                posts.append(post if count == 1 else replace(post, key=f"{post.key}~{count}"))
        return posts

    def _look(self, path: Path, zone: tzinfo) -> PostSummary | None:
        try:
            stat = path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            known = self._glances.get(path)
            if known is None or known[0] != mark:
                with path.open("rb") as file:
                    text = file.read(GLANCE).decode("utf-8-sig", "replace").replace("\r\n", "\n")
                known = self._glances[path] = mark, glance(path, text, zone)
        except OSError:
            return None
        return known[1]


def glance(path: Path, text: str, zone: tzinfo) -> PostSummary:
    """The post at `path` whose text begins with `text`."""
    matter = _MATTER.match(text)
    head = next((group for group in matter.groups() if group is not None), "") if matter else ""
    fields: dict[str, str] = {}
    for match in _FIELD.finditer(head):
        double, single, bare = match[2], match[3], match[4]
        value = (
            _ESCAPE.sub(r"\1", double) if double is not None else (single or "").replace("''", "'") if single else bare
        )
        fields.setdefault(match[1].lower(), (value or "").strip().rstrip(",").strip())
    written, slug = split_name(path.parent.name if path.stem in {"index", "_index"} else path.stem)
    heading = _HEADING.search(text, matter.end() if matter else 0)
    return PostSummary(
        path=path,
        key=file_safe(fields.get("slug", "")) or file_safe(slug) or "post",
        title=fields.get("title") or (heading[1] if heading else "") or titleize(slug),
        date=_date(fields.get("date", ""), zone) or _date(written, zone),
        draft=_says(fields, "draft", "true") or _says(fields, "published", "false") or path.parent.name == "_drafts",
    )


def _says(fields: dict[str, str], name: str, word: str) -> bool:
    return fields.get(name, "").lower() in {word, {"true": "yes", "false": "no"}[word]}


def _date(text: str, zone: tzinfo) -> datetime | None:
    try:
        return as_date(text, zone) if text else None
    except (ValueError, OverflowError):
        return None
