"""Take a file of people over into the list: look first, then all of it or nothing.

Who left in the other house becomes a suppression, never a subscriber; who never confirmed there stays unconfirmed. A
second import of the same file finds nothing to do. Order matters where it could be cut short: suppressions are written
before the list, so that a crash in between leaves nobody on the list who left.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine, select

from newsletter.audience.events import record, record_all
from newsletter.audience.imports import staging as staged
from newsletter.audience.imports.houses import house_of
from newsletter.audience.imports.reader import open_import
from newsletter.audience.imports.staging import Staging
from newsletter.audience.roster import Roster
from newsletter.audience.signup import ask_all
from newsletter.audience.suppression import REASONS, Reason, Suppression, write_suppressions
from newsletter.audience.token import erased_key
from newsletter.state.schema import suppressions

_CHUNK = 500
_REASON: dict[str, Reason] = {reason: reason for reason in REASONS}


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import would do, or did: counts of rows, and the columns as they are mapped."""

    read: int
    added: int
    updated: int
    unchanged: int
    suppressed: int  # who left there, or must not be mailed here
    newly_suppressed: int  # of them, those whom nothing keeps from being mailed here yet
    unconfirmed: int
    refused: int
    mapping: tuple[tuple[str, str], ...]  # each title, and in words what becomes of it


class Import:
    """One import under way, while the list is held."""

    def __init__(
        self,
        engine: Engine,
        roster: Roster,
        people: Staging,
        outcome: ImportOutcome,
        source: str,
        columns: tuple[str, ...],
    ) -> None:
        self.outcome = outcome
        self._engine = engine
        self._roster = roster
        self._staging = people
        self._source = source
        self._columns = columns

    def refused(self, most: int | None = None) -> list[tuple[int, str, str]]:
        """Line, address and reason of the rows that can't be taken over."""
        return self._staging.refused(most)

    def apply(self, now: float, *, confirm: bool = False) -> bool:
        """Do it; whether that changed anything. With `confirm`, newcomers are asked first, and join by confirming."""
        people, outcome = self._staging, self.outcome
        changed = outcome.newly_suppressed + outcome.updated
        if outcome.newly_suppressed:
            self._suppress(now)
        if outcome.unconfirmed:
            changed += ask_all(self._engine, people.unconfirmed(), self._source, now, mail=confirm)
        if confirm:
            changed += ask_all(self._engine, people.newcomers(), self._source, now, mail=True)
        else:
            changed += outcome.added
        if outcome.updated or (outcome.added and not confirm):
            self._roster.take_over(people, self._columns, newcomers=not confirm)
        if changed:
            with self._engine.begin() as connection:
                record(connection, "", "imported", now, house=self._source, added=str(outcome.added))
        return changed > 0

    def _suppress(self, now: float) -> None:
        """Whoever left there must not be mailed here, and comes off the list."""
        gone = self._staging.gone()
        while chunk := list(islice(gone, _CHUNK)):
            rows = {
                key: Suppression(email, _REASON[fate], self._source, min(moment, now) or now)
                for key, email, fate, moment, _ in chunk
            }
            with self._engine.begin() as connection:
                new = write_suppressions(connection, rows)
                left = [
                    (key, rows[key].created, None, {"house": self._source, "reason": occasion})
                    for key, *_, occasion in chunk if key in new
                ]  # fmt: skip
                record_all(connection, "left", left)
        if leaving := self._staging.leaving():
            self._roster.remove(leaving)


@contextmanager
def prepare_import(engine: Engine, roster: Roster, path: Path, house: str | None, secret: bytes) -> Iterator[Import]:
    """Read and compare a file, and hold the list until the block ends; nothing is changed before `apply`."""
    with Staging() as people, roster.held():
        file = open_import(path, house_of(house), named=house is not None)
        people.load(file)
        people.refuse_strangers()
        roster.compare(people)
        _keep_out(people, engine, secret)
        counts = people.counts()
        left = sum(counts.get(reason, 0) for reason in ("unsubscribe", "bounce", "complaint", "manual"))
        outcome = ImportOutcome(
            read=people.read,
            added=counts.get(staged.ADD, 0),
            updated=counts.get(staged.UPDATE, 0),
            unchanged=counts.get(staged.SAME, 0),
            newly_suppressed=left,
            suppressed=left + counts.get(staged.SUPPRESSED, 0),
            unconfirmed=counts.get("unconfirmed", 0),
            refused=people.refused_count(),
            mapping=file.shown,
        )
        yield Import(engine, roster, people, outcome, house or "import", file.columns)


def _keep_out(people: Staging, engine: Engine, secret: bytes) -> None:
    """Whoever must not be mailed here, or was erased, does not join; of who was erased no address is written down."""
    table = suppressions.c
    with engine.connect() as connection:
        hidden = frozenset(connection.scalars(select(table.key).where(table.email.is_(None))))
        shown = select(table.key, table.reason).where(table.email.is_not(None))
        people.keep_out((key, why) for key, why in connection.execution_options(yield_per=1000).execute(shown))
    if hidden:
        people.keep_out([(key, "manual") for key in people.at_stake() if erased_key(secret, key) in hidden])
