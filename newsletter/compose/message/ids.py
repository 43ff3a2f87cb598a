"""Message-IDs (RFC 5322 section 3.6.4): one for each issue and address, the same on every attempt.

Keyed, so that nobody can tell from one whether an address is on the list; and to be had without writing the message.
The same 128 bits, spelled for where the case of letters is lost, are the reference by which a message that comes back
is known.
"""

from newsletter.audience.address import split_mailbox
from newsletter.audience.token import digest
from newsletter.compose.issue import Issue

_LETTERS = bytes.maketrans(bytes(range(32)), b"abcdefghijklmnopqrstuvwxyz234567")


def _halves(size: int) -> tuple[int, int, int]:
    """The masks of lower and upper halves, of so many times 5 bits, and how far the upper ones are to be moved."""
    low = sum((1 << 5 * size) - 1 << at for at in range(0, 256, 16 * size))
    return low, low << 5 * size, 3 * size


_APART = tuple(map(_halves, (16, 8, 4, 2, 1)))


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
    for low, high, shift in _APART:  # halves move apart, and the halves of these, until 5 bits are in an octet each
        number = number & low | (number & high) << shift
    return number.to_bytes(26, "big").translate(_LETTERS).decode("ascii")
