"""The site that a post lives in: Jekyll, Hugo or a plain folder; what it adds to a post.

A `Site` is read once and answers for each post: where it stands on the web, who wrote it, which image it has, what a
relative link means. newsletter.toml's title, url and permalink win over the site's own. How the two generators say
these things is in `jekyll` and `hugo`; finding posts and sites is in `detect`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import quote, unquote, urljoin, urlsplit

from newsletter.config.settings import Config, Newsletter, Posts
from newsletter.errors import NewsletterError
from newsletter.site import hugo, jekyll
from newsletter.site.dates import zone_named
from newsletter.site.paths import inside, is_inside
from newsletter.site.permalink import hugo_path, jekyll_path
from newsletter.site.post import Author, Post, read_post

Kind = Literal["jekyll", "hugo", "plain"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TOKEN = re.compile(r"slot[0-9a-f]{12}n\d+z")  # what stands for a reader's value: see `slots`
_PICTURES = ("picture", "avatar", "image", "photo", "profile_image", "featured_image")
_HOST = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
_MARKDOWN_LINK = re.compile(r"\[([^\]\[]+)\]\([^()\s]*\)")
_MAILBOX = re.compile(r"\s*<[^>]*>\s*\Z")


@dataclass(frozen=True, eq=False)
class Site:
    """What is known of a site; what nobody said is empty."""

    kind: Kind
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
    defaults: tuple[jekyll.Default, ...] = ()

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

    def relative(self, post: Post) -> PurePosixPath:
        """The post's path in the site; its name alone where it lies outside."""
        try:
            return PurePosixPath(post.path.relative_to(self.root).as_posix())
        except ValueError:
            return PurePosixPath(post.path.name)

    def fact(self, post: Post, key: str) -> Any:
        """A value of the post's front matter, else of the site's defaults for it, else None."""
        value = post.front_matter.get(key)
        return self.defaults_for(post).get(key) if value is None else value

    def defaults_for(self, post: Post) -> dict[str, Any]:
        """The front matter that a Jekyll site's `defaults` give the post."""
        if not self.defaults:
            return {}
        relative = self.relative(post)
        kind = jekyll.collection_of(relative, self.config)[0]
        found: dict[str, Any] = {}
        for default in self.defaults:
            if default.holds_for(str(relative), kind):
                found.update(default.values)
        return found

    def path_of(self, post: Post) -> str:
        """The path of the post's page under `url`, percent-encoded; empty where it can't be known (no date)."""
        date = post.date
        if date is not None and self.kind == "jekyll":  # Hugo keeps the offset that the post gives
            date = date.astimezone(self.timezone)
        relative = self.relative(post)
        if self.kind == "hugo":
            return self._hugo_path(post, date, relative)
        own = self.fact(post, "permalink")
        collection, place = (
            jekyll.collection_of(relative, self.config) if self.kind == "jekyll" else ("posts", relative)
        )
        above = tuple(str(part) for part in jekyll.categories_in_path(relative))
        if above or not post.categories:
            default = self.defaults_for(post).get("categories")
            words = default.split() if isinstance(default, str) else default if isinstance(default, list) else []
            categories = post.categories or tuple(str(word) for word in words)
            post = replace(post, categories=tuple(dict.fromkeys((*above, *categories))))
        if own:
            pattern = str(own)
        elif collection == "posts":
            pattern = self.pattern
        else:
            pattern = jekyll.pattern_for(collection, self.config, _text(self.config.get("permalink")))
        place = PurePosixPath(place.name) if collection == "posts" else place
        return jekyll_path(pattern, post, date, place, collection)

    def permalink(self, post: Post) -> str:
        """The absolute URL of the post's page; empty where the site's address, or a date it needs, isn't known."""
        own = self.fact(post, "permalink") or (post.front_matter.get("url") if self.kind == "hugo" else None)
        if isinstance(own, str) and _SCHEME.match(own):
            return own
        path = self.path_of(post) if self.url else ""
        return self.url + path if path else ""

    def author(self, post: Post) -> Author:
        """Who wrote the post: its author's entry in the site's authors, else the name as written; picture absolute."""
        written = post.author or _text(self.defaults_for(post).get("author")) or self.default_author
        people = [self._person(key.strip()) for key in _people(written, self.authors)]
        own = post.front_matter.get("author")
        if isinstance(own, dict):
            people = [_person(own, written)]
        names = [person.name for person in people if person.name]
        name = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
        picture = next((person.picture for person in people if person.picture), "")
        for key in ("picture", "author_picture", "author_image", "avatar"):
            if post.author and isinstance(post.front_matter.get(key), str) and post.front_matter[key]:
                picture = post.front_matter[key]
                break
        return Author(name, self.absolute(picture, post, of_site=True) if picture else "")

    def image(self, post: Post) -> str:
        """The absolute URL of the post's image, else of the site's default image, else empty."""
        if post.image:
            return self.absolute(post.image, post)
        default = self.defaults_for(post).get("image")
        default = default.get("path") if isinstance(default, dict) else default
        image = _text(default) or self.default_image
        return self.absolute(image, post, of_site=True) if image else ""

    def absolute(self, url: str, post: Post, *, of_site: bool = False) -> str:
        """`url` as a reader's mail needs it: absolute, where the site's address is known.

        What starts with `/` is under the site's `url`, the rest under the post's page (or under the site, with
        `of_site`), and a link to another post's file is a link to its page. Addresses with a scheme, fragments of
        this mail, and what depends on the reader stay as they are.
        """
        url = url.strip()
        if not url or url.startswith("#") or _SCHEME.match(url) or _TOKEN.match(url):
            return url
        url = _encode(url)
        if url.startswith("//"):
            return "https:" + url
        if page := self._page_of_file(url, post):
            return page
        if not self.url:
            return url
        if url.startswith("/"):
            base = self.base_path
            inside_base = base and (url == base or url.startswith(base + "/"))
            return urljoin((self.origin if inside_base else self.url) + "/", "." + url)
        if of_site:
            return urljoin(self.url + "/", url)
        return urljoin(self.permalink(post) or self.url + "/", url)

    def _hugo_path(self, post: Post, date: datetime | None, relative: PurePosixPath) -> str:
        content = hugo.content_folder(self.root, self.config)
        try:
            place = PurePosixPath(post.path.relative_to(content).as_posix())
        except ValueError:
            place = relative
        language = hugo.language_of(self.config)
        if language and place.stem.endswith(f".{language}"):
            place = place.with_name(place.stem.removesuffix(f".{language}") + place.suffix)
        lower = not self.config.get("disablepathtolower")
        above = f"/{language}" if language and self.config.get("defaultcontentlanguageinsubdir") is True else ""
        own = post.front_matter.get("url")
        if isinstance(own, str) and own:
            return "/" + own.lstrip("/")
        pattern = self.pattern or hugo.pattern_for(place, self.config)
        path = hugo_path(pattern, post, date, place, lower=lower)
        ugly = self.config.get("uglyurls")  # for all, or by section
        ugly = ugly.get(place.parts[0]) if isinstance(ugly, dict) else ugly
        if ugly is True and path.endswith("/") and len(path) > 1:
            path = path.rstrip("/") + ".html"
        return above + path

    def _page_of_file(self, url: str, post: Post) -> str:
        """The page of the post whose Markdown file `url` points at; empty where it doesn't."""
        parts = urlsplit(url)
        if not parts.path.lower().endswith((".md", ".markdown")):
            return ""
        path = unquote(parts.path)
        start = self.root if path.startswith("/") else post.path.parent
        try:
            file = inside(self.root, start / path.lstrip("/"))
            return self.permalink(self._post_at(file)) + (f"#{parts.fragment}" if parts.fragment else "")
        except NewsletterError:
            return ""

    def _post_at(self, path: Path) -> Post:
        return read_post(path, self.timezone)

    def _person(self, key: str) -> Author:
        person = self.authors.get(key) or next(
            (person for name, person in self.authors.items() if name.lower() == key.lower()), None
        )
        return person if person is not None else Author(_MARKDOWN_LINK.sub(r"\1", _MAILBOX.sub("", key) or key))


def load_site(config: Config) -> Site:
    """The site in the folder of newsletter.toml. Raises NewsletterError where its configuration is broken."""
    root = config.root.resolve()
    site = read_site(root)
    own = config.newsletter
    folders = site.post_folders
    if config.posts.dir != Posts().dir or not folders:  # what is not set is the site's
        folder = inside(root, config.posts.dir)
        if folder not in folders[:1]:  # `init` writes the site's first folder; its others go with it
            drafts = folder.parent / "_drafts"
            folders = (folder, drafts) if site.kind == "jekyll" and drafts.is_dir() else (folder,)
    return replace(
        site,
        title=own.title or site.title,
        url=(own.url or site.url).rstrip("/"),
        pattern=config.posts.permalink or site.pattern,
        language=site.language if site.language and own.language == Newsletter().language else own.language,
        default_author=site.default_author or _MAILBOX.sub("", own.author),
        post_folders=folders,
    )


def read_site(root: Path) -> Site:
    """The site in the folder `root` (absolute), by its own word alone."""
    if (path := jekyll.find_jekyll(root)) is not None:
        return _jekyll_site(root, jekyll.read_config(path))
    if (path := hugo.find_hugo(root)) is not None:
        return _hugo_site(root, hugo.read_config(path))
    return Site(
        kind="plain", root=root, title="", url="", pattern="/:title/", language="", timezone=UTC, default_author="",
        default_image="", authors={}, post_folders=(), config={},
    )  # fmt: skip


def _jekyll_site(root: Path, config: dict[str, Any]) -> Site:
    source = _text(config.get("source"))
    root = inside(root, source) if source else root
    address = (_text(config.get("url")) or _own_domain(root)).rstrip("/")
    base = "/" + _text(config.get("baseurl")).strip("/") if _text(config.get("baseurl")).strip("/") else ""
    zone = zone_named(_text(config.get("timezone"))) if config.get("timezone") else None
    author = config.get("author")
    image = config.get("image")
    authors = {key: _person(person, key) for key, person in jekyll.read_authors(root, config).items()}
    if isinstance(author, dict):
        person = _person(author, _text(author.get("name")))
        authors = {person.name: person, **authors}
        author = person.name
    return Site(
        kind="jekyll",
        root=root,
        title=_text(config.get("title")) or _text(config.get("name")),
        url=address + base if address else "",
        pattern=jekyll.pattern_for("posts", config, _text(config.get("permalink"))),
        language=_text(config.get("lang")) or _text(config.get("locale")) or _text(config.get("language")),
        timezone=zone or UTC,
        default_author=_text(author),
        default_image=_text(image.get("path") if isinstance(image, dict) else image),
        authors=authors,
        post_folders=jekyll.post_folders(root, config),
        config=config,
        defaults=jekyll.defaults_of(config),
    )


def _hugo_site(root: Path, config: dict[str, Any]) -> Site:
    params = hugo.params_of(config)
    zone = zone_named(_text(config.get("timezone"))) if config.get("timezone") else None
    author = params.get("author") or config.get("author")
    people = {key: _person(person, key) for key, person in hugo.read_authors(root, config).items()}
    data = root / "data"
    if data.is_dir():
        people.update({k: _person(p, k) for k, p in jekyll.read_authors(root, {}, "data").items()})
    if isinstance(author, dict):
        person = _person(author, _text(author.get("name")))
        people = {person.name: person, **people}
        author = person.name
    images = params.get("images")
    return Site(
        kind="hugo",
        root=root,
        title=_text(hugo.own_language(config).get("title")) or _text(config.get("title")),
        url=_base_url(_text(config.get("baseurl"))),
        pattern="",
        language=hugo.language_of(config),
        timezone=zone or UTC,
        default_author=_text(author),
        default_image=_text(images[0]) if isinstance(images, list) and images else "",
        authors=people,
        post_folders=hugo.post_folders(root, config),
        config=config,
    )


def _own_domain(root: Path) -> str:
    """The address that GitHub Pages gives a site whose configuration has none: that of the domain in its CNAME file."""
    path = root / "CNAME"
    if not path.is_file() or not is_inside(root, path):
        return ""
    host = path.read_text(encoding="utf-8", errors="replace").strip()
    return f"https://{host}" if _HOST.fullmatch(host) else ""


def _base_url(text: str) -> str:
    """Hugo's baseURL as an address, or empty where it is `/` or one of the samples that themes ship."""
    text = "https:" + text if text.startswith("//") else text
    return text.rstrip("/") if text.startswith(("http://", "https://")) else ""


def _person(person: Mapping[str, Any], key: str) -> Author:
    name = _text(person.get("name")) or _text(person.get("display_name")) or _text(person.get("title")) or key
    return Author(name, next((_text(person[part]) for part in _PICTURES if _text(person.get(part))), ""))


def _people(written: str, authors: Mapping[str, Author]) -> list[str]:
    """The keys in an author line: one, unless every part between its commas is a key that the site knows."""
    parts = [part.strip() for part in written.split(",")]
    known = {key.lower() for key in authors}
    return parts if len(parts) > 1 and all(part.lower() in known for part in parts) else [written]


def _encode(url: str) -> str:
    """Spaces and what isn't ASCII percent-encoded; what is encoded already stays."""
    return quote(url, safe="/-._~!$&'()*+,;=:@?#%[]")


def _text(value: Any) -> str:
    return " ".join(str(value).split()) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
