"""Sites of Zola, Eleventy, Pelican and Astro: what they say of themselves without being run.

Read are their Markdown, their front matter and as much of their configuration as is data (Zola's TOML, Pelican's
literals, an address in Astro's, Eleventy's metadata.json). Templates, shortcodes and plugins are theirs alone. What is
understood and what isn't: docs/how-to/jekyll-and-hugo.md.
"""

import ast
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import quote, unquote

from newsletter.errors import NewsletterError
from newsletter.site.formats import read_json, read_toml
from newsletter.site.post import Post, read_text
from newsletter.site.slug import slugify, split_name

Name = Literal["zola", "eleventy", "pelican", "astro"]

_LARGEST = 1024 * 1024
_USUAL = ("blog", "posts", "post", "_posts", "articles", "news", "writing")
_PAGES = {".md", ".markdown"}
_COMPUTED = re.compile(
    r"\bpermalink[\"']?\s*:\s*(?:(?:function\s*)?(?:\([^()]*\)|\w+)\s*(?:=>)?\s*\{?\s*(?:return\s+)?)?"
    r"(?:\"([^\"\n]*)\"|'([^'\n]*)'|`([^`\n]*)`)"
)
_EXPRESSION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}|\$\{\s*(.*?)\s*\}")
_PELICAN = re.compile(r"(?:\{|%7B|\|)(filename|static|attach|tag|category|author|index)(?:\}|%7D|\|)")
_SETTING = r"\b{}\s*:\s*(?:\"([^\"\n]*)\"|'([^'\n]*)'|`([^`\n$]*)`)"
_MARKDOWN_IT = ("breaks", "linkify", "typographer")
_LATIN = str.maketrans({
    "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
    "ð": "d", "þ": "th", "ı": "i", "—": "--", "–": "-", "’": "'", "‘": "'",
})  # fmt: skip
_KEPT = "/-._~!$&'()*+,;=:@"


@dataclass(frozen=True, slots=True)
class Generator:
    """What a site of one of these generators says of itself."""

    name: Name
    config: Path
    content: Path  # the folder that its pages' addresses follow
    folders: tuple[Path, ...]  # where posts are
    title: str = ""
    url: str = ""
    language: str = ""
    author: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def path_of(self, post: Post) -> str:
        """The path of a post's page under the site's address, percent-encoded."""
        own = post.front_matter.get({"zola": "path", "pelican": "url"}.get(self.name, "permalink"))
        if self.name == "eleventy":
            own = _eleventy_permalink(self, post)
        if isinstance(own, str) and own and self.name in {"zola", "pelican"}:  # a folder, and as it is written
            return quote("/" + (f"{own.strip('/')}/" if self.name == "zola" else own.lstrip("/")), safe=_KEPT)
        if isinstance(own, str) and own:
            own = own.removesuffix("index.html") if self.name == "eleventy" else own
            return quote("/" + own.strip("/") + ("" if "." in own.rpartition("/")[2] else "/"), safe=_KEPT)
        try:
            place = PurePosixPath(post.path.relative_to(self.content).as_posix())
        except ValueError:
            place = PurePosixPath(post.path.name)
        bundle = place.stem in {"index", "_index"} and len(place.parts) > 1
        stem = place.parent.name if bundle else place.stem
        above = place.parent.parent.parts if bundle else place.parent.parts
        return quote(_PATHS[self.name](self, post, stem, above), safe=_KEPT)


def find_other(root: Path) -> Generator | None:
    """The site in `root`, if one of these generators made it. Raises NewsletterError where its data is broken."""
    for read in (_zola, _pelican, _eleventy, _astro):
        if (found := read(root)) is not None:
            return found
    return None


def _zola(root: Path) -> Generator | None:
    path = next((root / name for name in ("config.toml", "zola.toml") if (root / name).is_file()), None)
    if path is None or "base_url" not in (text := read_text(path, _LARGEST)):
        return None
    config = read_toml(text, path)
    content = root / "content"
    return Generator(
        "zola", path, content, _post_folders(content),
        title=_line(config.get("title")), url=_address(config.get("base_url")),
        language=_line(config.get("default_language")), author=_line(config.get("author")), settings=config,
    )  # fmt: skip


def _pelican(root: Path) -> Generator | None:
    path = root / "pelicanconf.py"
    if not path.is_file():
        return None
    config = _literals(read_text(path, _LARGEST), path)
    if (root / "publishconf.py").is_file():
        config.update(_literals(read_text(root / "publishconf.py", _LARGEST), root / "publishconf.py"))
    content = root / _line(config.get("PATH") or "content")
    paths = config.get("ARTICLE_PATHS")
    folders = tuple(content / str(name) for name in paths if name) if isinstance(paths, list) else ()
    return Generator(
        "pelican", path, content, folders or (content,),
        title=_line(config.get("SITENAME")), url=_address(config.get("SITEURL")),
        language=_line(config.get("DEFAULT_LANG")), author=_line(config.get("AUTHOR")), settings=config,
    )  # fmt: skip


def _eleventy(root: Path) -> Generator | None:
    names = (".eleventy.js", "eleventy.config.js", "eleventy.config.mjs", "eleventy.config.cjs", "eleventy.config.ts")
    path = next((root / name for name in names if (root / name).is_file()), None)
    if path is None:
        return None
    text = read_text(path, _LARGEST)
    written = _setting("input", text).strip("./")
    content = root / written if written and (root / written).is_dir() else root
    about: Mapping[str, Any] = {}
    for file in (content / "_data/metadata.json", content / "_data/site.json", root / "_data/metadata.json"):
        if file.is_file() and isinstance(data := read_json(read_text(file, _LARGEST), file), dict):
            about = data
            break
    else:
        about = next(filter(None, map(_metadata, _data_files(content, root))), {})
    author = about.get("author")
    options = {name: True for name in _MARKDOWN_IT if re.search(rf"\b{name}\s*:\s*true\b", text)}
    return Generator(
        "eleventy", path, content, _post_folders(content, content / "content"),
        title=_line(about.get("title") or about.get("name")), url=_address(about.get("url")),
        language=_line(about.get("language") or about.get("lang")),
        author=_line(author.get("name") if isinstance(author, dict) else author),
        settings={**about, "markdown": options},
    )  # fmt: skip


def _data_files(content: Path, root: Path) -> Iterator[Path]:
    """Eleventy's data about the site where it is JavaScript."""
    for folder in (content / "_data", root / "_data"):
        for name in ("metadata", "site"):
            yield from (path for ending in (".js", ".cjs", ".mjs") if (path := folder / (name + ending)).is_file())


def _metadata(path: Path) -> Mapping[str, Any]:
    """What a JavaScript file says of a site in literals: the first of each name, so an author's after the site's."""
    text = read_text(path, _LARGEST)
    about: dict[str, Any] = {key: _setting(key, text) for key in ("title", "url", "language", "lang")}
    if author := re.search(r"\bauthor\s*:\s*\{([^{}]*)\}", text):
        about = {key: _setting(key, text.replace(author[0], "")) for key in about}
    about["author"] = _setting("name", author[1]) if author else _setting("author", text)
    return {key: value for key, value in about.items() if value}


def _astro(root: Path) -> Generator | None:
    names = ("astro.config.mjs", "astro.config.js", "astro.config.ts", "astro.config.cjs")
    path = next((root / name for name in names if (root / name).is_file()), None)
    if path is None:
        return None
    text = read_text(path, _LARGEST)
    base = _setting("base", text).strip("/")
    url = _address(_setting("site", text))
    pages = root / "src/pages"
    content = root / "src/content"
    folders = _post_folders(content) if content.is_dir() else _post_folders(pages)
    return Generator(
        "astro", path, content if content.is_dir() else pages, folders, url=f"{url}/{base}" if url and base else url
    )


def _post_folders(*contents: Path) -> tuple[Path, ...]:
    """The sections of a usual name, if they hold most of what is there; else all of the content."""
    for content in contents:
        found = tuple(content / name for name in _USUAL if (content / name).is_dir())
        if found and 2 * sum(map(_count, found)) >= _count(content):
            return found
    return tuple(content for content in contents[:1] if content.is_dir())


def _count(folder: Path) -> int:
    return sum(path.suffix in _PAGES and "node_modules" not in path.parts for path in folder.rglob("*"))


def pelican_link(url: str, site: Generator) -> tuple[str, str] | None:
    """The kind of one of Pelican's links (`{filename}`, `{static}`, `{tag}` …), and the rest of it or its address.

    What starts with a slash is in the content folder, the rest beside the post. None where it is no such link.
    """
    match = _PELICAN.match(url) if site.name == "pelican" else None
    if match is None:
        return None
    kind, rest = match[1], url[match.end() :]
    if kind in {"tag", "category", "author"}:
        pattern = _line(site.settings.get(f"{kind.upper()}_URL")) or f"{kind}/{{slug}}.html"
        rest = "/" + pattern.replace("{slug}", _pelican_slug(unquote(rest), site)).lstrip("/")
    return kind, "/" if kind == "index" else rest


def _zola_path(site: Generator, post: Post, stem: str, above: tuple[str, ...]) -> str:
    languages = site.settings.get("languages")
    name, _, language = stem.rpartition(".")
    if isinstance(languages, dict) and name and language in languages:
        stem, above = name, (language, *above)
    date, name = split_name(stem)
    own = post.front_matter.get("slug")
    slug = own if isinstance(own, str) and own else name if date else stem
    slugs = site.settings.get("slugify")
    kept = isinstance(slugs, dict) and slugs.get("paths") in {"safe", "off"}
    return "/" + "/".join(part if kept else slugify(_in_latin(part, site)) for part in (*above, slug)) + "/"


def _eleventy_permalink(site: Generator, post: Post) -> str:
    """The post's permalink, or that of its folders' data files, where it is plain enough; empty where there is none.

    Raises NewsletterError for one that JavaScript or a template would have to compute.
    """
    own, path = post.front_matter.get("permalink"), post.path
    if not isinstance(own, str):
        for folder in (folder for folder in post.path.parents if folder.is_relative_to(site.content)):
            for file in sorted(folder.glob(f"{folder.name}.*")):
                if file.name.endswith((".json", ".11tydata.js", ".11tydata.cjs", ".11tydata.mjs")) and own is None:
                    text = read_text(file, _LARGEST)
                    found = _COMPUTED.search(text)
                    own = next((part for part in found.groups() if part is not None), "") if found else None
                    own, path = ("{{?}}" if own is None and "permalink" in text else own), file
    if not isinstance(own, str):
        return ""
    stem = split_name(post.path.parent.name if post.path.stem == "index" else post.path.stem)[1]
    place = post.path.relative_to(site.content) if post.path.is_relative_to(site.content) else Path(post.path.name)
    values = {"page.fileSlug": stem, "page.filePathStem": "/" + place.with_name(stem).as_posix()}
    values |= {f"title | {name}": slugify(post.title) for name in ("slug", "slugify")}

    def fill(match: re.Match[str]) -> str:
        asked = (match[1] if match[1] is not None else match[2]).removeprefix("data.")
        if (form := re.fullmatch(r"page\.date\s*\|\s*date:\s*[\"'](.*)[\"']", asked)) and post.date is not None:
            return post.date.strftime(form[1])
        if asked not in values:
            what = f"the permalink's {asked!r} is computed, which Eleventy would have to do; set [posts] permalink"
            raise NewsletterError(what, path=path)
        return values[asked]

    return _EXPRESSION.sub(fill, own)


def _eleventy_path(site: Generator, post: Post, stem: str, above: tuple[str, ...]) -> str:
    above = above[1:] if above[:1] == ("content",) else above
    twin = (
        above[-1:] == (stem,) and post.path.stem == stem
    )  # `trip/trip.md` is `trip/`; dates stay, but in page.fileSlug
    return "/" + "/".join(above if twin else [*above, stem]) + "/"


def _pelican_path(site: Generator, post: Post, stem: str, above: tuple[str, ...]) -> str:
    pattern = _line(site.settings.get("ARTICLE_URL")) or "{slug}.html"
    source = post.path.stem if site.settings.get("SLUGIFY_SOURCE") == "basename" else post.title
    slug = str(post.front_matter.get("slug") or _pelican_slug(source, site))
    category = post.categories[0] if post.categories else above[-1] if above else "misc"
    values = {"slug": slug, "category": _pelican_slug(category, site), "lang": post.text_field("lang")}

    def fill(match: re.Match[str]) -> str:
        if match[1] == "date" and post.date is not None:
            return post.date.strftime(match[2] or "%Y-%m-%d")
        if match[1] not in values:
            what = f"ARTICLE_URL {pattern!r} can't be filled; set [posts] permalink"
            raise NewsletterError(what, path=site.config)
        return values[match[1]]

    if post.date is None and "{date" in pattern:
        return ""
    return "/" + re.sub(r"\{(\w+)(?::([^{}]*))?\}", fill, pattern).lstrip("/")


def _pelican_slug(text: str, site: Generator) -> str:
    """Pelican's slug of a title: signs are dropped, letters are ASCII's unless SLUGIFY_USE_UNICODE is set."""
    unicode = site.settings.get("SLUGIFY_USE_UNICODE") is True
    text = unicodedata.normalize("NFKC", text) if unicode else _in_latin(text, site)
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip()).lower()


def _in_latin(text: str, site: Generator) -> str:
    """`text` in ASCII, as Pelican and Zola put it into addresses.

    Raises NewsletterError for letters of other scripts, for which they have tables of their own.
    """
    text = "".join(c for c in unicodedata.normalize("NFKD", text.translate(_LATIN)) if not unicodedata.combining(c))
    if foreign := next((c for c in text if not c.isascii() and c.isalnum()), ""):
        name = site.name.capitalize()
        what = f"{foreign!r} in {text[:60]!r}: {name} makes an address of it in Latin letters; give the post a slug"
        raise NewsletterError(what, path=site.config)
    return text.encode("ascii", "ignore").decode()


def _astro_path(site: Generator, post: Post, stem: str, above: tuple[str, ...]) -> str:
    own = post.front_matter.get("slug")
    return "/" + "/".join([*above, own if isinstance(own, str) and own else stem]) + "/"


_PATHS: Mapping[Name, Callable[[Generator, Post, str, tuple[str, ...]], str]] = {
    "zola": _zola_path,
    "eleventy": _eleventy_path,
    "pelican": _pelican_path,
    "astro": _astro_path,
}


def _literals(text: str, path: Path) -> dict[str, Any]:
    """The names that a Python file sets to literals; nothing of it is run."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        raise NewsletterError("is no Python that can be read; fix it", path=path) from None
    found: dict[str, Any] = {}
    for statement in tree.body:
        if (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            try:
                found[statement.targets[0].id] = ast.literal_eval(statement.value)
            except (ValueError, TypeError, RecursionError, MemoryError):
                continue
    return found


def _setting(name: str, text: str) -> str:
    """A text that a configuration in JavaScript sets."""
    match = re.search(_SETTING.format(name), text)
    return next((part for part in match.groups() if part is not None), "") if match else ""


def _line(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _address(value: object) -> str:
    text = _line(value)
    return text.rstrip("/") if text.startswith(("http://", "https://")) else ""
