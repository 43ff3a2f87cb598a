"""Write messages: an issue and a subscriber become an envelope, bytes on the wire (RFC 5322)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the relay is given: one recipient, and the message with CRLF line ends, no line beginning with a dot."""

    mail_from: str  # return path
    rcpt_to: str  # exactly one
    message: bytes  # RFC 5322, CRLF, ends with CRLF; dot-safe: no dot-stuffing needed
