"""Act on what came back: suppress, count, ask, confirm; once for each mail, and only where we sent what it is about.

A mail acts if it holds a reference of ours (HMAC, resolved through the ledger), an unsubscribe token, or is the
reader's own wish from the reader's own address. A bounce or complaint that holds nothing of ours acts only where a
provider of ours vouches for it, or with `trust_unsigned`, on an address that had a message in the last 30 days. What
was done and that the mail was handled is one transaction: a run that dies leaves nothing handled twice and nothing
lost.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from newsletter.audience.address import address_key, normalize_address
from newsletter.audience.erasure import was_erased
from newsletter.audience.events import record
from newsletter.audience.suppression import Suppression, write_suppression
from newsletter.audience.token import read_token
from newsletter.compose.message.ids import message_id, reference
from newsletter.feedback.join import MailSignup
from newsletter.feedback.read import ReturnedMail
from newsletter.feedback.references import ReferenceIndex
from newsletter.smtp.provider_id import is_same_id
from newsletter.state.schema import deliveries, events, handled, issues

Deed = Literal["suppressed", "counted", "confirmed", "asked", "none"]

SOFT_ISSUES = 3
SOFT_SPAN = 14 * 86_400.0
"""So many issues that came back, over so many seconds at least, suppress a reader for what passes."""
RECENT = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a mail is about, and the issue that it answers; None where no issue is known."""

    email: str
    issue: str | None


class Recorder:
    """Acts on mails, one after the other; with `dry_run` it says what it would do."""

    def __init__(
        self,
        engine: Engine,
        secret: bytes,
        *,
        clock: Callable[[], float],
        is_subscriber: Callable[[str], bool] = lambda _: False,
        join: MailSignup | None = None,
        trust_unsigned: bool = False,
        dry_run: bool = False,
    ) -> None:
        self._engine = engine
        self._secret = secret
        self._clock = clock
        self._is_subscriber = is_subscriber
        self._join = join
        self.put_off = 0  # sign-ups that wait for a later run; not handled
        self._trust_unsigned = trust_unsigned
        self._dry_run = dry_run
        self._issues: list[tuple[str, int]] = []  # id and number, newest first
        self._index = ReferenceIndex(engine, secret)

    def is_handled(self, data: bytes) -> bool:
        """Whether these bytes were handled by this or an earlier run."""
        with self._engine.connect() as connection:
            return connection.scalar(select(handled.c.digest).where(handled.c.digest == _digest(data))) is not None

    def act(self, data: bytes, feedback: ReturnedMail, source: str = "feedback") -> tuple[Deed, Person | None]:
        """Do what the mail asks for; what was done, and about whom. `source` is who said so, for a suppression."""
        if feedback.kind == "subscribe":
            return self._sign_up(data, feedback)
        if feedback.kind == "other" and not feedback.refs:  # most of a mailbox
            return "none", None
        self._read_issues()
        person = self._person(feedback)
        if feedback.kind == "other" or self.is_handled(data):
            return "none", person
        erased = person is not None and was_erased(self._engine, self._secret, person.email)
        with self._engine.connect() as connection:
            try:
                connection.execute(insert(handled).values(digest=_digest(data), created=self._clock()))
            except IntegrityError:  # another process has just handled it
                return "none", person
            action = "none" if erased else self._act(connection, feedback, person, source)
            if self._dry_run:
                connection.rollback()
            else:
                connection.commit()
        return action, person

    def _sign_up(self, data: bytes, feedback: ReturnedMail) -> tuple[Deed, Person | None]:
        """Joining edits the list, which is no part of a transaction; done before the mail counts as handled."""
        if self._join is None or self.is_handled(data):
            return "none", None
        if self._join.is_busy(feedback):
            self.put_off += 1
            return "none", None
        deed, email = self._join.act(feedback, dry_run=self._dry_run)
        if not self._dry_run:
            with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
                connection.execute(insert(handled).values(digest=_digest(data), created=self._clock()))
        return deed, Person(email, None)

    def _act(self, connection: Connection, feedback: ReturnedMail, person: Person | None, source: str) -> Deed:
        if person is None:
            return "none"
        key, now = address_key(person.email), self._clock()
        if feedback.kind == "complaint":
            record(connection, key, "complained", now, person.issue, reason=feedback.reason)
            return self._suppress(connection, key, person, "complaint", source)
        if feedback.kind == "unsubscribe":
            record(connection, key, "left", now, person.issue, form="mail" if source == "feedback" else source)
            return self._suppress(connection, key, person, "unsubscribe", source)
        if feedback.about_us:
            return "none"
        record(
            connection, key, "bounced", now, person.issue, hard="yes" if feedback.hard else None,
            status=feedback.status, reason=feedback.reason, diagnostic=feedback.diagnostic[:300],
        )  # fmt: skip
        if feedback.hard or self._stays_away(connection, key):
            return self._suppress(connection, key, person, "bounce", source)
        return "counted"

    def _suppress(
        self,
        connection: Connection,
        key: str,
        person: Person,
        reason: Literal["bounce", "complaint", "unsubscribe"],
        source: str,
    ) -> Deed:
        write_suppression(connection, key, Suppression(person.email, reason, source, self._clock(), person.issue))
        return "suppressed"

    def _stays_away(self, connection: Connection, key: str) -> bool:
        """Whether messages of three issues came back over two weeks."""
        query = select(events.c.issue, events.c.created).where(events.c.key == key, events.c.kind == "bounced")
        rows = connection.execute(query).all()
        moments = [created for _, created in rows]
        return len({issue for issue, _ in rows if issue}) >= SOFT_ISSUES and max(moments) - min(moments) >= SOFT_SPAN

    # Who it is

    def _person(self, feedback: ReturnedMail) -> Person | None:
        if feedback.token:
            found = read_token(self._secret, "unsubscribe", feedback.token)
            return Person(*found) if found is not None else None
        if feedback.refs and (known := self._referenced(feedback)) is not None:
            return known
        email = _normal(feedback.email)
        if email is None:
            return None
        if feedback.provider_id and (known := self._named_by_provider(email, feedback.provider_id)) is not None:
            return known
        if feedback.kind == "unsubscribe":
            return Person(email, None) if self._is_subscriber(email) or self._last(email, 0.0) else None
        if feedback.kind in {"bounce", "complaint"} and (feedback.vouched or self._trust_unsigned):
            issue = self._last(email, self._clock() - RECENT)
            return Person(email, issue) if issue is not None else None
        return None

    def _referenced(self, feedback: ReturnedMail) -> Person | None:
        """Who the references of ours are about: the address that the mail names, else whoever the index knows."""
        wanted = set(feedback.refs)
        email = _normal(feedback.email)
        for spelled in {feedback.email, email} - {None, ""}:
            for id_, _ in self._issues:
                if reference(message_id(self._secret, id_, str(spelled), "")) in wanted:
                    return Person(str(spelled), id_)
        found = self._index.find(feedback.refs)
        return Person(*found) if found is not None else None

    def _named_by_provider(self, email: str, told: str) -> Person | None:
        """The delivery to this address of which the relay gave that id when it took the message."""
        query = (
            select(issues.c.id, deliveries.c.email, deliveries.c.text)
            .join(issues, deliveries.c.issue == issues.c.number)
            .where(deliveries.c.issue.in_(number for _, number in self._issues))  # for the index
            .where(deliveries.c.key == address_key(email))
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return next((Person(address, id_) for id_, address, text in rows if is_same_id(text or "", told)), None)

    def _last(self, email: str, since: float) -> str | None:
        """The newest issue that went to this address since then."""
        query = (
            select(issues.c.id)
            .join(deliveries, deliveries.c.issue == issues.c.number)
            .where(deliveries.c.key == address_key(email), deliveries.c.updated > since)
            .where(deliveries.c.state.in_(("sent", "unknown")))
            .order_by(issues.c.created.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            return connection.scalar(query)

    def _read_issues(self) -> None:
        """Learn of the issues that were begun since the last look: a server runs for months."""
        newest = max((number for _, number in self._issues), default=-1)
        query = select(issues.c.id, issues.c.number).where(issues.c.number > newest)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(issues.c.number.desc())).all()
        self._issues = [(id_, number) for id_, number in rows] + self._issues


def first_sent(engine: Engine) -> float | None:
    """When the first issue was begun: nothing before can be about us."""
    with engine.connect() as connection:
        return connection.scalar(select(issues.c.created).order_by(issues.c.created).limit(1))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _normal(email: str) -> str | None:
    try:
        return normalize_address(email)
    except ValueError:
        return None
