"""Read the site in a folder: by its own configuration, and by newsletter.toml, whose title, url and permalink win.

How Jekyll and Hugo say what they say is in `jekyll` and `hugo`; finding posts and sites is in `discover`.
"""

import difflib
import re
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from newsletter.config.settings import Config, Newsletter, Posts
from newsletter.errors import NewsletterError
from newsletter.site import hugo, jekyll
from newsletter.site.dates import zone_named
from newsletter.site.others import find_other
from newsletter.site.paths import below, inside, is_inside
from newsletter.site.permalink import check_pattern
from newsletter.site.site import Author, Site, one_line, without_address

_HOST = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")


def load_site(config: Config) -> Site:
    """The site in the folder of newsletter.toml. Raises NewsletterError where its configuration is broken."""
    root = config.root.resolve()
    site = read_site(root)
    with config.naming("posts", "permalink"):
        check_pattern(config.posts.permalink, hugo=site.kind == "hugo")
    own = config.newsletter
    folders = site.post_folders
    if config.posts.dir != Posts().dir or not folders:  # what is not set is the site's
        folder = below(root, config.posts.dir)
        _check_folder(folder, config)
        if folder not in folders[:1]:  # `init` writes the site's first folder; its others go with it
            drafts = folder.parent / "_drafts"
            folders = (folder, drafts) if site.kind == "jekyll" and drafts.is_dir() else (folder,)
    return replace(
        site,
        title=own.title or site.title,
        url=(own.url or site.url).rstrip("/"),
        pattern=config.posts.permalink or site.pattern,
        language=site.language if site.language and own.language == Newsletter().language else own.language,
        default_author=site.default_author or without_address(own.author),
        post_folders=folders,
    )


def newsletter_zone(config: Config, site: Site | None = None) -> tzinfo | None:
    """The timezone of `[newsletter]`, else the site's own; None for the machine's."""
    if config.newsletter.timezone:
        return ZoneInfo(config.newsletter.timezone)
    own = (site or load_site(config)).config.get("timezone")
    return zone_named(own) if isinstance(own, str) and own else None


def _check_folder(folder: Path, config: Config) -> None:
    """Refuse a folder of posts that is not there where one beside it goes by nearly the same name."""
    if folder.exists() or not folder.parent.is_dir():
        return
    beside = [path.name for path in folder.parent.iterdir() if path.is_dir()]
    if near := difflib.get_close_matches(folder.name, beside, n=1, cutoff=0.7):
        meant = (Path(config.posts.dir).parent / near[0]).as_posix()
        what = f"[posts] dir: there is no folder {config.posts.dir!r}; did you mean {meant!r}?"
        raise NewsletterError(what, **config.where("posts", "dir"))


def read_site(root: Path) -> Site:
    """The site in the folder `root` (absolute), by its own word alone."""
    other = find_other(root)
    path = jekyll.find_jekyll(root)
    if path is not None and (path.exists() or other is None):  # Eleventy has folders of Jekyll's names
        return replace(_jekyll_site(root, jekyll.read_config(path)), config_path=path)
    if other is not None:
        zone = zone_named(one_line(other.settings.get("TIMEZONE"))) if other.name == "pelican" else None
        return replace(
            _plain_site(root), title=other.title, url=other.url, language=other.language, default_author=other.author,
            pattern="", timezone=zone or UTC, post_folders=other.folders, other=other, config_path=other.config,
        )  # fmt: skip
    if (path := hugo.find_hugo(root)) is not None:
        return replace(_hugo_site(root, hugo.read_config(path)), config_path=path)
    return _plain_site(root)


def _plain_site(root: Path) -> Site:
    return Site(
        kind="plain", root=root, title="", url="", pattern="/:title/", language="", timezone=UTC, default_author="",
        default_image="", authors={}, post_folders=(), config={},
    )  # fmt: skip


def _jekyll_site(root: Path, config: dict[str, Any]) -> Site:
    source = one_line(config.get("source"))
    root = inside(root, source) if source else root
    address = (one_line(config.get("url")) or _own_domain(root)).rstrip("/")
    base = "/" + one_line(config.get("baseurl")).strip("/") if one_line(config.get("baseurl")).strip("/") else ""
    zone = zone_named(one_line(config.get("timezone"))) if config.get("timezone") else None
    author = config.get("author")
    image = config.get("image")
    authors = {key: Author.of(person, key) for key, person in jekyll.read_authors(root, config).items()}
    if isinstance(author, dict):
        person = Author.of(author, one_line(author.get("name")))
        authors = {person.name: person, **authors}
        author = person.name
    return Site(
        kind="jekyll",
        root=root,
        title=one_line(config.get("title")) or one_line(config.get("name")),
        url=address + base if address else "",
        pattern=jekyll.pattern_for("posts", config, one_line(config.get("permalink"))),
        language=one_line(config.get("lang")) or one_line(config.get("locale")) or one_line(config.get("language")),
        timezone=zone or UTC,
        default_author=one_line(author),
        default_image=one_line(image.get("path") if isinstance(image, dict) else image),
        authors=authors,
        post_folders=jekyll.post_folders(root, config),
        config=config,
        defaults=jekyll.defaults_of(config),
    )


def _hugo_site(root: Path, config: dict[str, Any]) -> Site:
    params = hugo.params_of(config)
    zone = zone_named(one_line(config.get("timezone"))) if config.get("timezone") else None
    author = params.get("author") or config.get("author")
    people = {key: Author.of(person, key) for key, person in hugo.read_authors(root, config).items()}
    data = root / "data"
    if data.is_dir():
        people.update({k: Author.of(p, k) for k, p in jekyll.read_authors(root, {}, "data").items()})
    if isinstance(author, dict):
        person = Author.of(author, one_line(author.get("name")))
        people = {person.name: person, **people}
        author = person.name
    images = params.get("images")
    return Site(
        kind="hugo",
        root=root,
        title=one_line(hugo.own_language(config).get("title")) or one_line(config.get("title")),
        url=_base_url(
            one_line(hugo.setting(hugo.own_language(config), "baseURL", default="")) or one_line(config.get("baseurl"))
        ),
        pattern="",
        language=hugo.language_of(config),
        timezone=zone or UTC,
        default_author=one_line(author),
        default_image=one_line(images[0]) if isinstance(images, list) and images else "",
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
