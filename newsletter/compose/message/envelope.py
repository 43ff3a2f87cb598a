"""The envelope: what a relay is given for one recipient (RFC 5321 section 2.3.1)."""

from collections.abc import Sequence
from typing import NamedTuple


class Envelope(NamedTuple):
    """One recipient, and the message with CRLF line ends, no line beginning with a dot."""

    mail_from: str  # return path
    rcpt_to: str  # exactly one
    pieces: Sequence[bytes]  # of the message, in their order; what recipients share is not copied for each
    envid: str  # names the message in delivery reports (RFC 3461): the Message-ID without its domain

    @property
    def message(self) -> bytes:
        """RFC 5322, CRLF, ends with CRLF; dot-safe: no dot-stuffing needed."""
        return b"".join(self.pieces)
