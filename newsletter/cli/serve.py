"""`serve`: the public pages, and the mails that they owe."""

import asyncio
import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.console import note, say
from newsletter.cli.log import LogAddressesOption, LogFormat, LogFormatOption, event, is_structured, log_as
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.config.settings import Config
    from newsletter.smtp.relay import Relay


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(serve)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 is any.")] = 8000,
    proxy_headers: Annotated[
        bool, typer.Option("--proxy-headers", help="A proxy of yours stands before it: believe X-Forwarded-For.")
    ] = False,
    log_format: LogFormatOption = LogFormat.text,
    log_addresses: LogAddressesOption = False,
) -> None:
    """Serve the public pages: sign-up, confirm, preferences, unsubscribe, view in browser, the archive.

    [unsubscribe] url is where readers reach them. Put a proxy with TLS before it. The mails that the pages owe
    (confirmations, above all) are sent by this command, and wait while the relay is away. Ctrl-C stops it in good
    order.

    \b
      newsletter serve
      newsletter serve --port 8080 --proxy-headers
    """
    from newsletter.cli.loop import run_async
    from newsletter.config.settings import load_config

    log_as(log_format, addresses=log_addresses)
    run_async(_serve(load_config(context.obj), host, port, proxy_headers=proxy_headers))


async def _serve(config: "Config", host: str, port: int, *, proxy_headers: bool) -> None:
    from newsletter.cli.loop import stop_on_signals
    from newsletter.delivery.notices import keep_sending
    from newsletter.web.local import bind_free
    from newsletter.web.public.app import public_app
    from newsletter.web.public.context import Public
    from newsletter.web.public.mails import Mails
    from newsletter.web.server import serve_app

    owed, loop = asyncio.Event(), asyncio.get_running_loop()

    def owe() -> None:
        loop.call_soon_threadsafe(owed.set)

    public = Public.open(config, owe)
    relays = _relays(config)
    app = public_app(public, proxy_headers=proxy_headers)
    bound = bind_free(port, host, tries=1)
    _log_access()

    def ready(url: str) -> None:
        if is_structured():
            event("ready", url=f"{url.rstrip('/')}{public.prefix}/", base=public.base)
            return
        say(f"public pages  {url.rstrip('/')}{public.prefix}/  for {public.base}")
        say("Ctrl-C stops it")

    with stop_on_signals() as (stop, _):
        sending = asyncio.ensure_future(
            keep_sending(public.engine, relays, Mails(public).envelope, owed, lambda what: note(f"mails wait: {what}"))
        )
        try:
            await serve_app(app, bound, on_ready=ready, stop=stop)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending


def _relays(config: "Config") -> "tuple[Relay, ...]":
    """The relays; none is no reason not to serve, but it is said."""
    from newsletter.smtp.relay import configured_relays

    try:
        return configured_relays(config)
    except NewsletterError as error:
        note(f"no mail can be sent: {error}; the mails that are due wait")
        return ()


def _log_access() -> None:
    """One line a request on stderr: no address, no token."""
    log = logging.getLogger("newsletter.access")
    log.setLevel(logging.INFO)
    log.propagate = False
    if not (log.handlers or is_structured()):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(handler)
