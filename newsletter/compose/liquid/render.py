"""Evaluate Liquid in a Jekyll post, as Jekyll would: `site`, `page`, includes, its tags and filters.

python-liquid does the work, strictly: what it can't make out is an error with the file and line. Output, loops and
memory are bounded, and nothing outside the site is read. Tags are in `tags`, filters in `filters`.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from liquid import Environment
from liquid.exceptions import LiquidError, ResourceLimitError, UnknownFilterError

from newsletter.compose.excerpt import excerpt_of
from newsletter.compose.liquid.filters import add_filters
from newsletter.compose.liquid.nodes import SCENE, Scene
from newsletter.compose.liquid.tags import OWN_TAGS, UnknownTag, add_tags
from newsletter.errors import NewsletterError
from newsletter.site import jekyll
from newsletter.site.page import Page, post_in, read_page, resolve
from newsletter.site.post import Post
from newsletter.site.site import Site

_NEVER = datetime.min.replace(tzinfo=UTC)


class Bounded(Environment):
    """Liquid that ends: far more than a post needs, far less than a machine has."""

    output_stream_limit = 2_000_000
    loop_iteration_limit = 50_000
    local_namespace_limit = 8_000_000
    context_depth_limit = 24


def render_liquid(source: str, page: Page) -> str:
    """`source`, the post's body or a part of it from its start, with its Liquid evaluated.

    Raises NewsletterError with the line of the post (or of the include) for what Jekyll wouldn't take, and for tags
    that nobody here knows.
    """
    post = page.post
    environment = _environment(page.site)
    scene = Scene(page, {source: (post.path, post.body_line)}, _find(page.site))
    try:
        template = environment.from_string(source, name=post.path.name)
        return template.render({"site": _site_drop(page), "page": _page_drop(page), "layout": {}, SCENE: scene})
    except LiquidError as error:
        raise _located(error, scene) from None
    except (RecursionError, MemoryError, OverflowError):
        raise NewsletterError("its Liquid never ends; look for an include of itself", path=post.path) from None
    except (ValueError, TypeError, ArithmeticError, AttributeError, KeyError) as error:
        raise NewsletterError(f"its Liquid fails: {error}; fix it", path=post.path, line=post.body_line) from None


@functools.lru_cache(maxsize=2)
def _environment(site: Site) -> Bounded:
    environment = Bounded()
    add_tags(environment, site.root)
    add_filters(environment)
    return environment


def _located(error: LiquidError, scene: Scene) -> NewsletterError:
    if isinstance(error.__cause__, NewsletterError):
        inner = error.__cause__
        if inner.path is not None:
            return inner
        what = inner.what
    elif isinstance(error, UnknownTag):
        name = error.message
        what = (
            f"unknown Liquid tag {{% {name} %}}; take it out, write what it is in mail into {OWN_TAGS}/{name}.html, or "
            "show it as text between {% raw %} and {% endraw %}"
        )
    elif isinstance(error, UnknownFilterError):
        what = f"{error.message} in Liquid; take the filter out or use one of Jekyll's"
    elif isinstance(error, ResourceLimitError):
        what = f"its Liquid is too much: {error.message}; make it less"
    else:
        what = f"Liquid: {error.message}; fix it, or show it as text between {{% raw %}} and {{% endraw %}}"
    token = error.token
    source, start = (token.source, token.start_index) if token and token.source in scene.sources else ("", -1)
    if start < 0 and (ending := re.match(r"expected tag end(\w+)", str(error.message))):
        open_tags = ((text, _unclosed(text, ending[1])) for text in scene.sources)
        source, start = next((found for found in open_tags if found[1] >= 0), ("", -1))
    path, first = scene.sources.get(source, (scene.page.post.path, 0))
    return NewsletterError(what, path=path, line=first + source.count("\n", 0, start) if start >= 0 else None)


def _unclosed(source: str, name: str) -> int:
    """Where the tag `name` stands that has no `end` of its own, or -1."""
    opened: list[int] = []
    for tag in re.finditer(rf"\{{%-?\s*(end)?{name}\b", source):
        if not tag[1]:
            opened.append(tag.start())
        elif opened:
            opened.pop()
    return opened[0] if opened else -1


class Lazy(Mapping[str, Any]):
    """A mapping some of whose values are worked out when they are asked for."""

    def __init__(self, values: Mapping[str, Any], later: Mapping[str, Callable[[], Any]]) -> None:
        self._values = dict(values)
        self._later = dict(later)

    def __getitem__(self, key: str) -> Any:
        if key in self._later:
            self._values[key] = self._later.pop(key)()
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._values
        yield from (key for key in list(self._later) if key not in self._values)

    def __len__(self) -> int:
        return len(self._values.keys() | self._later.keys())

    def __contains__(self, key: object) -> bool:
        return key in self._values or key in self._later

    def __str__(self) -> str:
        return str(self._values.get("title") or self._values.get("name") or "")


def _site_drop(page: Page) -> Lazy:
    """`site` as Jekyll has it in Liquid, for the page that is rendered."""
    site = page.site
    values = {
        **site.config,
        "title": site.title,
        "url": site.origin,
        "baseurl": site.base_path,
        "time": page.post.date,  # never the clock's or the file's: the same post is the same mail
    }

    def grouped(key: str) -> dict[str, list[Lazy]]:
        groups: dict[str, list[Lazy]] = {}
        for other in lazy["posts"]:
            for word in other[key]:
                groups.setdefault(word, []).append(other)
        return groups

    later: dict[str, Callable[[], Any]] = {
        "data": lambda: site.data,
        "posts": functools.partial(_post_drops, site),
        "categories": lambda: grouped("categories"),
        "tags": lambda: grouped("tags"),
        "pages": list,
        "static_files": list,
        "related_posts": lambda: [other for other in lazy["posts"] if other["path"] != str(page.file)][:10],
    }
    collections = site.config.get("collections")
    for name in collections if isinstance(collections, (dict, list)) else ():
        if name != "posts" and isinstance(name, str):
            later[name] = functools.partial(_collection, site, name)
    lazy = Lazy(values, later)
    return lazy


def _page_drop(page: Page) -> Lazy:
    """`page` as Jekyll has it in Liquid."""
    post, path = page.post, page.path
    values = {
        **page.defaults,
        **post.front_matter,
        "title": post.title,
        "date": post.date,
        "categories": list(post.categories),
        "tags": list(post.tags),
        "slug": post.slug,
        "url": path,
        "id": path.removesuffix(".html").rstrip("/"),
        "path": str(page.file),
        "relative_path": str(page.file),
        "name": post.front_matter.get("name") or post.path.name,
        "draft": post.draft,
        "collection": jekyll.collection_of(page.file, page.site.config)[0] or None,
        "content": post.body,
    }
    return Lazy(values, {"excerpt": lambda: post.front_matter.get("excerpt") or excerpt_of(page)})


@functools.lru_cache(maxsize=2)
def _posts(site: Site) -> tuple[Post, ...]:
    """Every readable post of the site; what is broken is told when it is sent, not when another one mentions it."""
    found = []
    for folder in site.post_folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in jekyll.MARKDOWN | {".html"} and path.is_file() and path.name[0] != ".":
                try:
                    found.append(post_in(site, path))
                except NewsletterError:
                    continue
    return tuple(found)


@functools.lru_cache(maxsize=2)
def _post_drops(site: Site) -> list[Lazy]:
    """The site's posts as Liquid has them, the newest first."""
    found = [_page_drop(resolve(other, site)) for other in _posts(site) if not other.draft]
    return sorted(found, key=lambda other: other["date"] or _NEVER, reverse=True)


@functools.lru_cache(maxsize=16)
def _collection(site: Site, name: str) -> list[Lazy]:
    """What a collection of the site holds, read once."""
    folder = site.root / str(site.config.get("collections_dir") or "") / f"_{name}"
    found = []
    for path in sorted(folder.rglob("*"))[: jekyll.MOST_FILES]:
        if path.suffix.lower() in jekyll.MARKDOWN | {".html"} and path.is_file():
            try:
                found.append(_page_drop(read_page(path, site)))
            except NewsletterError:
                continue
    return found


def _find(site: Site) -> Callable[[str], Page | None]:
    """Finds a post by what `post_url` names it: `2018-07-03-hello`, or with folders before it."""

    def find(name: str) -> Page | None:
        wanted = Path(name.lstrip("/"))
        for post in _posts(site):
            if post.path.stem == wanted.name and post.path.parts[-len(wanted.parts) : -1] == wanted.parts[:-1]:
                return resolve(post, site)
        # Jekyll finds a post by its file's name alone, too.
        return next((resolve(post, site) for post in _posts(site) if post.path.stem == wanted.name), None)

    return find
