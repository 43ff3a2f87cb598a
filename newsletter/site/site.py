"""The site that posts live in: a Jekyll or Hugo site, or a plain folder; what is known of it, as one value.

A `Site` is read once (`load`). What it means for a post (where it stands on the web, who wrote it, which image it has,
what a relative link means) is worked out in `page`; how the two generators say these things is in `jekyll` and `hugo`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from newsletter.site import hugo, jekyll
from newsletter.site.others import Generator

SiteKind = Literal["jekyll", "hugo", "plain"]
Layer = tuple[Mapping[str, Any], Path]
"""Front matter from elsewhere, and the file that has it."""

_NAMES = ("name", "display_name", "title")
_PICTURES = ("picture", "avatar", "image", "photo", "profile_image", "featured_image")
_MAILBOX = re.compile(r"\s*<[^>]*>\s*\Z")


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: `name` as shown, `picture` an address, or empty."""

    name: str
    picture: str = ""

    @classmethod
    def of(cls, person: Mapping[str, Any], key: str) -> "Author":
        """The author that a mapping of a site's data describes; `key` is the name of one that has none."""
        texts = {part: one_line(person.get(part)) for part in (*_NAMES, *_PICTURES)}
        name = next((texts[part] for part in _NAMES if texts[part]), key)
        return cls(name, next((texts[part] for part in _PICTURES if texts[part]), ""))


@dataclass(frozen=True, eq=False)
class Site:
    """What is known of a site; what nobody said is empty."""

    kind: SiteKind
    root: Path  # absolute; every path of a post stays inside
    title: str
    url: str  # with the base path, without a slash at the end
    pattern: str  # of permalinks: Jekyll's tokens or style, or Hugo's tokens; empty: Hugo's own way
    language: str
    timezone: tzinfo
    default_author: str  # a name, or a key of `authors`
    default_image: str  # as written
    authors: Mapping[str, Author]  # by key; pictures as written
    post_folders: tuple[Path, ...]
    config: Mapping[str, Any]  # what the site's own configuration says
    config_path: Path = Path()  # the file, or Hugo's folder, of `config`; of no account in a plain folder
    defaults: tuple[jekyll.Default, ...] = ()
    other: Generator | None = None  # of a plain folder: the generator that it is a site of

    @cached_property
    def data(self) -> dict[str, Any]:
        """`_data` of a Jekyll site, or `data` of a Hugo site; read when first asked for."""
        names = {"jekyll": str(self.config.get("data_dir") or "_data"), "hugo": "data", "plain": ""}
        folder = self.root / names[self.kind]
        return jekyll.read_data(folder, self.root) if names[self.kind] and folder.is_dir() else {}

    @property
    def base_path(self) -> str:
        """The path of `url`: `/blog` of https://example.org/blog, or empty."""
        return urlsplit(self.url).path.rstrip("/")

    @property
    def origin(self) -> str:
        """`url` without its path."""
        return self.url.removesuffix(self.base_path)

    def relative(self, path: Path) -> PurePosixPath:
        """The path of a file in the site; its name alone where it lies outside."""
        try:
            return PurePosixPath(path.relative_to(self.root).as_posix())
        except ValueError:
            return PurePosixPath(path.name)

    def layers_for(self, file: PurePosixPath) -> tuple[Layer, ...]:
        """The front matter that the site gives the file: Jekyll's `defaults`, Hugo's `cascade`; the weakest first."""
        if self.kind == "hugo":
            return tuple(hugo.cascades(self.root, self.config, self.config_path, file))
        if not self.defaults:
            return ()
        kind = jekyll.collection_of(file, self.config)[0]
        held = (default.values for default in self.defaults if default.holds_for(str(file), kind))
        return tuple((values, self.config_path) for values in held)


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """What the layers say together: of a key, the last one's word."""
    return {key: value for values, _ in layers for key, value in values.items()}


def without_address(mailbox: str) -> str:
    """The name in `Ada Moreau <ada@example.org>`; empty where there is none."""
    return _MAILBOX.sub("", mailbox)


def one_line(value: Any) -> str:
    """A text or number on one line; empty for anything else."""
    return " ".join(str(value).split()) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
