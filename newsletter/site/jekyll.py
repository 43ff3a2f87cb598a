"""What a Jekyll site says about itself: _config.yml, front matter defaults, authors, data, and where its posts are.

Reads, never writes. What follows from it for a post is `page`'s business.
"""

import csv
import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from newsletter.errors import NewsletterError
from newsletter.site.formats import read_json, read_yaml, read_yaml_mapping
from newsletter.site.front_matter import split_front_matter
from newsletter.site.paths import is_inside
from newsletter.site.permalink import STYLES
from newsletter.site.post import read_text

CONFIGS = ("_config.yml", "_config.yaml")
MARKDOWN = frozenset({".md", ".markdown", ".mkd", ".mkdn", ".mkdown"})
POSTS = MARKDOWN | {".html", ".htm"}
"""Endings of posts; Hugo publishes the same."""
DATA = frozenset({".yml", ".yaml", ".json", ".csv", ".tsv"})
MOST_FILES = 2000
"""Data files read at most."""

_LARGEST_DATA = 16 * 1024 * 1024
_SKIPPED = frozenset({"_site", "node_modules", "vendor", "themes", "public", "resources"})


@dataclass(frozen=True, slots=True)
class Default:
    """One scope of `defaults`: front matter that holds for files of a path and a type."""

    path: str
    type: str
    values: Mapping[str, Any]

    def holds_for(self, relative: str, kind: str) -> bool:
        """Whether it holds for the file `relative` to the site, of collection `kind`."""
        if self.type and self.type != kind:
            return False
        scope = self.path.strip("/")
        if not scope:
            return True
        if "*" in scope:
            return fnmatch.fnmatch(relative, scope) or fnmatch.fnmatch(relative, f"{scope}/*")
        return relative == scope or relative.startswith(scope + "/")


def find_jekyll(root: Path) -> Path | None:
    """The configuration of a Jekyll site in `root`, if there is one; it need not exist, as Jekyll needs none."""
    found = next((root / name for name in CONFIGS if (root / name).is_file()), None)
    bare = (root / "_posts").is_dir() and ((root / "_layouts").is_dir() or (root / "_includes").is_dir())
    return found or (root / CONFIGS[0] if bare else None)


def read_config(path: Path) -> dict[str, Any]:
    """_config.yml as a mapping. Raises NewsletterError with the line where it is broken."""
    if not path.exists():
        return {}
    return read_yaml_mapping(read_text(path, _LARGEST_DATA), path, most=200_000)[0]


def defaults_of(config: Mapping[str, Any]) -> tuple[Default, ...]:
    """`defaults`, the one that wins last: the longer path, then the one that names a type, then the later one."""
    found = []
    entries = config.get("defaults")
    for entry in entries if isinstance(entries, list) else []:
        scope = entry.get("scope") if isinstance(entry, dict) else None
        values = entry.get("values") if isinstance(entry, dict) else None
        if isinstance(values, dict):
            scope = scope if isinstance(scope, dict) else {}
            found.append(Default(str(scope.get("path") or ""), str(scope.get("type") or ""), values))
    return tuple(sorted(found, key=lambda default: (len(default.path), bool(default.type))))


def post_folders(root: Path, config: Mapping[str, Any]) -> tuple[Path, ...]:
    """Every `_posts` and `_drafts` of the site, the top-level ones first."""
    base = root / str(config.get("collections_dir") or "")
    found = [base / name for name in ("_posts", "_drafts") if (base / name).is_dir()]
    # Folders above `_posts` are categories: /blog/_posts/x.md. Three levels are more than anybody uses.
    for pattern in ("*/_posts", "*/_drafts", "*/*/_posts", "*/*/*/_posts"):
        for folder in sorted(root.glob(pattern)):
            parts = folder.relative_to(root).parts
            if folder.is_dir() and folder not in found and not any(p in _SKIPPED or p[0] == "." for p in parts):
                found.append(folder)
    return tuple(found)


def categories_in_path(relative: PurePosixPath) -> tuple[str, ...]:
    """The folders above `_posts`, which Jekyll takes for categories."""
    parts = relative.parts
    return parts[: parts.index("_posts")] if "_posts" in parts else ()


def collection_of(relative: PurePosixPath, config: Mapping[str, Any]) -> tuple[str, PurePosixPath]:
    """The collection of a file, and its path in the folder of that: `_courses/a/b.md` is `courses`, `a/b.md`."""
    parts = relative.parts
    for index, part in enumerate(parts[:-1]):
        if part in {"_posts", "_drafts"}:
            return "posts", PurePosixPath(*parts[index + 1 :])
    collections = config.get("collections")
    names = list(collections) if isinstance(collections, (dict, list)) else []
    skip = len(PurePosixPath(str(config.get("collections_dir") or "")).parts)
    if len(parts) > skip + 1 and parts[skip][:1] == "_" and parts[skip][1:] in names:
        return parts[skip][1:], PurePosixPath(*parts[skip + 1 :])
    return "", relative


def pattern_for(collection: str, config: Mapping[str, Any], permalink: str) -> str:
    """The permalink pattern of a collection; `permalink` is the one that the site's configuration gives."""
    collections = config.get("collections")
    own = collections.get(collection) if isinstance(collections, dict) else None
    if isinstance(own, dict) and isinstance(own.get("permalink"), str):
        return str(own["permalink"])
    if collection == "posts":
        return permalink or "date"
    permalink = permalink or "date"
    if permalink == "pretty" or permalink.endswith("/"):
        suffix = "/"
    else:
        suffix = ":output_ext" if permalink in STYLES or permalink.endswith(":output_ext") else ""
    return ("/:collection/:path" if collection else "/:path") + suffix


def read_data(folder: Path, root: Path) -> dict[str, Any]:
    """Everything in `_data`, a folder a mapping; a file that is broken or leads out of the site is left out."""
    data: dict[str, Any] = {}
    for number, path in enumerate(_data_files(folder)):
        if number >= MOST_FILES:
            break
        if not is_inside(root, path):
            continue
        try:
            value = read_data_file(path)
        except NewsletterError:
            continue
        place = data
        for part in path.relative_to(folder).parts[:-1]:
            inner = place.setdefault(part, {})
            place = inner if isinstance(inner, dict) else {}
        place[path.stem] = value
    return data


def read_data_file(path: Path) -> Any:
    """One data file: YAML, JSON, CSV or TSV, the last two as a list of mappings."""
    text = read_text(path, _LARGEST_DATA)
    if path.suffix == ".json":
        return read_json(text, path)
    if path.suffix in {".csv", ".tsv"}:
        rows = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ",")
        try:
            return [{str(key): value for key, value in row.items() if key} for row in rows]
        except csv.Error as error:
            raise NewsletterError(f"{error}; fix the row", path=path, line=rows.line_num) from None
    return read_yaml(text, path)


def read_authors(root: Path, config: Mapping[str, Any], folder: str = "_data") -> dict[str, dict[str, Any]]:
    """Who writes, by key: `_data/authors.*` or a folder of that name, `authors:` in the configuration, `_authors/`."""
    people: dict[str, dict[str, Any]] = {}
    own = config.get("authors")
    _add_people(people, own)
    data = root / folder
    if data.is_dir():
        for path in sorted(data.glob("authors.*")):
            if path.suffix in DATA and is_inside(root, path):
                _add_people(people, read_data_file(path))
        for path in sorted(data.glob("authors/*")):
            if path.suffix in DATA and is_inside(root, path):
                _add_people(people, {path.stem: read_data_file(path)})
    base = root / str(config.get("collections_dir") or "")
    for path in sorted(base.glob("_authors/*")):
        if path.suffix in MARKDOWN and is_inside(root, path):
            person = split_front_matter(read_text(path), path).data
            _add_people(people, {str(person.get("short_name") or path.stem): person})
    return people


def _add_people(people: dict[str, dict[str, Any]], value: Any) -> None:
    """A mapping of key to person (a mapping, or just a name), or a list of persons that name their key."""
    if isinstance(value, dict):
        for key, person in value.items():
            if isinstance(person, dict):
                people[str(key)] = person
            elif isinstance(person, str):
                people[str(key)] = {"name": person}
    elif isinstance(value, list):
        for person in value:
            if isinstance(person, dict):
                for name in ("key", "id", "username", "slug", "short_name", "author", "name"):
                    if isinstance(person.get(name), str) and person[name]:
                        people[person[name]] = person
                        break


def _data_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in DATA and path.is_file():
            yield path
