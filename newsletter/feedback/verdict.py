"""Decide what a bounce means: is the address at fault, and why. Pure: a table of status codes and one of phrases.

Hard means that the address will never take mail: nobody there, no such domain, moved. Everything else is soft, and what
is about the sender (authentication, reputation, policy, size) never counts against the reader. Status codes: RFC 3463
and the IANA registry; words win where a server gives a general code, since many say 5.0.0 or 5.7.1 of an unknown user.
"""

import re
from dataclasses import dataclass

from newsletter.feedback.dsn import Bounce
from newsletter.feedback.phrases import REASONS

ABOUT_US = frozenset(
    {"authentication", "reverse dns", "too large", "spam", "blocked", "rate", "relaying", "sender", "policy"}
)
"""Reasons that say nothing of the reader."""

_BY_STATUS: dict[str, tuple[str, bool]] = {
    "1.1": ("unknown address", True),
    "1.2": ("unknown domain", True),
    "1.3": ("unknown address", True),
    "1.6": ("moved", True),
    "1.7": ("sender", False),
    "1.8": ("sender", False),
    "1.10": ("unknown domain", True),
    "2.1": ("disabled", False),
    "2.2": ("mailbox full", False),
    "2.3": ("too large", False),
    "3.4": ("too large", False),
    "4.4": ("unknown domain", True),
    "4.1": ("expired", False),
    "4.2": ("expired", False),
    "4.6": ("expired", False),
    "4.7": ("expired", False),
    "7.20": ("authentication", False),
    "7.21": ("authentication", False),
    "7.22": ("authentication", False),
    "7.23": ("authentication", False),
    "7.24": ("authentication", False),
    "7.25": ("reverse dns", False),
    "7.26": ("authentication", False),
    "7.27": ("sender", False),
    "7.28": ("rate", False),
    "7.509": ("authentication", False),
    "7.515": ("authentication", False),
    "7.606": ("blocked", False),
    "7.705": ("rate", False),
}
"""By subject and detail of the enhanced status."""

_ADDRESSES = re.compile(r"<?[^\s@<]+@[^\s>]+>?")
_REPORTER = re.compile(r"^[45]\.\d\.\d - [\w ]{5,40} (?=[45]\d\d-)")  # what a gateway makes of the server's words
_DECIDES = frozenset({"2.2", "2.3", "3.4", "1.6", "7.26", "7.23", "7.25", "7.509", "7.515"})
"""Codes that servers give for nothing else, whatever their words."""


@dataclass(frozen=True, slots=True)
class BounceMeaning:
    """What a bounce means for the reader."""

    hard: bool
    reason: str  # a name of `phrases.REASONS`, or "other"

    @property
    def about_us(self) -> bool:
        """Whether it speaks of the sender, and says nothing of the reader."""
        return self.reason in ABOUT_US


def judge(bounce: Bounce) -> BounceMeaning:
    """What the bounce means. Delays are no bounces: ask `bounce.action` first."""
    codes = re.findall(r"(?<![\d.])[245]\.(\d{1,3}\.\d{1,3})(?![\d.])", bounce.diagnostic)
    detail = codes[-1] if codes else bounce.status.partition(".")[2]  # the server's own word before its reporter's
    by_status = _BY_STATUS.get(detail)
    if by_status is not None and detail in _DECIDES:
        return BounceMeaning(by_status[1], by_status[0])
    words = _ADDRESSES.sub("<address>", _REPORTER.sub("", bounce.diagnostic[:4000]))
    by_words = next(((name, hard) for name, hard, phrase in REASONS if phrase.search(words)), None)
    if by_words is None or (by_words[0] in {"policy", "expired"} and by_status is not None):
        found = by_status or by_words or ("other", False)
    elif (
        by_status is not None and by_status[1] and by_words[0] in {"relaying", "rate", "disabled", "blocked", "policy"}
    ):
        found = by_status  # 5.1.1 with words that many a reply has
    else:
        found = by_words
    reason, hard = found
    if hard and bounce.status.startswith("4.") and reason != "moved":
        hard = by_words is not None and by_words[1]  # a passing trouble, unless the words are plain
    return BounceMeaning(hard, reason)
