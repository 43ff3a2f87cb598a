"""Message-IDs (RFC 5322 section 3.6.4): one for each issue and address, the same on every attempt.

Keyed, so that nobody can tell from one whether an address is on the list; and to be had without writing the message.
The same 128 bits, spelled for where the case of letters is lost, are the reference by which a message that comes back
is known.
"""

from newsletter.audience.address import split_mailbox
from newsletter.audience.token import digest
from newsletter.compose.issue import Issue

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)
_SHIFTS = range(120, -1, -10)


def sender_domain(issue: Issue) -> str:
    """The domain of the issue's From address, which its Message-IDs end with."""
    return split_mailbox(issue.sender, "[newsletter] author")[1].rpartition("@")[2]


def message_id(secret: bytes, issue_id: str, email: str, domain: str) -> str:
    """The Message-ID of the issue's message to `email`, in angle brackets."""
    return f"<{digest(secret, 'message-id', issue_id, email)}@{domain}>"


def reference(id_: str) -> str:
    """The reference that goes with a Message-ID: 26 letters and digits in base32 (RFC 4648 section 6), lower case.

    In X-Newsletter-Ref, and in the return path where bounces are to come back to an address of their own (VERP).
    """
    number = int(id_[1 : id_.index("@")], 16) << 2  # 130 bits, 26 letters of 5
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
