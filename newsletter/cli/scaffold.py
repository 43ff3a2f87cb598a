"""`init` and `new`: begin a newsletter, begin a post."""

import contextlib
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.console import note, say
from newsletter.errors import NewsletterError

LONGEST = 80
IGNORED = (".newsletter/", "newsletter.db", "newsletter.db-*")

_CONFIG = """\
# Every key is explained in docs/reference/config.md; each can be set by environment: NEWSLETTER_SMTP__URL=…

[newsletter]
title = {title}
author = {author}             # From:
url = {url}
postal_address = ""           # the law asks for one in a newsletter; a live send needs it
language = {language}

[posts]
dir = {posts}
permalink = {permalink}

[smtp]
url = "smtp://localhost:1025" # `newsletter inbox` listens there; your relay: smtp://user@host:587
                              # its password: NEWSLETTER_SMTP__PASSWORD in the environment
connections = 10
rate = ""                     # "14/s", "200/m", "50000/d", or several

[subscribers]
source = "subscribers.csv"

[unsubscribe]
url = ""                      # https address of the public pages, or
mailto = ""                   # a mailbox that you read; a live send needs one of them
"""

_LIST = """\
email,name,city
ada@example.org,Ada Moreau,Lyon
grace@example.net,Grace Okafor,Leeds
"""

_POST = """\
---
title: {title}
subtitle: {subtitle}
date: {date}
image:
---

{body}
"""

_HELLO = """\
This is the first issue. Write it in Markdown, and look at it with `newsletter preview`: the page follows as you save.

## Before it goes out

1. Put your subscribers into `subscribers.csv`.
2. Rehearse: `newsletter send {path} --dry-run`.
3. Name your relay in `newsletter.toml`, and send: `newsletter send {path}`.
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(init)
    app.command()(new)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if it is missing.")] = Path("."),
) -> None:
    """Scaffold a newsletter; nothing that exists is changed.

    In a Jekyll or Hugo site, its config is read and its posts stay where they are.

    \b
      newsletter init
      newsletter init my-letter
    """
    from newsletter.site.discover import detect_site

    if folder.exists() and not folder.is_dir():
        raise NewsletterError("is a file; name a folder", path=folder)
    if (folder / "newsletter.toml").exists():
        raise NewsletterError("is there already; edit it, or name another folder", path=folder / "newsletter.toml")
    site = detect_site(folder) if folder.is_dir() else None
    made: list[Path] = []
    config = _CONFIG.format(
        title=_toml(site.title if site and site.title else "My newsletter"),
        author=_toml(_mailbox(site.author if site else "")),
        url=_toml(_first_valid("url", [site.url, f"https://{site.url}"] if site else []) or "https://example.org"),
        language=_toml(_first_valid("language", [site.language] if site else []) or "en"),
        posts=_toml(site.posts_dir if site else "posts"),
        permalink=_toml(site.permalink if site else "/:title/"),
    )
    _write(folder / "newsletter.toml", config, made)
    _write(folder / "subscribers.csv", _LIST, made)
    if site is None:
        now = datetime.now().astimezone()
        post = Path("posts") / f"{now:%Y-%m-%d}-hello.md"
        if not any((folder / "posts").glob("*.md")):
            _write(
                folder / post,
                _POST.format(
                    title="Hello",
                    subtitle="The first issue of a new letter",
                    date=_stamp(now),
                    body=_HELLO.format(path=post),
                ),
                made,
            )
    _write(folder / ".gitignore", "".join(f"{line}\n" for line in IGNORED), made)
    for path in made:
        say(f"wrote {path}")
    if site is not None:
        say(f"{site.kind.capitalize()} site: its facts are used and its posts stay in {site.posts_dir}/")
    if missing := _not_ignored(folder / ".gitignore"):
        note("The ledger holds addresses and stays out of git; in .gitignore, add:")
        for line in missing:
            note(f"  {line}")
    if site is not None and site.kind == "jekyll":
        note("Jekyll publishes what it does not exclude; in _config.yml, add:")
        note("  exclude: [newsletter.toml, subscribers.csv, newsletter.db]")
    there = "" if folder == Path() else f"`cd {folder}`, "
    say(f"next: {there}put your name into newsletter.toml, then `newsletter preview`")


def new(
    context: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The post's title.")],
) -> None:
    """Make a new post with its front matter; prints its path.

    \b
      newsletter new "What the river knows"
    """
    from newsletter.config.settings import load_config
    from newsletter.site.site import load_site
    from newsletter.site.slug import slugify

    config = load_config(context.obj)
    title = " ".join(title.split())
    slug = _short(slugify(title))
    if not slug:
        raise NewsletterError(f"no letters in the title {title!r}; give the post a title")
    now = datetime.now().astimezone()
    site = load_site(config)
    name = f"{slug}.md" if site.kind == "hugo" else f"{now:%Y-%m-%d}-{slug}.md"
    path = config.root / config.posts.dir / name
    made: list[Path] = []
    if path.exists():
        raise NewsletterError("is there already; edit it, or choose another title", path=path)
    _write(path, _POST.format(title=_yaml(title), subtitle="", date=_stamp(now), body=""), made)
    say(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _short(slug: str) -> str:
    """`slug` as a file's name and a link can bear it: whole words, 80 characters at most."""
    if len(slug) <= LONGEST:
        return slug
    return slug[: LONGEST + 1].rpartition("-")[0] or slug[:LONGEST]


def _write(path: Path, text: str, made: list[Path]) -> None:
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"can't be written: {error.strerror}; mend that, or choose another folder"
        raise NewsletterError(what, path=path) from None
    made.append(path)


def _not_ignored(path: Path) -> list[str]:
    """Which of IGNORED an existing .gitignore doesn't name."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return [line for line in IGNORED if line not in map(str.strip, lines)]


def _first_valid(key: str, values: list[str]) -> str:
    """The first of a site's own values that may stand in `[newsletter]`; empty where none may."""
    from newsletter.config.settings import Newsletter

    for value in filter(None, values):
        with contextlib.suppress(ValueError):
            return str(getattr(Newsletter(**{key: value}), key))
    return ""


def _mailbox(author: str) -> str:
    """What stands for From until the writer says better: the site's author as far as it can be one."""
    from newsletter.audience.address import split_mailbox

    name, bracket, address = author.rpartition("<")
    name, address = name.strip(' "'), address.strip(" >")
    if "@" not in address:
        name, bracket, address = author, "<", "you@example.org"
    if not bracket:
        return address
    mailbox = f"{name or 'Your Name'} <{address}>"
    with contextlib.suppress(NewsletterError):
        split_mailbox(mailbox)
        return mailbox
    return '"' + name.replace("\\", "").replace('"', "") + f'" <{address}>'


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %z}"


def _toml(text: str) -> str:
    escaped = re.sub(r"[\x00-\x1f\x7f]", " ", text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _yaml(text: str) -> str:
    plain = re.fullmatch(r"[^\W\d_][\w ,.’'()–-]*", text) and text.lower() not in {
        "yes",
        "no",
        "true",
        "false",
        "null",
        "on",
        "off",
    }
    return text if plain else _toml(text)
