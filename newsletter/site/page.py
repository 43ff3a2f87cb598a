"""A post as its site publishes it: resolved once, into one frozen value that answers all that follows.

Where the page stands on the web, who wrote it, which image and language it has, what a relative link in it means. What
composes, checks or shows a post takes a `Page`, and asks post and site no more. Which patterns permalinks have is in
`permalink`; what a site's configuration says is in `jekyll` and `hugo`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from newsletter.errors import NewsletterError
from newsletter.site import hugo, jekyll
from newsletter.site.others import pelican_link
from newsletter.site.paths import inside
from newsletter.site.permalink import hugo_path, jekyll_path
from newsletter.site.post import Post, read_post
from newsletter.site.site import Author, Layer, Site, merged, one_line, without_address

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_MARKDOWN_LINK = re.compile(r"\[([^\]\[]+)\]\([^()\s]*\)")
_KEPT = "/-._~!$&'()*+,;=:@%"
_PICTURES = ("picture", "author_picture", "author_image", "avatar")


@dataclass(frozen=True, eq=False)
class Page:
    """A post, and what its site makes of it; what nobody said is empty."""

    post: Post
    site: Site
    file: PurePosixPath  # the post's file in the site
    layers: tuple[Layer, ...]  # front matter that the site gives posts there, the weakest first
    defaults: Mapping[str, Any]  # all of them together
    path: str  # of the page under the site's url, percent-encoded; empty where it needs a date that isn't known
    url: str  # absolute; empty where the site's address, or the path, isn't known
    author: Author  # the picture's address absolute
    image: str  # absolute: the post's, else the site's
    language: str  # the post's own word for it, else the site's, else English

    def absolute(self, url: str, *, of_site: bool = False) -> str:
        """`url`, as the post writes it, as a reader's mail needs it: absolute, where the site's address is known.

        What starts with `/` is under the site's `url`, the rest under the post's page (or under the site, with
        `of_site`), and a link to another post's file is a link to its page. Addresses with a scheme and fragments of
        this mail stay as they are.
        """
        return _absolute(url, self.site, "" if of_site else self.url, self.post.path)


def read_page(path: Path, site: Site) -> Page:
    """The page of the post at `path`. Raises NewsletterError as `read_post` does."""
    return resolve(post_in(site, path), site)


def post_in(site: Site, path: Path) -> Post:
    """The post at `path`, read as its site's generator reads it."""
    return read_post(path, site.timezone, site.other.name if site.other is not None else site.kind)


def resolve(post: Post, site: Site) -> Page:
    """The page that `site` makes of `post`."""
    file = site.relative(post.path)
    layers = site.layers_for(file)
    defaults = merged(layers)
    path, url = _address(post, site, file, defaults)
    return Page(
        post=post,
        site=site,
        file=file,
        layers=layers,
        defaults=defaults,
        path=path,
        url=url,
        author=_author(post, site, defaults),
        image=_image(post, site, url, defaults),
        language=post.text_field("lang", "language") or site.language or "en",
    )


def _address(post: Post, site: Site, file: PurePosixPath, defaults: Mapping[str, Any]) -> tuple[str, str]:
    """Path and absolute URL of the post's page."""
    own = post.front_matter.get("permalink")
    own = defaults.get("permalink") if own is None else own
    if site.other is not None and not site.pattern:  # unless newsletter.toml has a permalink
        path = site.other.path_of(post)
        return path, site.url + path if site.url and path else ""
    path = _hugo_path(post, site, file) if site.kind == "hugo" else _jekyll_path(post, site, file, defaults, own)
    address = own or (post.front_matter.get("url") if site.kind == "hugo" else None)
    if isinstance(address, str) and _SCHEME.match(address):
        return path, address
    return path, site.url + path if site.url and path else ""


def _jekyll_path(post: Post, site: Site, file: PurePosixPath, defaults: Mapping[str, Any], own: Any) -> str:
    """The path by Jekyll's tokens, in a plain folder too; `own` is the post's permalink."""
    collection, place = ("posts", file) if site.kind == "plain" else jekyll.collection_of(file, site.config)
    above = tuple(str(part) for part in jekyll.categories_in_path(file))
    if above or not post.categories:
        default = defaults.get("categories")
        words = default.split() if isinstance(default, str) else default if isinstance(default, list) else []
        categories = post.categories or tuple(str(word) for word in words)
        post = replace(post, categories=tuple(dict.fromkeys((*above, *categories))))
    if own:
        pattern = str(own)
    elif collection == "posts":
        pattern = site.pattern
    else:
        pattern = jekyll.pattern_for(collection, site.config, one_line(site.config.get("permalink")))
    if place.stem == "index" and collection != "posts":
        pattern, place = ("/:path/" if pattern.startswith("/:path") else pattern), place.parent
    elif site.kind == "plain" and place.stem in {"index", "_index"} and len(place.parts) > 1:  # a folder is a post
        place = place.parent.with_name(place.parent.name + place.suffix)
    date = post.date
    if date is not None and site.kind == "jekyll":  # Hugo keeps the offset that the post gives
        date = date.astimezone(site.timezone)
    return jekyll_path(pattern, post, date, PurePosixPath(place.name) if collection == "posts" else place, collection)


def _hugo_path(post: Post, site: Site, file: PurePosixPath) -> str:
    content = hugo.content_folder(site.root, site.config)
    try:
        place = PurePosixPath(post.path.relative_to(content).as_posix())
    except ValueError:
        place = file
    language = hugo.language_key(site.config)
    if language and place.stem.endswith(f".{language}"):
        place = place.with_name(place.stem.removesuffix(f".{language}") + place.suffix)
    lower = not site.config.get("disablepathtolower")
    above = f"/{language}" if language and site.config.get("defaultcontentlanguageinsubdir") is True else ""
    own = post.front_matter.get("url")
    if isinstance(own, str) and own:
        slash = "" if own.endswith("/") or "." in own else "/"  # a name without an ending is a folder
        return ("" if own.startswith("/") else above) + "/" + quote(own.lstrip("/"), safe=_KEPT) + slash
    pattern = site.pattern or hugo.pattern_for(place, site.config)
    path = hugo_path(pattern, post, post.date, place, hugo.sections_of(place, content), lower=lower)
    ugly = site.config.get("uglyurls")  # for all, or by section
    ugly = ugly.get(place.parts[0]) if isinstance(ugly, dict) else ugly
    if ugly is True and path.endswith("/") and len(path) > 1:
        path = path.rstrip("/") + ".html"
    return above + path


def _author(post: Post, site: Site, defaults: Mapping[str, Any]) -> Author:
    """Who wrote the post: its author's entry in the site's authors, else the name as written; picture absolute."""
    written = post.author or one_line(defaults.get("author")) or site.default_author
    people = [_person(key.strip(), site) for key in _people(written, site.authors)]
    own = post.front_matter.get("author")
    if isinstance(own, dict):
        people = [Author.of(own, written)]
    names = [person.name for person in people if person.name]
    name = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
    picture = next((person.picture for person in people if person.picture), "")
    for key in _PICTURES:
        if post.author and isinstance(post.front_matter.get(key), str) and post.front_matter[key]:
            picture = post.front_matter[key]
            break
    return Author(name, _absolute(picture, site, "", post.path) if picture else "")


def _person(key: str, site: Site) -> Author:
    person = site.authors.get(key) or next(
        (person for name, person in site.authors.items() if name.lower() == key.lower()), None
    )
    return person if person is not None else Author(_MARKDOWN_LINK.sub(r"\1", without_address(key) or key))


def _people(written: str, authors: Mapping[str, Author]) -> list[str]:
    """The keys in an author line: one, unless every part between its commas is a key that the site knows."""
    parts = [part.strip() for part in written.split(",")]
    known = {key.lower() for key in authors}
    return parts if len(parts) > 1 and all(part.lower() in known for part in parts) else [written]


def _image(post: Post, site: Site, url: str, defaults: Mapping[str, Any]) -> str:
    """The absolute URL of the post's image, else of the site's default image, else empty."""
    if post.image:
        return _absolute(post.image, site, url, post.path)
    default = defaults.get("image")
    default = default.get("path") if isinstance(default, dict) else default
    image = one_line(default) or site.default_image
    return _absolute(image, site, "", post.path) if image else ""


def _absolute(url: str, site: Site, page: str, file: Path) -> str:
    """`url`, which stands in the post at `file`, absolute: under `page`, or under the site where that is empty."""
    url = url.strip()
    if not url or url.startswith("#") or _SCHEME.match(url):
        return url
    if site.other is not None and (pelican := pelican_link(url, site.other)) is not None:
        kind, rest = pelican
        place = (site.other.content if rest.startswith("/") else file.parent) / rest.partition("#")[0].lstrip("/")
        if kind == "filename" and (other := _page_at(place, site, urlsplit(rest).fragment)):
            return other
        in_content = place.is_relative_to(site.other.content) and kind in {"static", "attach", "filename"}
        url = "/" + place.relative_to(site.other.content).as_posix() if in_content else rest
    url = _encode(url)
    if url.startswith("//"):
        return "https:" + url
    if other := _page_of_file(url, site, file):
        return other
    if not site.url:
        return url
    if url.startswith("/"):
        base = site.base_path
        inside_base = base and (url == base or url.startswith(base + "/"))
        return urljoin((site.origin if inside_base else site.url) + "/", "." + url)
    return urljoin(page or site.url + "/", url)


def _page_of_file(url: str, site: Site, file: Path) -> str:
    """The page of the post whose Markdown file `url` points at, as seen from `file`; empty where it doesn't."""
    parts = urlsplit(url)
    if not parts.path.lower().endswith((".md", ".markdown")):
        return ""
    path = unquote(parts.path)
    start = site.root if path.startswith("/") else file.parent
    if site.other is not None and path.startswith("@/"):  # Zola's way to name a page
        start, path = site.other.content, path.removeprefix("@/")
    return _page_at(start / path.lstrip("/"), site, parts.fragment)


def _page_at(path: Path, site: Site, fragment: str) -> str:
    """The page of the post in the file at `path`; empty where there is none in the site."""
    try:
        post = post_in(site, inside(site.root, path))
    except NewsletterError:
        return ""
    relative = site.relative(post.path)
    _, page = _address(post, site, relative, merged(site.layers_for(relative)))
    return page + (f"#{fragment}" if fragment else "")


def _encode(url: str) -> str:
    """Spaces and what isn't ASCII percent-encoded; what is encoded already stays."""
    return quote(url, safe="/-._~!$&'()*+,;=:@?#%[]")
