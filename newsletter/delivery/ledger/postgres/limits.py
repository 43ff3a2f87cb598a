"""The table `limits`: what all senders that share a state took of a relay's rates and connections.

A row a relay, read and written back in one statement each, if nobody else has written meanwhile; no lock is held in
between, so a sender that is frozen holds up nobody. What the columns mean is delivery.limits.shared's business.
"""

import json
import secrets

from newsletter.delivery.ledger.lease import Process
from newsletter.delivery.ledger.postgres.reconnect import Reconnecting
from newsletter.delivery.limits.share import Settle
from newsletter.delivery.limits.shared import Grant
from newsletter.errors import TryAgainLater
from newsletter.state.postgres import PostgresDatabase

_READ = """
SELECT l.version, coalesce(l.windows, ''), coalesce(l.slots, ''),
  extract(epoch FROM clock_timestamp())::float8 FROM (SELECT 1) one LEFT JOIN limits l ON l.relay = :relay
"""
_BEGIN = """
INSERT INTO limits (relay, version, windows, slots) VALUES (:relay, 1, :windows, :slots)
ON CONFLICT DO NOTHING RETURNING 1
"""
_WRITE = """
UPDATE limits SET version = version + 1, windows = :windows, slots = :slots
WHERE relay = :relay AND version = :version RETURNING 1
"""
_TRIES = 50


class LimitTable:
    """`delivery.limits.share.LimitStore` in PostgreSQL, over a connection of its own."""

    def __init__(self, database: PostgresDatabase, here: Process) -> None:
        self._database = database
        self._here = here
        self.me = "|".join((here.host, here.boot, str(here.pid), here.mark, secrets.token_hex(4)))
        self._connection: Reconnecting | None = None

    def exchange(self, relay: str, settle: Settle) -> Grant:
        if self._connection is None:
            self._connection = Reconnecting(self._database, lambda _: None)
            self._connection.patience = 0.0  # whoever asks comes again
        connection = self._connection
        return connection.again(lambda: self._settle(connection, relay, settle))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _settle(self, connection: Reconnecting, relay: str, settle: Settle) -> Grant:
        for _ in range(_TRIES):
            version, windows, slots, now = connection.execute(_READ, relay=relay).fetchone() or ()
            new_windows, new_slots, answer = settle(windows, self._living(slots), now)
            if (new_windows, new_slots) == (windows, slots):
                return answer
            named = {"relay": relay, "windows": new_windows, "slots": new_slots}
            query = _BEGIN if version is None else _WRITE
            if connection.execute(query, version=version, **named).fetchone() is not None:
                return answer
        raise TryAgainLater(f"too many senders share {relay.split()[0]}", path=self._database.name)

    def _living(self, slots: str) -> str:
        """Without those of senders that have died on this machine: elsewhere their lease has to end."""
        if not slots:
            return slots
        held = json.loads(slots)
        dead = [name for name in held if _process(name).lives(self._here) is False]
        return json.dumps({name: theirs for name, theirs in held.items() if name not in dead}) if dead else slots


def _process(name: str) -> Process:
    host, boot, pid, mark, _ = name.split("|")
    return Process(host, boot, int(pid), mark)
