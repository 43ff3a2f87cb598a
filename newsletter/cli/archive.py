"""`archive build`: static pages and feeds of past issues."""

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.console import plural, say, short_path
from newsletter.errors import NewsletterError


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Past issues on the web.", no_args_is_help=True, rich_markup_mode=None)
    group.callback()(_group)
    group.command()(build)
    app.add_typer(group, name="archive")


def _group() -> None:
    """Past issues on the web."""


def build(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the pages go.")] = Path("archive"),
) -> None:
    """Write the archive as static pages: the issues that were sent, an index, feeds, a sitemap.

    Nothing in them is anybody's own; `archive: false` in a post keeps its issue out. Copy the folder to any web host.
    A second run writes what has changed and takes out what is gone.

    \b
      newsletter archive build --out public/newsletter
    """
    from newsletter.config.settings import load_config
    from newsletter.web.pages import FOLDER
    from newsletter.web.public.archive import Archive
    from newsletter.web.public.context import Public
    from newsletter.web.public.issues import past_issues
    from newsletter.web.public.theme import stylesheet

    config = load_config(context.obj)
    public = Public.read(config)
    base = (config.unsubscribe.url or public.composer.site.url).rstrip("/")
    if not base:
        what = "the pages need an address; set [unsubscribe] url or [newsletter] url"
        raise NewsletterError(what, **config.where("newsletter", "url"))
    home = f"{public.base}/" if public.base else ""
    archive = Archive(public, base, past_issues(public.engine, config.root), home or "issues/")
    sheet = stylesheet(config.newsletter, (FOLDER / "static" / "public.css").read_text(encoding="utf-8"))
    folder = out if out.is_absolute() else Path.cwd() / out
    written = set()
    try:
        for name, text in archive.files(sheet):
            path = folder / name
            written.add(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
        for stale in set((folder / "issues").glob("*/index.html")) - written:
            stale.unlink()
            if not any(stale.parent.iterdir()):
                stale.parent.rmdir()
    except OSError as error:
        raise NewsletterError(
            f"can't be written ({error.strerror}); name another folder with --out", path=folder
        ) from None
    say(f"{plural(len(archive.issues), 'issue')} in {short_path(str(folder))}; its address is {base}/issues/")
