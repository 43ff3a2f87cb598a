"""`inbox`: the test inbox, an SMTP server and its page."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from newsletter.cli.console import say, taken
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

    from newsletter.config.settings import Config
    from newsletter.inbox.indexing import Unindexed
    from newsletter.inbox.server import InboxServer
    from newsletter.inbox.store import Store
    from newsletter.inbox.tls import Demand, Tls
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
    mailpit_api: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=65535, help="Answer Mailpit's API too, on this port, without the secret."),
    ] = None,
    keep: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many messages are kept; the oldest go, past 2 GB too.")
    ] = KEEP,
    keep_days: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="For how many days; for ever if left out.")
    ] = None,
    tls: Annotated[
        Literal["offered", "required", "smtps"] | None,
        typer.Option(help="TLS for SMTP: by STARTTLS, or from the start (smtps)."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For it, with its key (PEM); else one for localhost is made."),
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the index anew from the messages' files.")] = False,
    dump: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the messages there as .eml files, and end.")
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
    from newsletter.inbox.faults import Faults
    from newsletter.inbox.index import drop_index
    from newsletter.inbox.server import InboxServer
    from newsletter.inbox.store import Store
    from newsletter.site.load import load_site
    from newsletter.state.private import state_folder
    from newsletter.web.local_token import load_token

    faults = Faults.parse(fault or ())
    found = context.obj or find_config(Path.cwd())
    config = load_config(found) if found else None
    folder = state_folder(config.state_dir if config else Path.cwd() / STATE_DIR)
    token = _secret(config, "token") or load_token(folder)
    site = None
    if config is not None:
        with contextlib.suppress(NewsletterError):  # then its pictures are not shown; other commands say why
            site = load_site(config)
    max_age = keep_days * 86_400.0 if keep_days else None
    if rebuild:
        drop_index(folder / "inbox")
    with (
        contextlib.closing(_ForkedIndexer(folder / "inbox")) as indexer,  # forked before there are threads
        Store(folder / "inbox", limit=keep, max_age=max_age, indexer=indexer) as store,
    ):
        if dump is not None:
            written = store.dump(dump)
            say(f"{written:,} message{'' if written == 1 else 's'} written to {dump}")
            return
        server = InboxServer(
            store, port=smtp_port, faults=faults, tls=_tls(tls, certificate, folder), login=_login(config)
        )
        ports = (port, mailpit_api)
        run_async(_serve(store, server, site, config, token, ports, open_api=open_api, browser=not no_open))


class _ForkedIndexer:
    """Indexes in two processes of their own (`Indexer`): one describes its batch while the other writes."""

    def __init__(self, folder: Path) -> None:
        from newsletter.cli.forked import Forked

        self._processes = (Forked(_index, folder), Forked(_index, folder))
        self._idle, self._busy = list(self._processes), list[Forked]()

    def ask(self, batch: "Sequence[Unindexed]") -> None:
        self._busy.append(self._idle.pop(0))
        self._busy[-1].ask(batch)

    def receive(self) -> list[int]:
        process = self._busy.pop(0)
        process.ask("write")
        ids: list[int] | Exception = process.receive("the process that indexes messages has ended")
        self._idle.append(process)
        if isinstance(ids, Exception):
            raise ids
        return ids

    def close(self) -> None:
        for process in reversed(self._processes):  # the second has the first one's pipe open too
            process.close()


def _index(send_back: "Callable[[Any], None]", asked: "Callable[[], Any]", folder: Path) -> None:
    """In a process of its own: describe a batch, and write it when its turn has come; until nobody asks."""
    import gc
    import sqlite3

    from newsletter.inbox.index import open_index
    from newsletter.inbox.indexing import describe_files
    from newsletter.inbox.maildir import Maildir

    gc.freeze()  # what was there at the fork stays
    index = None
    while (batch := asked()) is not None:
        if index is None:
            maildir, index = Maildir(folder), open_index(folder)
        rows = describe_files(maildir, batch)
        if asked() is None:
            break
        try:
            send_back(index.add(rows))
        except sqlite3.Error as error:
            send_back(error)
    if index is not None:
        index.close()


def _secret(config: "Config | None", name: Literal["token", "login"]) -> str:
    """A secret of [inbox], which the environment may give without a newsletter.toml too."""
    if config is None:
        return os.environ.get(f"NEWSLETTER_INBOX__{name.upper()}", "")
    value: SecretStr = getattr(config.inbox, name)
    return value.get_secret_value()


def _login(config: "Config | None") -> str:
    login = _secret(config, "login")
    if login and not all(login.partition(":")):
        raise NewsletterError("[inbox] login is no NAME:PASSWORD; write both, such as ada:rehearsal")
    return login


def _tls(demand: "Demand | None", certificate: Path | None, folder: Path) -> "Tls | None":
    from newsletter.inbox.tls import load_tls, own_certificate

    if demand is None:
        if certificate is not None:
            raise NewsletterError("--certificate is for TLS; add --tls offered, required or smtps")
        return None
    own, key = (certificate, None) if certificate else own_certificate(folder)
    return load_tls(demand, own, key)


async def _serve(
    store: "Store", server: "InboxServer", site: "Site | None", config: "Config | None", token: str,
    ports: tuple[int, int | None], *, open_api: bool, browser: bool,
) -> None:  # fmt: skip
    from newsletter.cli.loop import stop_on_signals
    from newsletter.web.inbox.app import inbox_app
    from newsletter.web.inbox.mailpit import mailpit_app
    from newsletter.web.local import bind_free
    from newsletter.web.local_token import door, open_browser, with_token
    from newsletter.web.server import serve_app

    wanted, (port, mailpit_port) = server.port, ports
    mailpit = None if mailpit_port is None else bind_free(mailpit_port)
    spare = bind_free(wanted)  # finds the port; the server binds it itself
    server.port = spare.getsockname()[1]
    spare.close()

    with contextlib.ExitStack() as opened, stop_on_signals() as (stop, _):

        def ready(url: str) -> None:
            address = with_token(url, token)
            say(f"SMTP  {server.url}{taken(wanted, server.port)}")
            if server.tls.context:
                say(f"TLS   {server.tls.demand}; the certificate to trust: {server.tls.certificate}")
            say(f"page  {address}{taken(port, urlsplit(url).port)}")
            if mailpit is not None:
                say(f"API   http://localhost:{mailpit.getsockname()[1]}/api/v1 as Mailpit's, without a secret")
            say("Ctrl-C stops it")
            if browser:
                open_browser(opened.enter_context(door(store.path.parent, address)))

        async with server:
            app = inbox_app(store, server, token=token, open_api=open_api, site=site, config=config)
            async with asyncio.TaskGroup() as serving:
                serving.create_task(serve_app(app, bind_free(port), on_ready=ready, on_stop=app.state.close, stop=stop))
                if mailpit is not None:
                    serving.create_task(serve_app(mailpit_app(store, server, token=token), mailpit, stop=stop))
