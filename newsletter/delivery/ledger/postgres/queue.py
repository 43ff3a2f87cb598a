"""The queue of shards: procrastinate's tables, in a schema of their own, and one job a shard.

A job says that a shard waits for a worker, no more: whose it is stands in our own row (ledger.postgres.shards), because
the queue does not fence. What is written here joins the transaction that is open on the connection it is given.
"""

import contextlib
import datetime
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager

from newsletter.state.postgres import PostgresDatabase

if TYPE_CHECKING:
    from procrastinate.job_context import JobContext
    from procrastinate.jobs import Job

TASK, QUEUE = "send-shard", "newsletter"
_LOCK = 0x6E6C7375
"""The advisory lock of whoever makes the queue's tables or brings them up to date."""

QueueConnection = psycopg.Connection[tuple[Any, ...]]


def schema_name(db: QueueConnection) -> str:
    """The schema that the queue's tables are in, beside the one of the state."""
    row = db.execute("SELECT current_schema()").fetchone()
    state = row[0] if row else "public"
    return "newsletter_queue" if state == "public" else f"{state}_queue"


@contextlib.contextmanager
def _inside(db: QueueConnection) -> Iterator[str]:
    """The queue's tables are those that are meant, until the block ends."""
    name = schema_name(db)
    path = db.execute("SELECT current_setting('search_path')").fetchone()
    db.execute("SELECT set_config('search_path', quote_ident(%s), true)", (name,))
    yield name
    db.execute("SELECT set_config('search_path', %s, true)", path)  # a failure ends the transaction, and this with it


def prepare(db: QueueConnection) -> None:
    """Make the queue's tables, or bring them up to date, in the transaction that is open."""
    files = sorted(
        (one for one in resources.files("procrastinate.sql.migrations").iterdir() if one.name.endswith(".sql")),
        key=lambda one: one.name,
    )
    name = schema_name(db)
    query = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s"
    found = db.execute(query, (name,)).fetchone()
    if found is not None and found[0] == files[-1].name:
        return
    db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    found = db.execute(query, (name,)).fetchone()
    quoted = psycopg.sql.Identifier(name)
    if found is None:
        db.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(quoted))
    with _inside(db):
        if found is None:
            db.execute(SchemaManager.get_schema())
        else:
            for file in files:
                if file.name > str(found[0]):
                    db.execute(file.read_bytes())
        db.execute(psycopg.sql.SQL("COMMENT ON SCHEMA {} IS {}").format(quoted, files[-1].name))


def defer(db: QueueConnection, numbers: Sequence[int], starts: float | None = None) -> list[int]:
    """Queue a job for each of these shards, not before `starts`; the jobs' ids."""
    at = datetime.datetime.fromtimestamp(starts, datetime.UTC) if starts is not None else None
    app = procrastinate.App(connector=procrastinate.PsycopgConnector())
    jobs: list[Job] = [
        app.configure_task(TASK, queue=QUEUE, queueing_lock=f"shard {number}", schedule_at=at).make_new_job(
            shard=number
        )
        for number in numbers
    ]
    if not jobs:
        return []
    with _inside(db):
        return [job.id or 0 for job in app.job_manager.batch_defer_jobs(jobs, connection=db)]


def drop(db: QueueConnection, jobs: Iterable[int | None]) -> None:
    """Take jobs out of the queue, also those that somebody is at: the late word of whoever was finds nothing."""
    if ids := [job for job in jobs if job is not None]:
        with _inside(db):
            db.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", (ids,))


def lost(db: QueueConnection, jobs: Sequence[int]) -> list[int]:
    """Which of these jobs nobody will do: they are gone, have ended, or whoever was at them has died."""
    with _inside(db):
        rows = db.execute(
            "SELECT one FROM unnest(%s::bigint[]) AS one LEFT JOIN procrastinate_jobs j ON j.id = one"
            " LEFT JOIN procrastinate_workers w ON w.id = j.worker_id WHERE j.id IS NULL OR j.status NOT IN"
            " ('todo', 'doing') OR j.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - interval '30 s')",
            (list(jobs),),
        ).fetchall()
    return [row[0] for row in rows]


def sweep(db: QueueConnection, wanted: Sequence[int]) -> None:
    """Take out the jobs that have ended, or that nobody is at, but for those `wanted`."""
    with _inside(db):
        db.execute(
            "DELETE FROM procrastinate_jobs j WHERE id <> ALL(%s) AND (status NOT IN ('todo', 'doing')"
            " OR status = 'doing' AND NOT EXISTS (SELECT 1 FROM procrastinate_workers w WHERE w.id = j.worker_id"
            " AND w.last_heartbeat > now() - interval '30 s'))",
            (list(wanted),),
        )


class _Jobs(JobManager):
    """The jobs as a worker ends them: one that was given to somebody else meanwhile is no longer ours to end."""

    async def finish_job(self, *arguments: Any, **named: Any) -> None:
        with contextlib.suppress(ConnectorException):
            await super().finish_job(*arguments, **named)


def listening(database: PostgresDatabase, send: Callable[[int, int], Awaitable[None]]) -> procrastinate.App:
    """What calls `send` with the shard and the job of each job that is due, once it runs."""
    for name in ("procrastinate", "psycopg.pool"):  # what matters of what they say is said by the worker
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    with contextlib.closing(database.connect()) as db:
        schema = schema_name(db)

    async def configure(connection: "psycopg.AsyncConnection[Any]") -> None:
        database.connections.add(connection)
        await connection.execute(psycopg.sql.SQL("SET search_path TO {}").format(psycopg.sql.Identifier(schema)))
        await connection.commit()

    connector = procrastinate.PsycopgConnector(
        kwargs=database.parameters(), configure=configure, min_size=1, max_size=2, timeout=10.0
    )
    app = procrastinate.App(connector=connector)
    app.job_manager = _Jobs(connector)

    @app.task(name=TASK, queue=QUEUE, pass_context=True)
    async def send_shard(context: "JobContext", shard: int) -> None:
        await send(shard, context.job.id or 0)

    return app
