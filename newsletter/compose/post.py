"""The post: the author's source, front matter and Markdown, read once into a frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a post: `name` as shown, `picture` an absolute URL or empty."""

    name: str
    picture: str = ""


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
