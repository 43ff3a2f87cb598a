"""`init` and `new`: begin a newsletter, begin a post."""

import contextlib
import re
import shlex
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.console import note, say
from newsletter.errors import NewsletterError

LONGEST = 80

_CONFIG = """\
# Every key is explained in docs/reference/config.md; each can be set by environment: NEWSLETTER_SMTP__URL=…

[newsletter]
title = {title}
author = {author}  # From:
url = {url}
postal_address = ""           # the law asks for one in a newsletter; a live send needs it
language = {language}

[posts]
dir = {posts}
permalink = {permalink}

[smtp]
url = ""                      # your relay: smtp://user@host:587, or smtps://user@host:465;
                              # its password: NEWSLETTER_SMTP__PASSWORD in the environment
connections = 10
rate = ""                     # "14/s", "200/m", "50000/d", or several; "ramp 500/d x1.5"

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
This is the first issue. Look at it with `newsletter preview`, rehearse it with `newsletter send hello --dry-run`, and
`newsletter send hello` sends it.

## Before it goes out

1. Write it, in Markdown: the preview follows as you save.
2. Put your subscribers into `subscribers.csv`.
3. Put your name, your address and your relay into `newsletter.toml`.
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(init)
    app.command()(new)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if it is missing.")] = Path("."),
) -> None:
    """Scaffold a newsletter; nothing that exists is changed, but for the .gitignore of a repository.

    In a site of Jekyll, Hugo, Zola, Eleventy, Pelican or Astro, its config is read and its posts stay where they are.

    \b
      newsletter init
      newsletter init my-letter
    """
    from newsletter.cli.gitignore import FRESH, in_repository
    from newsletter.config.settings import PLACEHOLDER_TITLE
    from newsletter.site.discover import detect_site
    from newsletter.site.slug import titleize

    if folder.exists() and not folder.is_dir():
        raise NewsletterError("is a file; name a folder", path=folder)
    if (folder / "newsletter.toml").exists():
        raise NewsletterError("is there already; edit it, or name another folder", path=folder / "newsletter.toml")
    site = detect_site(folder) if folder.is_dir() else None
    made: list[Path] = []
    url = _first_valid("url", [site.url, f"https://{site.url}"] if site else [])
    config = _CONFIG.format(
        title=_toml((site.title if site else "") or titleize(folder.resolve().name) or PLACEHOLDER_TITLE),
        author=_toml(_mailbox(site.author if site else "")),
        url=_toml(url) if url else f"{_toml(url):<24}# your web site, if there is one",
        language=_toml(_first_valid("language", [site.language] if site else []) or "en"),
        posts=_toml(site.posts_dir if site else "posts"),
        permalink=_toml(site.permalink if site else "/:title/"),
    )
    _write(folder / "newsletter.toml", config, made)
    _write(folder / "subscribers.csv", _LIST, made)
    if site is None:
        now = datetime.now().astimezone()
        if not any((folder / "posts").glob("*.md")):
            subtitle = "The first issue of a new letter"
            text = _POST.format(title="Hello", subtitle=subtitle, date=_stamp(now), body=_HELLO)
            _write(folder / "posts" / f"{now:%Y-%m-%d}-hello.md", text, made)
    if not in_repository(folder):
        _write(folder / ".gitignore", FRESH, made)
    post = "hello" if any(path.suffix == ".md" for path in made) else "POST"
    say(f"This is a newsletter now; when all is ready, `newsletter send {post}` sends it.")
    for path in made:
        say(f"wrote {path}")
    if site is not None:
        say(f"{site.kind.capitalize()} site: its own settings are used, and its posts stay in {site.posts_dir}/")
    _keep_out(folder)
    say("Next:")
    if folder != Path():
        say(f"  cd {shlex.quote(str(folder))}")
    say("  put your name, your address and your relay into newsletter.toml")
    for command, does in (
        ("newsletter preview", "look at it as a reader will"),
        (f"newsletter send {post} --dry-run", "rehearse it into the test inbox"),
        (f"newsletter send {post}", "send it: shows its plan and asks"),
    ):
        say(f"  {command:<34}{does}")


def _keep_out(folder: Path) -> None:
    """Keep addresses out of the repository and off the web, or say how."""
    from newsletter.cli.gitignore import ignore, in_repository, jekyll_excludes, not_ignored, tracked
    from newsletter.site.jekyll import find_jekyll, read_config

    if (missing := not_ignored(folder)) and in_repository(folder):
        ignore(folder, missing)
        shown = [name for name in missing if not name.endswith(("-wal", "-shm", "-intents*"))]
        say(f"{folder / '.gitignore'} keeps {', '.join(shown)} out of git: they hold addresses")
    elif missing[1:]:  # in no repository the list is the writer's to decide on
        note("The list and the ledger hold addresses and stay out of git; in .gitignore, add:")
        for name in missing:
            note(f"  {name}")
    if names := tracked(folder):
        note(f"{', '.join(names)} is in the repository already; `git rm --cached {' '.join(names)}` takes it out")
    if (config := find_jekyll(folder.resolve())) is not None and (
        lines := jekyll_excludes(config, read_config(config))
    ):
        note(f"Jekyll publishes what it does not exclude; in {config.name}, add:")
        for line in lines:
            note(f"  {line}")


def new(
    context: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The post's title.")],
) -> None:
    """Make a new post with its front matter; prints its path.

    \b
      newsletter new "What the river knows"
    """
    from newsletter.config.settings import load_config
    from newsletter.site.load import load_site
    from newsletter.site.slug import slugify

    config = load_config(context.obj)
    title = " ".join(title.split())
    slug = _short(slugify(title))
    if not slug:
        raise NewsletterError(f"no letters in the title {title!r}; give the post a title")
    now = datetime.now().astimezone()
    site = load_site(config)
    name = f"{slug}.md" if site.kind == "hugo" or site.other is not None else f"{now:%Y-%m-%d}-{slug}.md"
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
        what = f"can't be written: {error.strerror}; fix that, or choose another folder"
        raise NewsletterError(what, path=path) from None
    made.append(path)


def _first_valid(key: str, values: list[str]) -> str:
    """The first of a site's own values that may stand in `[newsletter]`; empty where none may."""
    from newsletter.config.settings import Newsletter

    for value in filter(None, values):
        with contextlib.suppress(ValueError):
            return str(getattr(Newsletter.model_validate({key: value}), key))
    return ""


def _mailbox(author: str) -> str:
    """What stands for From until the writer says better: the site's author as far as it can be one."""
    from newsletter.audience.address import split_mailbox
    from newsletter.config.settings import PLACEHOLDER, PLACEHOLDER_NAME

    name, bracket, address = author.rpartition("<")
    name, address = name.strip(' "'), address.strip(" >")
    if "@" not in address:
        name, bracket, address = author, "<", PLACEHOLDER
    if not bracket:
        return address
    mailbox = f"{name or PLACEHOLDER_NAME} <{address}>"
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
