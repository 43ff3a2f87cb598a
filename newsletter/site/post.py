"""The post: the author's source, front matter and Markdown, read once into a frozen value.

Nothing is looked up outside the file: what an author's key or a relative image means is `page`'s business, and Liquid
and Markdown stay as they were written. The formats of front matter are `front_matter`'s business.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from html import unescape
from pathlib import Path
from typing import Any

from newsletter.errors import NewsletterError
from newsletter.site.dates import as_date
from newsletter.site.front_matter import FrontMatter, split_front_matter
from newsletter.site.slug import file_safe, split_name, titleize

LARGEST = 4 * 1024 * 1024
"""Bytes of a post at most; Gmail shows the first 102 KB of a mail."""
LONGEST = 2000
"""Characters of a title and other one-line fields at most."""

KEYS = (
    "title", "subtitle", "subject", "preheader", "description", "summary", "date", "publishDate", "pubDate", "lastmod",
    "modified", "expiryDate", "slug", "permalink", "url", "author", "authors", "image", "images", "cover", "image_alt",
    "featured_image", "featuredImage", "layout", "categories", "category", "tags", "tag", "draft", "published",
    "personalize", "excerpt", "excerpt_separator", "lang", "language", "color", "background", "logo", "font", "checks",
    "build", "headless", "send_before",
)  # fmt: skip
"""The keys of front matter that mean something to us."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?[ \t]*#*[ \t]*\Z")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*\Z")
_BLOCK = re.compile(r"(?: {4}|\t| {0,3}(?:[-*+>|]|\d+[.)]|#|<|\{|!\[|\[[^\]]+\]:))")
PICTURE_WAYS = ("link", "embed", "resize")
"""What `images:` may say of how pictures are sent; to a theme of Hugo it is a list of them."""
_HUGO_DATES = ("date", "publishDate", "pubDate", "published", "lastmod", "modified")
_IMAGE_KEYS = ("image", "cover", "images", "featured_image", "featuredImage", "feature_image", "heroImage", "header")
_IMAGE_PARTS = ("path", "url", "src", "image", "feature", "overlay_image", "teaser")


@dataclass(frozen=True, slots=True)
class Post:
    """One post, its front matter made uniform; what the author left out is empty, never None, but for `date`."""

    path: Path  # absolute
    slug: str  # the id
    title: str  # front matter, else the first heading
    subtitle: str
    date: datetime | None  # aware
    author: str  # as written: a name, or a key of the site's authors
    image: str  # as written
    layout: str  # as written; empty: the newsletter's
    categories: tuple[str, ...]
    tags: tuple[str, ...]
    draft: bool  # draft: true, or published: false
    personalize: bool
    excerpt: bool
    front_matter: Mapping[str, Any]  # all of it, as parsed
    body: str  # Markdown, LF line ends
    body_line: int  # the line of the file (from 1) on which `body` starts
    send_before: datetime | None = None  # nobody gets it after that; in the newsletter's zone where it names no offset

    def text_field(self, *keys: str) -> str:
        """The first text that the front matter has under one of `keys`, on one line; empty if none."""
        for key in keys:
            value = self.front_matter.get(key)
            if isinstance(value, str) and value.strip():
                return " ".join(value.split())
        return ""


def read_post(path: Path, timezone: tzinfo = UTC, kind: str = "plain") -> Post:
    """Read the post at `path`; a date that names no offset is in `timezone` (`site.timezone` where there is a site).

    Without a title in the front matter, the first heading is the title and leaves the body; without a heading, the
    file's name is. `kind` is the site's: in Jekyll the keys of front matter have case, and a time without an offset is
    in UTC; lines such as `Title: Hello` are front matter in Pelican and in plain folders alone. Raises NewsletterError
    with the line for what can't be read or isn't what its key holds.
    """
    path = path.absolute()
    matter = split_front_matter(read_text(path), path, metadata=kind in {"pelican", "plain"})
    matter = matter.in_utc() if kind == "jekyll" else matter.caseless(KEYS)
    if kind == "zola" and isinstance(taxonomies := matter.data.get("taxonomies"), dict):
        matter = replace(matter, data={**taxonomies, **matter.data})
    fields = _TypedFields(matter, path)
    written_date, slug = split_name(path.parent.name if path.stem in {"index", "_index"} else path.stem)
    title, body = _decoded(fields.text("title")), matter.body
    if not title:
        heading, body = _take_heading(body)
        title = heading or titleize(slug)
    slug = file_safe(fields.text("slug")) or file_safe(slug) or "post"
    return Post(
        path=path,
        slug=slug,
        title=title,
        subtitle=_decoded(fields.text("subtitle")),
        date=_date(fields, timezone, kind) or _date_in_name(written_date, timezone),
        author=fields.author(),
        image=fields.image(),
        layout=fields.text("layout"),
        categories=fields.words("categories", "category"),
        tags=fields.words("tags", "tag"),
        draft=fields.flag("draft") or not fields.flag("published", default=True) or path.parent.name == "_drafts",
        personalize=fields.flag("personalize"),
        send_before=fields.date("send_before", None),
        excerpt=matter.data.get("excerpt") is True,  # Jekyll's `excerpt: some text` is a summary, not a switch
        front_matter=matter.data,
        body=body,
        body_line=matter.body_line,
    )


def read_text(path: Path, largest: int = LARGEST) -> str:
    """A text file of a site or newsletter: UTF-8, the BOM taken off, LF line ends.

    Raises NewsletterError for what is missing, no regular file, larger than `largest` bytes, binary or not UTF-8.
    """
    try:
        if path.is_dir():
            raise NewsletterError("is a folder; name a Markdown file in it", path=path)
        if not path.exists():
            raise NewsletterError("there is no such file; check the path", path=path)
        if not path.is_file():
            raise NewsletterError("is no regular file; name a Markdown file", path=path)
        if path.stat().st_size > largest:
            raise NewsletterError(f"is larger than {largest // 1024:,} KB; is this the right file?", path=path)
        octets = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NewsletterError(f"can't be read: {reason}; check the path and its permissions", path=path) from None
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NewsletterError("is UTF-16; save it as UTF-8", path=path, line=1)
    nul = octets.find(b"\0")
    if nul >= 0:
        raise NewsletterError(
            "is not a text file; name a Markdown file", path=path, line=octets.count(b"\n", 0, nul) + 1
        )
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise NewsletterError("is not UTF-8; save it as UTF-8", path=path, line=line) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


class _TypedFields:
    """Typed access to front matter; a wrong type is an error with the line of its key."""

    def __init__(self, matter: FrontMatter, path: Path) -> None:
        self.matter = matter
        self.path = path

    def text(self, key: str) -> str:
        """One line of text; numbers, dates and yes or no as they were written."""
        value = self.matter.data.get(key)
        if value is None:
            return ""
        if isinstance(value, dict | list):
            raise self._wrong(key, "one line of text")
        return self._one_line(key, value if isinstance(value, str) else self.matter.written.get(key, value))

    def words(self, *keys: str) -> tuple[str, ...]:
        """A word, words between spaces or commas, or a list."""
        found: dict[str, None] = {}
        for key in keys:
            value = self.matter.data.get(key)
            if value is None:
                continue
            if isinstance(value, str):
                items: list[Any] = value.split(",") if "," in value else value.split()
            elif isinstance(value, list):
                written = self.matter.written.get(key)
                items = written if written and len(written) == len(value) else value
            elif isinstance(value, dict):
                raise self._wrong(key, "a word or a list of words")
            else:
                items = [self.matter.written.get(key, value)]
            for item in items:
                if isinstance(item, dict | list):
                    raise self._wrong(key, "a word or a list of words")
                word = self._one_line(key, "" if item is None else item)
                if word:
                    found[word] = None
        return tuple(found)

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.matter.data.get(key)
        if value is None or value == "":
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, date) and key == "published":  # in Hugo, one of the names for the date of publication
            return default
        if isinstance(value, str) and value.lower() in {"true", "yes", "on", "false", "no", "off"}:
            return value.lower() in {"true", "yes", "on"}
        raise self._wrong(key, "true or false")

    def date(self, key: str, timezone: tzinfo | None) -> datetime | None:
        value = self.matter.data.get(key)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            return as_date(value, timezone, roll="_posts" in self.path.parts)
        except (ValueError, OverflowError):
            written = value if isinstance(value, str | int | float) else type(value).__name__
            raise NewsletterError(
                f"{key}: {str(written)[:60]!r} is not a date; write it as 2026-05-04 08:00:00 +0200",
                path=self.path, line=self.matter.line(key),
            ) from None  # fmt: skip

    def author(self) -> str:
        """`author`, else `authors`: a name, a key, a mapping with a name, or several of these joined by commas."""
        for key in ("author", "authors"):
            value = self.matter.data.get(key)
            people = value if isinstance(value, list) else [value]
            names = [person.get("name") if isinstance(person, dict) else person for person in people]
            if any(isinstance(name, dict | list) for name in names):
                raise self._wrong(key, "a name")
            found = [self._one_line(key, name) for name in names if name is not None]
            if any(found):
                return ", ".join(name for name in found if name)
        return ""

    def image(self) -> str:
        """The post's image under any of the names that Jekyll and Hugo themes use."""
        for key in _IMAGE_KEYS:
            value = self.matter.data.get(key)
            if isinstance(value, list):
                value = value[0] if value else None
            if isinstance(value, dict):
                value = next((value[part] for part in _IMAGE_PARTS if isinstance(value.get(part), str)), None)
            if key == "images" and str(value).strip().lower() in PICTURE_WAYS:
                continue
            if isinstance(value, str) and value.strip():
                return self._one_line(key, value)
            if key == "image" and value not in (None, ""):
                raise self._wrong(key, "a path or an address")
        return ""

    def _one_line(self, key: str, value: object) -> str:
        """`value` as one line: line ends, control characters and runs of blanks become a space."""
        line = " ".join(_CONTROL.sub(" ", str(value)).split())
        if len(line) > LONGEST:
            raise NewsletterError(
                f"{key}: {len(line):,} characters, {LONGEST:,} at most; shorten it",
                path=self.path, line=self.matter.line(key),
            )  # fmt: skip
        return line

    def _wrong(self, key: str, wanted: str) -> NewsletterError:
        value = self.matter.data[key]
        kind = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)[:60]
        return NewsletterError(f"{key}: {kind} is not {wanted}; fix it", path=self.path, line=self.matter.line(key))


def _date(fields: _TypedFields, timezone: tzinfo, kind: str) -> datetime | None:
    """The first date under the names that the post's generator knows; `published: true` is none."""
    names = _HUGO_DATES if kind == "hugo" else ("date", "pubDate")
    found = (fields.date(name, timezone) for name in names if not isinstance(fields.matter.data.get(name), bool))
    return next(filter(None, found), None)


def _date_in_name(written: str, timezone: tzinfo) -> datetime | None:
    try:
        return as_date(written, timezone, roll=True) if written else None
    except ValueError:
        return None


def _decoded(text: str) -> str:
    """`text` with its character references (`&#8212;`, `&amp;`) as characters, on one line: titles have them, as
    Jekyll writes titles into HTML as they stand."""
    return " ".join(_CONTROL.sub(" ", _REFERENCE.sub(lambda found: unescape(found[0]), text)).split())


def _take_heading(body: str) -> tuple[str, str]:
    """The first heading as a title, and the body without it: its lines are blank, so that every line keeps its number.

    A heading of a lower level that follows other text stays in the body: it heads its section.
    """
    lines = body.split("\n")
    fence = ""
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip(" `~\t"):
                fence = ""
            continue
        if mark:
            fence = mark[1]
            continue
        found = _heading_at(lines, number)
        if found is None:
            continue
        level, text, height = found
        if level == 1 or number == first:
            lines[number : number + height] = [""] * height
        return _plain(text), "\n".join(lines)
    return "", body


def _heading_at(lines: list[str], number: int) -> tuple[int, str, int] | None:
    """Level, text and number of lines of the heading that starts on line `number` (from 0), if one does."""
    line = lines[number]
    if atx := _ATX.match(line):
        return (len(atx[1]), atx[2], 1) if atx[2] else None
    if not line.strip() or number + 1 >= len(lines) or _BLOCK.match(line):
        return None
    if number and lines[number - 1].strip():
        return None
    underline = _UNDERLINE.match(lines[number + 1])
    return (1 if underline[1][0] == "=" else 2, line.strip(), 2) if underline else None


def _plain(heading: str) -> str:
    """A heading's words, without its Markdown."""
    text = re.sub(r"[ \t]*\{[:#.][^}]*\}[ \t]*\Z", "", heading)
    text = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", text)
    text = re.sub(r"</?[A-Za-z][^>]*>", "", text)
    text = re.sub(r"(`+)(.+?)\1", r"\2", text)
    text = re.sub(r"(\*\*|__|\*|~~)(?=\S)(.+?)(?<=\S)\1", r"\2", text)
    text = re.sub(r"\b_(?=\S)(.+?)(?<=\S)_\b", r"\1", text)
    return _decoded(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text))
