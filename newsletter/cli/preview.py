"""`preview`: look at a post as the reader will, in the browser."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from newsletter.cli.console import say, taken


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(preview)


def preview(
    context: typer.Context,
    post: Annotated[
        str | None, typer.Argument(metavar="POST", help="The post's file, or its slug; the newest if left out.")
    ] = None,
    port: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=65535, help="The page's port; the next free one if it is taken."),
    ] = 8000,
    no_open: Annotated[bool, typer.Option("--no-open", help="Don't open a browser.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Write PNGs there (needs Chromium) and exit.")
    ] = None,
) -> None:
    """See a post as the reader will; the page follows as you save.

    \b
      newsletter preview
      newsletter preview hello --export screenshots
    """
    from newsletter.cli.loop import run_async, stop_on_signals
    from newsletter.cli.posts import find_post
    from newsletter.config.settings import load_config
    from newsletter.errors import NewsletterError
    from newsletter.site.discover import find_posts
    from newsletter.site.load import load_site

    config = load_config(context.obj)
    site = load_site(config)
    path = find_post(config, site, post).absolute() if post else None
    if export is not None:
        from newsletter.web.studio.export import export_pngs

        newest = path or next(iter(find_posts(config, site)), None)
        if newest is None:
            raise NewsletterError("there is no post to export; make one with `newsletter new TITLE`")
        for picture in export_pngs(config, newest, export):
            say(str(picture))
        return

    from newsletter.web.studio.app import serve_preview

    def ready(url: str) -> None:
        say(f"preview  {url}{taken(port, urlsplit(url).port)}")
        say("Ctrl-C stops it")

    async def serve() -> None:
        with stop_on_signals() as (stop, _):
            await serve_preview(config, path, port=port, browser=not no_open, on_ready=ready, stop=stop)

    run_async(serve())
