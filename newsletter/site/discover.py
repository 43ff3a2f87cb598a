"""Find sites and posts in folders: for `init`, and for the list of posts in the preview.

Fast, and tolerant: a broken post is in the list, its fault is told when it is read.
"""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from newsletter.config.settings import Config
from newsletter.site.dates import as_date
from newsletter.site.hugo import find_hugo
from newsletter.site.jekyll import MARKDOWN, POSTS, find_jekyll
from newsletter.site.load import read_site
from newsletter.site.others import find_other
from newsletter.site.site import Site
from newsletter.site.slug import split_name

_HEAD = 4096
_DATE = re.compile(r"""^\s*["']?date["']?\s*[:=]\s*["']?([^"'\n#,]+)""", re.MULTILINE | re.IGNORECASE)
_NO_POSTS = frozenset({"readme", "license", "changelog", "contributing", "_index"})


@dataclass(frozen=True, slots=True)
class DetectedSite:
    """What newsletter.toml should say in the folder of a site."""

    kind: str  # jekyll, hugo, zola, eleventy, pelican, astro
    title: str
    url: str  # with the base path
    author: str  # for From: `Ada Moreau <ada@example.org>`, or a name without address, or empty
    language: str
    posts_dir: str  # relative to the folder
    permalink: str  # Jekyll's or Hugo's tokens; empty: Hugo's own way


def detect_site(folder: Path) -> DetectedSite | None:
    """The site in `folder`, or None. Raises NewsletterError where its configuration is broken."""
    root = folder.resolve()
    if find_jekyll(root) is None and find_hugo(root) is None and find_other(root) is None:
        return None
    site = read_site(root)
    kind = site.other.name if site.other is not None else site.kind
    name = site.authors[site.default_author].name if site.default_author in site.authors else site.default_author
    address = _address(site.config)
    first = site.post_folders[0] if site.post_folders else site.root / ("_posts" if kind == "jekyll" else "content")
    permalink = site.pattern
    if site.kind == "hugo":
        patterns = site.config.get("permalinks")
        tables = [patterns.get("page"), patterns] if isinstance(patterns, dict) else []
        found = [table[first.name] for table in tables if isinstance(table, dict) and first.name in table]
        permalink = found[0] if found and isinstance(found[0], str) else ""
    author = f"{name} <{address}>" if name and address else name or address
    return DetectedSite(
        kind, site.title, site.url, author, site.language, first.relative_to(root).as_posix(), permalink
    )


def find_posts(config: Config, site: Site) -> list[Path]:
    """Every post and draft in the site's folders, newest first; those without a date come first, as drafts do."""
    found: dict[Path, tuple[datetime, str]] = {}
    for folder in site.post_folders:
        for path in _files(folder, MARKDOWN if site.kind == "plain" else POSTS):
            found.setdefault(path, (_date_of(path, site.timezone), path.name))
    own = config.root / "newsletter.toml"
    return sorted((path for path in found if path != own), key=lambda path: found[path], reverse=True)


def _files(folder: Path, endings: frozenset[str]) -> list[Path]:
    files = []
    base = os.path.realpath(folder)
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
        for name in names:
            stem, ending = os.path.splitext(name)
            if ending.lower() not in endings or stem.lower() in _NO_POSTS or name.startswith("."):
                continue
            path = os.path.join(parent, name)
            if os.path.islink(path) and not os.path.realpath(path).startswith(base + os.sep):
                continue
            files.append(Path(path))
    return files


def _date_of(path: Path, zone: tzinfo) -> datetime:
    """The date in the front matter, else in the name, else far in the future."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        head = ""
    written = _DATE.search(head) if head.lstrip("\ufeff \n").startswith(("---", "+++", "{")) else None
    name = path.parent.name if path.stem == "index" else path.stem
    for text in (written[1] if written else "", split_name(name)[0]):
        try:
            return as_date(text.strip(), zone)
        except (ValueError, OverflowError):
            continue
    return datetime.max.replace(tzinfo=UTC)


def _address(config: Any) -> str:
    """The address that a configuration gives as its author's or its own."""
    author = config.get("author")
    params = config.get("params")
    places = [author, config, params.get("author") if isinstance(params, dict) else None, params]
    for place in places:
        email = place.get("email") if isinstance(place, dict) else None
        if isinstance(email, str) and re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", email):
            return email
    return ""
