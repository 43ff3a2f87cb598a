"""Where a finding comes from: the line of the post or the template that holds the words, the address, the name.

The message is made from both, so what offends is looked for in them: literally for addresses and names, word by word
for text, since Markdown and typography change what stands between words. What stands there once is found; what stands
there as often as in the message is counted off. Otherwise the line of the HTML part is all that is known.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 12
_LARGEST = 2 * 1024 * 1024


@dataclass(frozen=True)
class Source:
    """A file that the message was made from; `name` as findings show it."""

    name: str
    text: str
    first_line: int = 1  # of `text`

    @cached_property
    def _words(self) -> tuple[str, list[int], list[int]]:
        """The words joined by blanks, where each starts in that, and where each starts in `text`."""
        starts, places, words, at = [], [], [], 1
        for match in _WORD.finditer(self.text):
            words.append(match[0].casefold())
            starts.append(at)
            places.append(match.start())
            at += len(words[-1]) + 1
        return " " + " ".join(words) + " ", starts, places

    @cached_property
    def _lines(self) -> list[int]:
        return [match.end() for match in re.finditer("\n", self.text)]

    def line_at(self, offset: int) -> int:
        """The line of the file, from 1, of an offset in `text`."""
        return self.first_line + bisect_right(self._lines, offset)

    def literal(self, needle: str) -> list[int]:
        """The lines on which `needle` stands, not as a part of a longer address or name."""
        if needle not in self.text:
            return []
        pattern = r"(?<![\w/.-])" + re.escape(needle) + r"(?![\w/-])"
        return [self.line_at(match.start()) for match in re.finditer(pattern, self.text)]

    def words(self, text: str) -> list[int]:
        """The lines on which the words of `text` begin, whatever stands between the words."""
        wanted = [word.casefold() for word in _WORD.findall(text)[:_MOST_WORDS]]
        if not wanted:
            return []
        joined, starts, places = self._words
        needle, found, at = " " + " ".join(wanted) + " ", [], 0
        while (at := joined.find(needle, at)) >= 0:
            found.append(self.line_at(places[bisect_right(starts, at + 1) - 1]))
            at += 1
        return found


@dataclass(frozen=True)
class Sources:
    """The post, then the template and what it includes; any may be missing."""

    post: Source | None = None
    front_matter: Source | None = None
    templates: tuple[Source, ...] = field(default=())

    @property
    def post_name(self) -> str:
        """The post as findings name it; empty without one."""
        return self.post.name if self.post is not None else ""

    def __bool__(self) -> bool:
        """Whether there is anything to look in."""
        return bool(self._all())

    def text(self, words: str, rank: int = 0, total: int = 1) -> tuple[str, int] | None:
        """Where these words stand; they are the `rank`-th (from 0) of `total` places in the message that say so."""
        return self._pick([source.words(words) for source in self._all()], rank, total)

    def address(self, url: str, rank: int = 0, total: int = 1) -> tuple[str, int] | None:
        """Where an address stands: whole, without its host, or the file's name alone."""
        for needle in _spellings(url):
            if found := self._pick([source.literal(needle) for source in self._all()], rank, total):
                return found
        return None

    def template_class(self, names: str) -> tuple[str, int] | None:
        """Where a template gives an element these classes; only if it does so once."""
        found = [(source.name, line) for source in self.templates for line in source.literal(f'class="{names}"')]
        return found[0] if len(found) == 1 else None

    def literal(self, needle: str, rank: int = 0, total: int = 1) -> tuple[str, int] | None:
        """Where exactly this stands."""
        return self._pick([source.literal(needle) for source in self._all()], rank, total) if needle.strip() else None

    def key(self, *names: str) -> tuple[str, int] | None:
        """The line of the first of these front matter keys that the post has; without any, its first line."""
        if self.front_matter is None:
            return None
        for name in names:
            pattern = rf"^[ \t]*[\"']?{re.escape(name)}[\"']?[ \t]*[:=]"
            if match := re.search(pattern, self.front_matter.text, re.MULTILINE | re.IGNORECASE):
                return self.front_matter.name, self.front_matter.line_at(match.end() - 1)
        return self.front_matter.name, 1

    def _all(self) -> list[Source]:
        return [source for source in (self.post, self.front_matter, *self.templates) if source is not None]

    def _pick(self, lines: Sequence[list[int]], rank: int, total: int) -> tuple[str, int] | None:
        for source, found in zip(self._all(), lines, strict=True):
            if len(found) == 1 or (found and len(found) == total):
                return source.name, found[min(rank, len(found) - 1)]
        for source, found in zip(self._all(), lines, strict=True):
            if found:
                return source.name, found[min(rank, len(found) - 1)]
        return None


def read_sources(post: Path | None, body_line: int, template: Path | None, root: Path | None) -> Sources:
    """Read the post and the template; a file that is gone or can't be read is left out.

    So is a template outside `root`, which came with the program: nobody can mend it there.
    """
    text = _read(post)
    front = body = None
    if post is not None and text is not None:
        name = relative(post, root)
        split = sum(len(line) for line in text.splitlines(keepends=True)[: max(0, body_line - 1)])
        front = Source(name, text[:split])
        body = Source(name, text[split:], body_line)
    templates = []
    if template is not None and (root is None or template.resolve().is_relative_to(root.resolve())):
        parts = sorted(path for path in (template.parent / "partials").glob("*") if path.is_file())
        for path in (template, *parts):
            if (source := _read(path)) is not None:
                templates.append(Source(relative(path, root), source))
    return Sources(body, front, tuple(templates))


def relative(path: Path, root: Path | None) -> str:
    """The path as findings name it: relative to the newsletter, or whole where it lies outside."""
    if root is not None:
        for one, other in ((path, root), (path.resolve(), root.resolve())):
            if one.is_relative_to(other):
                return one.relative_to(other).as_posix()
    return path.as_posix()


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        if path.stat().st_size > _LARGEST:
            return None
        text = path.read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _spellings(url: str) -> list[str]:
    """What an author may have written for this address, the surest first."""
    found = [url, unquote(url)]
    try:
        parts = urlsplit(url)
    except ValueError:
        return found[:1]
    if parts.netloc:
        path = (
            parts.path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
        )
        found += [path, unquote(path)]
        names = path.strip("/").split("/")
        for start in range(len(names)):
            shorter = "/".join(names[start:])
            found += [shorter, unquote(shorter)]
    return list(dict.fromkeys(spelling for spelling in found if len(spelling) > 1))
