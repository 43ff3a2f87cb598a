"""The tables of the state file, for SQLite and PostgreSQL alike (SQLAlchemy Core, no ORM).

Times are seconds since the epoch, UTC. An address's `key` is the address in lower case: two spellings of one mailbox
share it. What the states mean stands in docs/reference/states-and-replies.md; who writes them, in delivery.ledger.
This is the one source: schema.sql is made from it (`make docs`), so that a new file needs neither SQLAlchemy nor
Alembic. A change here needs a migration beside it (state/migrations/versions); a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_unique",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "pk": "%(table_name)s_pk",
    }
)

_LARGE = BigInteger().with_variant(Integer, "sqlite")
"""A number of which SQLite's Integer holds enough, and PostgreSQL's would not."""

PENDING = "pending"
SENDING = "sending"
SENT = "sent"
DEFERRED = "deferred"
FAILED = "failed"
UNKNOWN = "unknown"
SKIPPED = "skipped"
STATES = (PENDING, SENDING, SENT, DEFERRED, FAILED, UNKNOWN, SKIPPED)

RUNNING = "running"
PAUSED = "paused"
CANCELLED = "cancelled"

issues = Table(
    "issues",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),  # the post's slug, or the name given with --again
    Column("post", Text, nullable=False),
    Column("subject", Text, nullable=False),  # as text, for lists
    Column("created", Double, nullable=False),
    Column("frozen", Text, nullable=False),  # compose.Issue.dumps()
    Column("hash", Text, nullable=False),  # of `frozen`
    Column("list_hash", Text, nullable=False),  # of the audience when last planned
    Column("git_commit", Text),  # of the checkout, where there is one
    Column("state", Text, nullable=False, server_default=text("'running'")),  # what was asked of it: RUNNING, PAUSED, …
    Column("starts", Double),  # when it is to begin (`--at`); NULL: at once
    Column("send_before", Double),  # nobody gets it after that; NULL: no such moment
    Column("queued", Double),  # since when workers may take its shards; NULL: they are not to, or all is settled
    Column("secret", Text),  # a keyed digest of the secret that its tokens are made with: a worker's must be the same
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _LARGE, primary_key=True),  # ascending in the order of the list
    Column("issue", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("columns", Text, nullable=False),  # the list's further columns, a JSON object
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("first_attempt", Double),
    Column("not_before", Double),  # of a deferred one, or of one whose own zone is awaited; NULL while it is claimed
    Column("code", Integer),  # the last reply: code, enhanced status, text, and the command it answered
    Column("status", Text),
    Column("text", Text),  # or the reason why there is no reply
    Column("command", Text),
    Column("relay", Text),  # host:port
    Column("updated", Double),
    Column("chosen", Integer, nullable=False, server_default=text("1")),  # for the run planned last; PostgreSQL
    UniqueConstraint("issue", "key"),
    ForeignKeyConstraint(["issue"], ["issues.number"]).ddl_if(dialect="sqlite"),  # PostgreSQL would look for each row
    postgresql_with={"fillfactor": 50},  # the updates of all rows of a page find room on it
)
Index("deliveries_issue", deliveries.c.issue, deliveries.c.id)
Index(
    "deliveries_due",
    deliveries.c.issue,
    deliveries.c.not_before,
    sqlite_where=deliveries.c.not_before.is_not(None),
    postgresql_where=deliveries.c.not_before.is_not(None),
)

claims = Table(
    "claims",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("issue", Integer, ForeignKey("issues.number"), nullable=False),
    Column("boot", Text, nullable=False),  # the kernel's boot id: a claim of another boot has seen a power cut
    Column("ids", Text, nullable=False),  # deliveries.id, a JSON array
)

leases = Table(
    "leases",
    metadata,
    Column("issue", Text, primary_key=True),  # issues.id; the issue may not be frozen yet
    Column("owner", Text, nullable=False),  # random; empty: nobody holds it now
    Column("host", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text, nullable=False),  # start time and pid namespace: a pid may be used again
    Column("since", Double, nullable=False),
    Column("heartbeat", Double, nullable=False),
    Column("epoch", Integer, nullable=False, server_default=text("0")),  # counted up whenever the issue changes hands
    Column("log_epoch", Integer, nullable=False, server_default=text("0")),  # of the run whose log is not settled
    Column("log_mark", Integer),  # the mark of the log before which all is in the rows; null: nothing but rows
)

limits = Table(
    "limits",
    metadata,
    Column("relay", Text, primary_key=True),  # host:port, and a digest of the user; PostgreSQL
    Column("version", _LARGE, nullable=False),  # counted up by each write: who read an older one reads again
    Column("windows", Text, nullable=False),  # what all senders took of its rates, JSON; times are the server's
    Column("slots", Text, nullable=False),  # who holds how many of its connections, and until when; JSON
)

workers = Table(
    "workers",
    metadata,
    Column("number", Integer, primary_key=True),  # whoever takes shards just now; PostgreSQL
    Column("host", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("heartbeat", Double, nullable=False),  # by the database's clock, as `since`
)

shards = Table(
    "shards",
    metadata,
    Column("number", _LARGE, primary_key=True),  # a part of an issue that one worker holds at a time; PostgreSQL
    Column("issue", Integer, ForeignKey("issues.number"), nullable=False),
    Column("epoch", Integer, nullable=False, server_default=text("0")),  # counted up whenever it changes hands
    Column("worker", Integer),  # workers.number; NULL: it is free
    Column("first", _LARGE, nullable=False),  # deliveries.id: its recipients are among those from here …
    Column("last", _LARGE, nullable=False),  # … to here:
    Column("due", Double),  # who was to be tried again, or waited for a moment, by then; NULL: who was not tried yet
    Column("job", _LARGE),  # of the queue; NULL: it waits for the issue to run
    Column("serial", Integer, nullable=False, server_default=text("0")),  # of the last batch: none is written twice
    postgresql_with={"fillfactor": 50},
)
Index("shards_issue", shards.c.issue)

suppressions = Table(
    "suppressions",
    metadata,
    Column("key", Text, primary_key=True),  # of somebody erased: audience.erasure's keyed hash
    Column("email", Text),  # NULL for somebody erased
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),  # who said so: "smtp", "feedback", "cli", "page"…
    Column("created", Double, nullable=False),
    Column("issue", Text),  # issues.id, where one was the occasion
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Integer, primary_key=True),  # ascending in the order of the list
    Column("key", Text, nullable=False, index=True, unique=True),  # an index that a long import can make anew
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("columns", Text, nullable=False),  # what a CSV list has in further columns, a JSON object of texts
)

subscriber_columns = Table(
    "subscriber_columns",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

signups = Table(
    "signups",
    metadata,
    Column("key", Text, primary_key=True),  # who has not confirmed yet
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("columns", Text, nullable=False),  # as in subscribers
    Column("created", Double, nullable=False),
    Column("asked", Double, nullable=False),  # when the last confirmation mail was written
)

events = Table(
    "events",
    metadata,
    Column("id", _LARGE, primary_key=True),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),  # what happened to a person; audience.events names the kinds
    Column("created", Double, nullable=False),
    Column("issue", Text),  # issues.id, where one was the occasion
    Column("detail", Text, nullable=False),  # a JSON object: form, words, network, reason
)
Index("events_key", events.c.key)
Index("events_kind", events.c.kind, events.c.created)

notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),  # a mail that is owed to one person; audience.notices
    Column("key", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("kind", Text, nullable=False),  # confirm, welcome, goodbye
    Column("detail", Text, nullable=False),  # a JSON object
    Column("state", Text, nullable=False),  # pending, sending, sent, failed, unknown
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created", Double, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("reply", Text),
)
Index("notices_key", notices.c.key)
Index("notices_due", notices.c.state, notices.c.not_before)

handled = Table(
    "handled",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of a mail that came back and was acted on, in hex
    Column("created", Double, nullable=False),
)

marks = Table(
    "marks",
    metadata,
    Column("name", Text, primary_key=True),  # a moment that is remembered: "new", the first run of `send --new`
    Column("moment", Double, nullable=False),
)


def schema_sql() -> str:
    """The tables and indexes as SQLite writes them: what stands in schema.sql."""
    from sqlalchemy.dialects.sqlite import dialect
    from sqlalchemy.schema import CreateIndex, CreateTable

    statements: list[CreateTable | CreateIndex] = []
    for table in metadata.sorted_tables:
        statements.append(CreateTable(table))
        statements += [CreateIndex(index) for index in sorted(table.indexes, key=lambda index: str(index.name))]
    lines = "".join(f"{str(statement.compile(dialect=dialect())).strip()};\n\n" for statement in statements)
    tidy = "\n".join(line.rstrip().replace("\t", "  ") for line in lines.rstrip().split("\n"))
    return f"-- Made from state/schema.py by `make docs`.\n\n{tidy}\n"
