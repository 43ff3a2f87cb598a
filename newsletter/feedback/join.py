"""Sign-up by mail, for a newsletter without a server: somebody writes, is asked back, answers, and is on the list.

The first mail asks for nothing but a confirmation mail to the address that it claims to come from; the answer to that
mail proves the address, for it names a Message-ID that nobody else can know (HMAC). A vacation notice answers too, and
is told apart by `read`. So many an hour are asked, whoever they say they are: senders are forged to bomb others. What
the mail says is `web.public.mails`'; who may join, `audience.signup`'s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine

from newsletter.audience.address import normalize_address
from newsletter.audience.notices import notice_issue, notices_since
from newsletter.audience.roster import Roster
from newsletter.audience.signup import (
    AN_HOUR,
    ask,
    asked_by_mail,
    asked_lately,
    confirm_signup,
    may_join,
    plain_name,
    unconfirmed,
)
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.message.ids import message_id, reference
from newsletter.feedback.read import ReturnedMail

ANSWERED_WITHIN = 30 * 86_400.0
"""Seconds after which a confirmation mail is forgotten, and an answer to it with it."""


@dataclass(frozen=True, slots=True)
class MailSignup:
    """Hears who writes to `[feedback] subscribe`; `domain` is that of our Message-IDs."""

    engine: Engine
    secret: bytes
    roster: Roster
    domain: str
    clock: Callable[[], float]

    def is_busy(self, mail: ReturnedMail) -> bool:
        """Must this mail wait for a later run, because as many as may be were asked within the hour?"""
        since = self.clock() - 3600
        return asked_by_mail(self.engine, since) >= AN_HOUR and not self._answered(mail)

    def act(self, mail: ReturnedMail, *, dry_run: bool) -> tuple[Literal["asked", "confirmed", "none"], str]:
        """Ask or confirm, each in transactions of its own: a second time does no harm. What was done, about whom."""
        if answered := self._answered(mail):
            if unconfirmed(self.engine, answered) is None:
                return "none", answered
            if not dry_run:
                confirm_signup(self.engine, self.roster, answered, self.clock(), welcome=True, form="mail")
            return "confirmed", answered
        try:
            email = normalize_address(mail.email)
        except ValueError:
            return "none", mail.email
        now = self.clock()
        if not may_join(self.engine, self.secret, self.roster, email) or asked_lately(self.engine, email, now):
            return "none", email
        if not dry_run:
            ask(self.engine, Subscriber(email, plain_name(mail.name), {}), now, form="mail")
        return "asked", email

    def _answered(self, mail: ReturnedMail) -> str:
        """Whose confirmation mail this answers; empty for nobody's."""
        wanted = set(mail.refs)
        if not wanted:
            return ""
        for id_, email in notices_since(self.engine, "confirm", self.clock() - ANSWERED_WITHIN):
            if reference(message_id(self.secret, notice_issue("confirm", id_), email, self.domain)) in wanted:
                return email
        return ""
