"""`worker`: deliver what is queued, beside as many others as there are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.console import note, say
from newsletter.cli.log import LogAddressesOption, LogFormat, LogFormatOption, event, is_structured, log_as
from newsletter.cli.send_options import ConnectionsOption, RateOption, SmtpOption, asked_relays
from newsletter.errors import NewsletterError, TryAgainLater

if TYPE_CHECKING:
    from newsletter.config.settings import Config
    from newsletter.delivery.workers.worker import Worker
    from newsletter.state.postgres import PostgresDatabase

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds from one attempt to reach the database to the next, when the worker starts; doubled each time."""
_STOPPING = "stopping: what is under way is finished, 30 s at most, the rest given back; Ctrl-C again stops at once"


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(worker)


def worker(
    context: typer.Context,
    smtp: SmtpOption = None,
    connections: ConnectionsOption = None,
    rate: RateOption = None,
    host: Annotated[str, typer.Option("--host", help="The address of --port.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=0, max=65535, help="Answer /health and /metrics there.")
    ] = None,
    log_format: LogFormatOption = LogFormat.text,
    log_addresses: LogAddressesOption = False,
) -> None:
    """Deliver what `send` has queued, beside any number of other workers, on any host; needs PostgreSQL.

    A worker takes a part of an issue, sends it, and takes the next. It needs [state] url, a relay and the secret
    (NEWSLETTER_SECRET), not the list and not the posts. Workers join and leave at any time: Ctrl-C or SIGTERM finishes
    what is under way and gives the rest back; what a dead one had is taken over within a minute. A database that is
    away is waited for.

    \b
      newsletter worker
      newsletter worker --smtp smtps://user@relay.example.org:465 --connections 20
    """
    from newsletter.cli.loop import run_async
    from newsletter.config.settings import load_config
    from newsletter.smtp.relay import no_relay

    log_as(log_format, addresses=log_addresses)
    config = load_config(context.obj)
    database = shared_state(config, "worker")
    relays = asked_relays(config, smtp, connections, rate)
    if not relays:
        raise no_relay(config)

    async def run() -> None:
        from newsletter.cli.loop import stop_on_signals
        from newsletter.delivery.pace import RetryPolicy
        from newsletter.delivery.workers.worker import Worker

        with config.naming("delivery"):
            retry = RetryPolicy.parse(config.delivery.retry_first, config.delivery.retry_max, config.delivery.give_up)
        with stop_on_signals(_STOPPING, 0) as (stop, abort):
            one = await once_there(lambda: Worker(config, database, relays, retry, _tell), stop)
            if one is None:
                return
            if is_structured():
                event("ready", worker=one.number)
            else:
                say(f"worker {one.number} waits for what is queued in {database.name}; Ctrl-C stops it")
            async with _answering(one, host, port):
                await one.run(stop, abort)

    run_async(run())


def shared_state(config: "Config", what: str) -> "PostgresDatabase":
    """The state that workers share. Raises NewsletterError where it is in a file."""
    from newsletter.state import database_of

    database = database_of(config)
    with contextlib.suppress(ImportError):
        from newsletter.state.postgres import PostgresDatabase

        if isinstance(database, PostgresDatabase):
            return database
    raise NewsletterError(
        f"{what} needs a state that hosts can share; set [state] url to postgresql://… (`newsletter state copy` moves "
        "what is there)"
    )


async def once_there(make: "Callable[[], Worker]", stop: asyncio.Event) -> "Worker | None":
    """The worker, once its database is there; None where it is to stop before."""
    told, pause = "", FIRST_PAUSE
    while not stop.is_set():
        try:
            return await asyncio.to_thread(make)
        except TryAgainLater as error:
            if str(error) != told:
                told = str(error)
                _tell(f"waiting: {told}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return None


@contextlib.asynccontextmanager
async def _answering(worker: "Worker", host: str, port: int | None) -> AsyncIterator[None]:
    """Answer whoever watches the worker, where that is wanted."""
    if port is None:
        yield
        return
    from newsletter.web.local import bind_free
    from newsletter.web.server import serve_app
    from newsletter.web.worker import worker_app

    stop = asyncio.Event()
    bound = bind_free(port, host, tries=1)
    serving = asyncio.create_task(
        serve_app(worker_app(worker), bound, on_ready=lambda url: _tell(f"metrics: {url}metrics"), stop=stop)
    )
    try:
        yield
    finally:
        stop.set()
        await serving


def _tell(text: str) -> None:
    if is_structured():
        event("worker", message=text)
    else:
        note(text)
