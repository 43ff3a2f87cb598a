"""`inbox`: the test inbox, an SMTP server and its page."""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from newsletter.cli.console import say, taken

if TYPE_CHECKING:
    from newsletter.inbox.faults import Faults
    from newsletter.inbox.store import Store
    from newsletter.site.site import Site

KEEP = 100_000


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(inbox)


def inbox(
    context: typer.Context,
    smtp_port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The SMTP port; the next free one if it is taken.")
    ] = 1025,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The page's port; the next free one if it is taken.")
    ] = 8025,
    no_open: Annotated[bool, typer.Option("--no-open", help="Don't open a browser.")] = False,
    open_api: Annotated[
        bool, typer.Option("--open-api", help="Let every program on this machine use the API, without the secret.")
    ] = False,
    keep: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many messages are kept; the oldest go, past 2 GB too.")
    ] = KEEP,
    keep_days: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="For how many days; for ever if left out.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="SPEC", help="Refuse, delay or drop on order, such as rcpt=451:10%; repeatable."
        ),
    ] = None,
) -> None:
    """Run the test inbox, an SMTP server with a page.

    Any program can mail to it, and nothing leaves this machine. Messages are kept under .newsletter/inbox. The page
    and the API are for those who have the secret in the address; NEWSLETTER_INBOX__TOKEN sets another. Ctrl-C stops it.

    \b
      newsletter inbox
      newsletter inbox --fault rcpt=450:20% --fault dot=2s
    """
    from newsletter.cli.loop import run_async
    from newsletter.config.settings import STATE_DIR, find_config, load_config
    from newsletter.errors import NewsletterError
    from newsletter.inbox.faults import Faults
    from newsletter.inbox.store import Store
    from newsletter.site.load import load_site
    from newsletter.state.private import state_folder
    from newsletter.web.local_token import load_token

    faults = Faults.parse(fault or ())
    found = context.obj or find_config(Path.cwd())
    config = load_config(found) if found else None
    folder = config.state_dir if config else Path.cwd() / STATE_DIR
    given = config.inbox.token.get_secret_value() if config else os.environ.get("NEWSLETTER_INBOX__TOKEN", "")
    token = given or load_token(folder)
    site = None
    if config is not None:
        with contextlib.suppress(NewsletterError):  # then its pictures are not shown; other commands say why
            site = load_site(config)
    max_age = keep_days * 86_400.0 if keep_days else None
    with Store(state_folder(folder) / "inbox", limit=keep, max_age=max_age) as store:
        run_async(_serve(store, faults, site, token, smtp_port, port, open_api=open_api, browser=not no_open))


async def _serve(
    store: "Store", faults: "Faults", site: "Site | None", token: str, smtp_port: int, port: int, *, open_api: bool,
    browser: bool,
) -> None:  # fmt: skip
    from newsletter.cli.loop import stop_on_signals
    from newsletter.inbox.server import InboxServer
    from newsletter.web.inbox.app import inbox_app
    from newsletter.web.local import bind_free
    from newsletter.web.local_token import door, open_browser, with_token
    from newsletter.web.server import serve_app

    spare = bind_free(smtp_port)  # finds the port; the server binds it itself
    free = spare.getsockname()[1]
    spare.close()

    with contextlib.ExitStack() as opened, stop_on_signals() as (stop, _):

        def ready(url: str) -> None:
            address = with_token(url, token)
            say(f"SMTP  {server.url}{taken(smtp_port, free)}")
            say(f"page  {address}{taken(port, urlsplit(url).port)}")
            say("Ctrl-C stops it")
            if browser:
                open_browser(opened.enter_context(door(store.path.parent, address)))

        async with InboxServer(store, port=free, faults=faults) as server:
            app = inbox_app(store, server, token=token, open_api=open_api, site=site)
            await serve_app(app, bind_free(port), on_ready=ready, on_stop=app.state.close, stop=stop)
