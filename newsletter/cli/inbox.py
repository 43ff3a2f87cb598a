"""`inbox`: the test inbox, an SMTP server and its page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from newsletter.cli.console import say, taken

if TYPE_CHECKING:
    from newsletter.inbox.faults import Faults

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
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="SPEC", help="Refuse, delay or drop on order, such as rcpt=451:10%; repeatable."
        ),
    ] = None,
) -> None:
    """Run the test inbox, an SMTP server with a page.

    Any program can mail to it, and nothing leaves this machine. Messages are kept under .newsletter/inbox. Ctrl-C
    stops it.

    \b
      newsletter inbox
      newsletter inbox --fault rcpt=450:20% --fault dot=2s
    """
    from newsletter.cli.loop import run_async
    from newsletter.config.settings import STATE_DIR, find_config, load_config
    from newsletter.inbox.faults import Faults

    faults = Faults.parse(fault or ())
    found = context.obj or find_config(Path.cwd())
    folder = load_config(found).state_dir if found else Path.cwd() / STATE_DIR
    run_async(_serve(folder / "inbox", faults, smtp_port, port, open_browser=not no_open))


async def _serve(folder: Path, faults: "Faults", smtp_port: int, port: int, *, open_browser: bool) -> None:
    import webbrowser

    from newsletter.inbox.server import InboxServer
    from newsletter.inbox.store import Store
    from newsletter.web.inbox.app import inbox_app
    from newsletter.web.server import bind_free, serve_app

    folder.parent.mkdir(parents=True, exist_ok=True)
    (folder.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    spare = bind_free(smtp_port)  # finds the port; the server binds it itself
    free = spare.getsockname()[1]
    spare.close()

    def ready(url: str) -> None:
        say(f"SMTP  {server.url}{taken(smtp_port, free)}")
        say(f"page  {url}{taken(port, urlsplit(url).port)}")
        say("Ctrl-C stops it")
        if open_browser:
            webbrowser.open(url)

    with Store(folder, limit=KEEP) as store:
        async with InboxServer(store, port=free, faults=faults) as server:
            app = inbox_app(store, server)
            await serve_app(app, bind_free(port), on_ready=ready, on_stop=app.state.close)
