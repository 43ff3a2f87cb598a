"""Refusals in a row at one relay, nothing accepted between: when they are about us, whatever their code says.

Pure. A reader is settled by what names the reader's mailbox; many alike refusals, over several domains, name us.
"""

import re
from dataclasses import dataclass, field

from newsletter.delivery.pace import IN_A_ROW
from newsletter.smtp.reply import THEIR_MAILBOX, Reply, Verdict, is_relaying_denied
from newsletter.smtp.transaction import Transaction

ALIKE = 10
"""So many alike refusals, one after the other, are about us."""
DOMAINS = 3
"""Over so many recipients' domains, at least."""
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(slots=True)
class Refusals:
    """The refusals at one relay since it last accepted a message."""

    anybody_accepted: bool = False  # in this run
    about_us: bool = False  # it was told; what is still under way is refused for the same reason
    _alike: list[Transaction] = field(default_factory=list)
    _words: tuple[str, ...] = ()
    _policy: list[Transaction] = field(default_factory=list)  # from the first message on

    def accepted(self) -> None:
        """The relay has taken a message."""
        self.anybody_accepted = True
        self._alike.clear()
        self._policy.clear()

    def refused(self, transaction: Transaction, reply: Reply, meaning: Verdict) -> list[Transaction]:
        """Take note of a refusal; where that makes it about us, those who were refused and are not settled by it."""
        if f"5{reply.status[1:]}" in THEIR_MAILBOX:  # 4.2.2 for days is a full mailbox, too
            return []
        if self.about_us:
            return [transaction]
        words = alike_words(reply, transaction.email)
        if words != self._words:
            self._words = words
            self._alike.clear()
        self._alike.append(transaction)
        if len(self._alike) >= ALIKE and len({one.domain.lower() for one in self._alike}) >= DOMAINS:
            self.about_us = True
            return list(self._alike)
        if meaning.policy and not self.anybody_accepted:
            self._policy.append(transaction)
            if len(self._policy) >= (2 if is_relaying_denied(reply) else IN_A_ROW):
                self.about_us = True
                return list(self._policy)
        return []


def alike_words(reply: Reply, email: str) -> tuple[str, ...]:
    """A refusal's words without what differs from reader to reader: the address, its parts, numbers, ids."""
    text = reply.text.lower()
    for part in (email.lower(), email.lower().rpartition("@")[2], email.lower().rpartition("@")[0]):
        text = text.replace(part, " ")
    words = (word for word in text.split() if not any(char.isdigit() or char == "@" for char in word))
    return (str(reply.code), reply.status, *_WORD.findall(" ".join(words)))
